"""What a run's files state of its network and training, for the items of CLAIM; an empty string where they state nothing."""

from collections.abc import Mapping
from importlib import metadata

from segmenter.configuration.networks import BackboneSettings
from segmenter.evaluation.formatting import counted, sentence
from segmenter.report import contents
from segmenter.report.results import RunResults

_AVERAGED = {"flips": "4 flips", "turns": "8 turns and flips"}


def network(results: RunResults) -> str:
    """Architecture, input, output and size."""
    model, rows = results.configuration.model, dict(contents.training_rows(results))
    classes = ", ".join(results.configuration.class_names)
    return (
        f"{model.model} ({model.paper}); input {rows['input']}; output: a probability per pixel of {classes}, by "
        f"{model.final_activation}; parameters: {rows['parameters']}; config.toml has every setting."
    )


def software(results: RunResults) -> str:
    """Versions of program and libraries, and the device."""
    rows = [*contents.version_rows(results), *contents.device_rows(results)]
    rows += [("reported with cesm-segmentation", metadata.version("cesm-segmentation"))]
    return sentence(f"{name} {value}" for name, value in rows)


def initial_weights(results: RunResults) -> str:
    """What the weights were before training."""
    model, at_random = results.configuration.model, f"at random, with seed {results.configuration.train.seed}"
    if not isinstance(model, BackboneSettings) or model.weights == "none":
        return f"All weights {at_random}."
    origin = "ImageNet weights" if model.weights == "imagenet" else f"the file {model.weights}"
    return f"The encoder {model.backbone} from {origin}; all other weights {at_random}."


def training(results: RunResults) -> str:
    """Loss, optimizer, schedule, augmentation."""
    model, train, dataset = results.configuration.model, results.configuration.train, results.configuration.dataset
    parts = [contents.training_sentence(results)]
    parts += [f"the rate falls along a cosine after {counted(train.warmup_epochs, 'epoch')} of warm-up"] * train.cosine_decay
    parts += [f"patience of {counted(train.patience, 'epoch')} without a better val_loss"]
    parts += [f"rate times {train.reducer_factor:g} after {train.reducer_patience} of these"] * train.learning_rate_reducer
    parts += [f"augmentation: {_augmentation(results)}"]
    if dataset.partner_dropout:
        parts += [f"other image of the view withheld from {dataset.partner_dropout:.0%} of the samples"]
    parts += [f"averaged weights with momentum {model.ema_momentum:g}"] if model.ema_momentum else []
    return sentence([*parts, f"seed {train.seed}", *(["not finished yet"] if results.is_unfinished else [])])


def _augmentation(results: RunResults) -> str:
    augmentor = results.configuration.augmentor
    if not results.configuration.model.generator:
        return "none"
    names = [key for key, value in augmentor if key not in ("probability", "angles", "angle_range") and value]
    return f"{', '.join(names)}, each with probability {augmentor.probability:g}"


def selection(results: RunResults) -> str:
    """How the epoch, and where it was evaluated the threshold, were chosen."""
    text = "The epoch with the lowest val_loss, which is the loss on valid"
    text += f": {results.best_epoch} of {len(results.history)}." if results.best_epoch else "."
    if not results.is_evaluated:
        return text
    choice = results.chosen_threshold
    chosen = f" It has the highest mean Dice on valid, {choice['dice']:.4f}." if choice else ""
    return f"{text} {contents.settings_sentence(results)}{chosen}"


def ensembles(results: RunResults) -> str:
    """Whether predictions are averages."""
    one = f"None: {len(results.models)} models, each on its held-out fold." if results.is_pooled else "None: one model."
    views = _AVERAGED.get(results.infer["augmentation"])
    return f"{one} Probabilities are averages over {views} of each image." if views else one


def protocol(results: RunResults) -> str:
    """The files that have every setting."""
    files: Mapping[str, bool] = {
        "of the run: config.toml and versions.json": not results.scored,
        "of the data set: recipe.toml and manifest.csv": bool(results.recipe),
    }
    return sentence(name for name, is_there in files.items() if is_there)


def availability(results: RunResults) -> str:
    """What can be made available, by its digest."""
    models = [f"{name} (SHA-256 {digest})" for name, digest in results.models.items()]
    program = f"program: cesm-segmentation {metadata.version('cesm-segmentation')}"
    return sentence([program, f"model: {', '.join(models)}" if models else ""])
