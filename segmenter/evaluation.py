"""Compares a model with a split: figures over batches, as Keras gives them, and figures an image.

All figures are on the data set's own grid: a smaller model's probabilities are resized up to it, then cut. An image
without lesion has no Dice; it is counted apart, and asked only whether anything was found in it.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.files import InputError, progress, sha256, write_csv, write_text
from segmenter.configuration import Configuration
from segmenter.decision import decide
from segmenter.folders import DataSet, Sample
from segmenter.pictures import draw_row, lesion_colors, write_png

COLUMNS = ("sample", "image_id", "patient", "variant", "class", "split", "dice", "iou", "truth_px", "predicted_px", "empty_truth")
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))  # what `choose_threshold` tries


@dataclass(frozen=True)
class Overlap:
    """Areas of one image, in pixels of the data set's grid."""

    truth_px: int
    predicted_px: int
    common_px: int

    @property
    def dice(self) -> float | None:
        """2 common / (truth + predicted), or None without truth."""
        return 2 * self.common_px / (self.truth_px + self.predicted_px) if self.truth_px else None

    @property
    def iou(self) -> float | None:
        """common / (truth or predicted), or None without truth."""
        return self.common_px / (self.truth_px + self.predicted_px - self.common_px) if self.truth_px else None


def measure_overlap(truth: np.ndarray, predicted: np.ndarray) -> Overlap:
    """Counts the pixels of two masks, (height, width), nonzero is lesion."""
    truth, predicted = truth != 0, predicted != 0
    return Overlap(int(truth.sum()), int(predicted.sum()), int((truth & predicted).sum()))


@dataclass(frozen=True)
class Measured:
    """A sample's overlaps: of lesion against the rest, and with several lesion classes of each of them."""

    sample: Sample
    overlap: Overlap
    by_class: Mapping[str, Overlap]


def measure(sample: Sample, truth: np.ndarray, predicted: np.ndarray, class_names: Sequence[str]) -> Measured:
    """Measures the class maps of an image, (height, width) uint8, 0 is background."""
    classes = enumerate(class_names, 1) if len(class_names) > 1 else ()
    by_class = {name: measure_overlap(truth == index, predicted == index) for index, name in classes}
    return Measured(sample, measure_overlap(truth, predicted), by_class)


def evaluation_identity(model_file: Path, data: DataSet, configuration: Configuration, split: str) -> dict[str, object]:
    """What an evaluation depends on; the same again means that there is nothing to do."""
    model, infer = configuration.model, configuration.infer
    return {
        "model_sha256": sha256(model_file),
        "data_identity": data.identity,
        "split": split,
        "loss": model.model_dump(mode="json", include={"loss", "tversky_alpha", "tversky_beta", "focal_alpha", "focal_gamma"}),
        "metrics": list(model.metrics),
        "class_names": list(configuration.class_names),
        "mask": configuration.mask.model_dump(mode="json"),
        "batch_size": configuration.eval.batch_size,
        "infer": infer.model_dump(mode="json", exclude={"batch_size", "mask_colorize"}),
    }


def read_summary(folder: Path) -> dict:
    """What an evaluation left in its folder; empty where there is none."""
    return _read_json(folder / "summary.json")


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def evaluate(
    model_file: Path, samples: Sequence[Sample], configuration: Configuration, folder: Path, identity: dict[str, object]
) -> dict[str, float]:
    """Evaluates a model and writes `evaluation.csv`, `per_image.csv`, `best.png`, `worst.png` and `summary.json`.

    Returns:
      The figures of `evaluation.csv` by name.
    """
    predictor = _load(model_file, configuration)
    figures, measured = BatchFigures(configuration), []
    for batch, truth, probabilities in _predict_batches(predictor, samples, configuration):
        figures.add(truth, probabilities)
        measured += [
            measure(sample, mask[..., 0], decide(likely, configuration.infer), configuration.class_names)
            for sample, mask, likely in zip(batch, truth, probabilities, strict=True)
        ]
    values = figures.values() | summarise(measured) | _threshold_used(configuration)
    _write_extremes(predictor, measured, configuration, folder)
    rows = [_row(one) for one in measured]
    write_csv(folder / "per_image.csv", list(rows[0]), rows)
    # Lines like `loss,0.2716` without a header, as the published project writes them.
    write_text(folder / "evaluation.csv", "".join(f"{name},{_short(value)}\n" for name, value in values.items()))
    write_text(folder / "summary.json", json.dumps({"identity": identity, "figures": values}, indent=1) + "\n")
    return values


