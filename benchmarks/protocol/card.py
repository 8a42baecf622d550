"""The card of the model that comes with the package."""

import textwrap
from pathlib import Path

from pipeline.dataset.description import CITATIONS
from pipeline.files import read_json, write_text
from protocol.page import markdown
from protocol.running import PAIR, SINGLE, read_cost
from segmenter.configuration import Configuration
from segmenter.data.dataset import DataSet
from segmenter.pretrained.packaged import LICENCE, NAME, Facts
from segmenter.runs import Run

_INPUTS = {PAIR: "both images of a view", SINGLE: "one image, its partner withheld"}


def write_card(path: Path, run: Run, data: DataSet, configuration: Configuration, facts: Facts) -> None:
    """Writes the card of a network that `run` trained on all images of a data set.

    Source: M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019, for the sections.
    """
    sections = (
        f"# Model card: {NAME}",
        "Not a medical device; for research only.",
        _model(run, configuration, facts),
        _training(run, data, configuration, facts),
        _results(facts),
        _USE,
        _LIMITS,
        _licence(),
    )
    write_text(path, "\n\n".join(sections) + "\n")


def _model(run: Run, configuration: Configuration, facts: Facts) -> str:
    model, versions = configuration.model, read_json(run.versions, dict, "train it again")
    takes = "both images of a view, low-energy and subtracted, or one of them" if configuration.dataset.partner else "one image"
    shown = "the breast, found without learning and cut out" if configuration.dataset.crop == "breast" else "the whole image"
    rows = [
        ("network", f"{model.model}{_backbone(model)}, {versions['parameters']:,} parameters"),
        ("input", f"{takes}; {shown}, {model.image_width} × {model.image_height} px; JPEG, PNG, TIFF or DICOM of any size"),
        ("output", "the probability of a lesion for each pixel, and a mask"),
        *((f"[infer] {key}", value) for key, value in facts.infer.items()),
        *((f"SHA-256 of `{name}`", f"`{value}`") for name, value in facts.sha256.items()),
        ("large kernels", "rounded to about 16 bits; on images it was trained on, that changes probabilities by less than 0.002"),
    ]
    return "## Model\n\n" + markdown(("what", "value"), rows)


def _backbone(model) -> str:
    if not hasattr(model, "backbone"):
        return ""
    return f" with {model.backbone}" + ("" if model.weights == "none" else f", which began from {model.weights} weights")


def _training(run: Run, data: DataSet, configuration: Configuration, facts: Facts) -> str:
    versions, train = read_json(run.versions, dict, "train it again"), configuration.train
    steps = f" of {train.steps_per_epoch} steps" if train.steps_per_epoch else ""
    average = "the moving average of the weights" if configuration.model.ema_momentum else "the weights"
    backend = versions["backend"]
    rows = [
        ("data", "CDD-CESM: malignant images with drawn regions, recipe `v2-pairs`"),
        ("images, patients", f"{facts.images}, {facts.patients}"),
        ("identity of the data set", f"`{data.identity}`"),
        ("length", f"{train.epochs} epochs{steps}, batches of {train.batch_size}, seed {train.seed}"),
        ("processor time", f"{read_cost(run)['core_s'] / 60:.0f} core-minutes"),
        ("made on", f"{versions['date'][:10]}, {versions['device']}, {backend} {versions[backend]}, Keras {versions['keras']}"),
    ]
    about = (
        f"No image was held out, so no epoch was chosen: the model has {average} after the last one. The settings were chosen "
        "before, on validation patients of the folds below; the threshold is the median of those that the folds chose, or the "
        "configuration's where they have not run. `python benchmarks/quality.py final DATASET` of the project repeats the "
        "training, and its docs/benchmark.md states how DATASET is made."
    )
    return f"## Training\n\n{_wrap(about)}\n\n" + markdown(("what", "value"), rows)


def _results(facts: Facts) -> str:
    title = "## Cross-validation\n\n"
    digest = f"Folds: SHA-256 `{facts.folds_sha256}`."
    if not facts.cross_validation:
        return f"{title}No results yet: networks that are trained in this way have not been tested on the folds.\n\n{digest}"
    rows = [
        (_INPUTS[mode], result.folds, result.images, result.patients, result, f"{result.dice_median:.3f}")
        for mode, result in facts.cross_validation.items()
    ]
    about = (
        "Not of this network, which was trained on all of these images, but of networks that were trained in the same way on "
        "the other folds. Dice of each image with a lesion; the interval is 95 % by patient."
    )
    columns = ("input", "folds", "images", "patients", "Dice, mean", "Dice, median")
    more = f"{digest} The project's docs/results.md has detection, false positives and groups."
    return f"{title}{_wrap(about)}\n\n{markdown(columns, rows)}\n\n{_wrap(more)}"


_USE = """## Intended use

Research on the segmentation of lesions in contrast-enhanced mammograms: a first mask to correct, a baseline, a start for other
networks. Out of scope is any clinical use: it must not be used for findings, for decisions on patients or for triage."""

_LIMITS = """## Limits

- Images of one centre. There was no external test: images of other devices, populations and protocols were not seen.
- Malignant lesions only. How often it marks a healthy breast or a benign lesion is not known.
- The contours were drawn by one team; bands of skin thickening and edema are among them. How far two independent readers would
  agree is not known.
- The source images are 8-bit JPEG files that were made from DICOM with unknown windows.
- Its predictions for patients of CDD-CESM show what it has memorised: they test neither it nor what is built on it."""


def _licence() -> str:
    about = f"{LICENCE}, see `LICENSE` in this folder: the strictest licence that is reported for CDD-CESM. Cite the data set:"
    return "\n".join(["## Licence and citations", "", about, "", *(f"- {citation}" for citation in CITATIONS)])


def _wrap(text: str) -> str:
    return textwrap.fill(text, 128)