def choose_threshold(
    model_file: Path, data: DataSet, configuration: Configuration, folder: Path, *, split: str = "valid"
) -> tuple[float, float]:
    """Finds the threshold of THRESHOLDS with the highest mean Dice, over originals with lesions where there are any.

    Images without lesion have no Dice and take no part. Of equal thresholds the one nearest to 0.5 is taken. The choice
    is kept in `threshold.json`, and read from there the next time.

    Returns:
      The threshold and its mean Dice.

    Raises:
      InputError: the configuration does not cut at a threshold, or no image has a lesion.
    """
    if configuration.model.num_classes > 1 or configuration.infer.algorithm:
        reason = f"[infer] algorithm is {configuration.infer.algorithm}"
        if configuration.model.num_classes > 1:
            reason = f"[model] num_classes is {configuration.model.num_classes}, and the most probable class counts"
        raise InputError(f"--threshold auto: nothing is cut at a threshold here; {reason}; leave --threshold out")
    identity = evaluation_identity(model_file, data, configuration, split)
    if (earlier := _read_json(folder / "threshold.json")).get("identity") == identity:
        return earlier["threshold"], earlier["dice"]
    means = _dice_by_threshold(model_file, data.split(split), configuration)
    best = max(means, key=lambda value: (round(means[value], 6), -abs(value - 0.5)))
    found = {"identity": identity, "threshold": best, "dice": means[best]}
    write_text(folder / "threshold.json", json.dumps(found, indent=1) + "\n")
    return best, means[best]


def _dice_by_threshold(model_file: Path, samples: Sequence[Sample], configuration: Configuration) -> dict[float, float]:
    from segmenter.backend import load_tensorflow

    load_tensorflow()
    tried = {value: configuration.infer.model_copy(update={"threshold": value}) for value in THRESHOLDS}
    chosen = [sample for sample in samples if sample.is_original] or samples
    dices: dict[float, list[float]] = {value: [] for value in THRESHOLDS}
    for _, truth, probabilities in _predict_batches(_load(model_file, configuration), chosen, configuration):
        for mask, likely in zip(truth, probabilities, strict=True):
            if mask.any():
                for value, settings in tried.items():
                    dices[value].append(measure_overlap(mask[..., 0], decide(likely, settings)).dice or 0.0)
    if not dices[THRESHOLDS[0]]:
        raise InputError(f"--threshold auto: no image of {samples[0].split} has a lesion, so none can be chosen; give a number")
    return {value: float(np.mean(found)) for value, found in dices.items()}


def _load(model_file: Path, configuration: Configuration):
    from segmenter.ensembles import AugmentedPredictor
    from segmenter.saved_models import load_predictor

    predictor, views = load_predictor(model_file), configuration.infer.augmentation
    return predictor if views == "none" else AugmentedPredictor(predictor, views)


def _predict_batches(
    predictor, samples: Sequence[Sample], configuration: Configuration
) -> Iterator[tuple[Sequence[Sample], np.ndarray, np.ndarray]]:
    """Samples, truth, (batch, size, size, 1) uint8 of classes, and probabilities of that size, float32; batch by batch."""
    import tensorflow as tf

    from segmenter.input_pipeline import evaluation_batches
    from segmenter.pairs import PairFormat, explained

    # The model decides about its input; the configuration about the rest.
    form = dataclasses.replace(PairFormat.of(configuration), side=predictor.side, channels=predictor.channels)
    count = configuration.eval.batch_size
    with explained(samples, form):
        batches = evaluation_batches(samples, form, count)
        told = progress(batches, -(-len(samples) // count), f"evaluating {samples[0].split}", "batches")
        for number, (images, masks) in enumerate(told):
            probabilities = tf.image.resize(predictor.predict(images.numpy()), masks.shape[1:3], method="bilinear")
            yield samples[number * count :][:count], masks.numpy(), probabilities.numpy()


def _threshold_used(configuration: Configuration) -> dict[str, float]:
    cuts = configuration.model.num_classes == 1 and not configuration.infer.algorithm
    return {"threshold": configuration.infer.threshold} if cuts else {}


class BatchFigures:
    """Loss and metrics averaged as `Model.evaluate` does: the loss by images, each metric by batches."""

    def __init__(self, configuration: Configuration):
        from segmenter.losses import make_loss
        from segmenter.metrics import metric_functions

        metrics = metric_functions(configuration.model.metrics, configuration.class_names)
        self._functions = {"loss": make_loss(configuration.model)} | metrics
        self._batches: list[tuple[int, dict[str, float]]] = []

    def add(self, truth: np.ndarray, probabilities: np.ndarray) -> None:
        """Takes one batch."""
        self._batches.append(
            (len(truth), {name: float(function(truth, probabilities)) for name, function in self._functions.items()})
        )

    def values(self) -> dict[str, float]:
        """The averages over the batches so far."""
        sizes = [size for size, _ in self._batches]
        return {
            name: float(np.average([values[name] for _, values in self._batches], weights=sizes if name == "loss" else None))
            for name in self._functions
        }


def summarise(measured: Sequence[Measured]) -> dict[str, float]:
    """Mean and median Dice over images with lesions, originals and all, how many those are, and the images without.

    With several lesion classes then the same of each class, over the images that have it.
    """
    figures = _dice_figures([(one.sample, one.overlap) for one in measured], "")
    empty = [one.overlap for one in measured if not one.overlap.truth_px]
    figures |= {
        "images": len(measured),
        "empty_truth": len(empty),
        "empty_truth_with_false_positives": sum(overlap.predicted_px > 0 for overlap in empty),
    }
    for name in measured[0].by_class if measured else ():
        figures |= _dice_figures([(one.sample, one.by_class[name]) for one in measured], f"_{name}")
    return figures


def _dice_figures(overlaps: Sequence[tuple[Sample, Overlap]], suffix: str) -> dict[str, float]:
    scored = [(sample, overlap.dice) for sample, overlap in overlaps if overlap.dice is not None]
    originals = [dice for sample, dice in scored if sample.is_original]
    return _middle(f"dice_{{}}_originals{suffix}", originals) | _middle(f"dice_{{}}{suffix}", [dice for _, dice in scored])


def _middle(name: str, dices: Sequence[float]) -> dict[str, float]:
    if not dices:
        return {}
    return {
        name.format("mean"): float(np.mean(dices)),
        name.format("median"): float(np.median(dices)),
        name.format("count"): len(dices),
    }


def _row(measured: Measured) -> dict[str, object]:
    sample, overlap = measured.sample, measured.overlap
    values = (sample.name, sample.image_id, sample.patient, sample.variant, sample.label, sample.split)
    areas = (overlap.truth_px, overlap.predicted_px, int(overlap.truth_px == 0))
    row: dict[str, object] = dict(zip(COLUMNS, (*values, _short(overlap.dice), _short(overlap.iou), *areas), strict=True))
    for name, part in measured.by_class.items():
        row |= {f"dice_{name}": _short(part.dice), f"truth_px_{name}": part.truth_px, f"predicted_px_{name}": part.predicted_px}
    return row


def _short(value: float | None) -> str | None:
    return None if value is None else str(value) if isinstance(value, int) else f"{value:.4f}"


def _write_extremes(predictor, measured: Sequence[Measured], configuration: Configuration, folder: Path) -> None:
    """Draws the three best and the three worst images, originals where there are any."""
    scored = [(one.overlap.dice, one.sample) for one in measured if one.overlap.dice is not None]
    scored = [entry for entry in scored if entry[1].is_original] or scored
    scored.sort(key=lambda entry: (entry[0], entry[1].name))
    for name, entries in (("worst", scored[:3]), ("best", scored[::-1][:3])):
        if entries:
            write_png(folder / f"{name}.png", np.vstack(_draw_rows(predictor, entries, configuration)))


def _draw_rows(predictor, entries: Sequence[tuple[float, Sample]], configuration: Configuration) -> list[np.ndarray]:
    from segmenter.pairs import read_gray

    batches = _predict_batches(predictor, [sample for _, sample in entries], configuration)
    found = [pair for _, truths, likely in batches for pair in zip(truths, likely, strict=True)]
    colors = lesion_colors(configuration.infer.mask_colors, len(configuration.class_names))
    return [
        draw_row(
            read_gray(sample.image),
            decide(probabilities, configuration.infer),
            truth[..., 0],
            f"{sample.name}, Dice {dice:.2f}",
            colors,
        )
        for (dice, sample), (truth, probabilities) in zip(entries, found, strict=True)
    ]
