"""Compares a model with a split: figures over batches, as Keras gives them, and figures an image.

All figures are on the data set's own grid: a smaller model's probabilities are resized up to it, then cut. An image
without lesion has no Dice; it is counted apart, and asked only whether anything was found in it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.files import progress, sha256, write_csv, write_text
from segmenter.configuration import Configuration
from segmenter.folders import DataSet, Sample
from segmenter.pictures import draw_row, write_png

COLUMNS = ("sample", "image_id", "patient", "variant", "class", "split", "dice", "iou", "truth_px", "predicted_px", "empty_truth")


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


def evaluation_identity(model_file: Path, data: DataSet, configuration: Configuration, split: str) -> dict[str, object]:
    """What an evaluation depends on; the same again means that there is nothing to do."""
    model = configuration.model
    return {
        "model_sha256": sha256(model_file),
        "data_identity": data.identity,
        "split": split,
        "loss": model.loss,
        "metrics": list(model.metrics),
        "batch_size": configuration.eval.batch_size,
        "threshold": configuration.infer.threshold,
    }


def read_summary(folder: Path) -> dict:
    """What an evaluation left in its folder; empty where there is none."""
    try:
        return json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def evaluate(
    model_file: Path, samples: Sequence[Sample], configuration: Configuration, folder: Path, identity: dict[str, object]
) -> dict[str, float]:
    """Evaluates a model and writes `evaluation.csv`, `per_image.csv`, `best.png`, `worst.png` and `summary.json`.

    Returns:
      The figures of `evaluation.csv` by name.
    """
    from segmenter.input_pipeline import explained
    from segmenter.saved_models import load_predictor

    predictor = load_predictor(model_file)
    figures = BatchFigures(configuration)
    overlaps: list[Overlap] = []
    with explained(samples, predictor.side):
        size = configuration.eval.batch_size
        batches = progress(
            _predict(predictor, samples, size), -(-len(samples) // size), f"evaluating {samples[0].split}", "batches"
        )
        for truth, probabilities in batches:
            figures.add(truth, probabilities)
            cut = probabilities >= configuration.infer.threshold
            overlaps += [measure_overlap(*pair) for pair in zip(truth, cut, strict=True)]
        values = figures.values() | summarise(samples, overlaps)
        _write_extremes(predictor, samples, overlaps, configuration.infer.threshold, folder)
    write_csv(folder / "per_image.csv", COLUMNS, [_row(*pair) for pair in zip(samples, overlaps, strict=True)])
    # Lines like `loss,0.2716` without a header, as the published project writes them.
    write_text(folder / "evaluation.csv", "".join(f"{name},{_short(value)}\n" for name, value in values.items()))
    write_text(folder / "summary.json", json.dumps({"identity": identity, "figures": values}, indent=1) + "\n")
    return values


def _predict(predictor, samples: Sequence[Sample], batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Truth, (batch, size, size, 1) uint8 of 0 and 1, and probabilities of that size, float32; a batch at a time."""
    import tensorflow as tf

    from segmenter.input_pipeline import evaluation_batches

    for images, masks in evaluation_batches(samples, predictor.side, predictor.channels, batch_size):
        probabilities = predictor.predict(images.numpy())
        yield masks.numpy(), tf.image.resize(probabilities, masks.shape[1:3], method="bilinear").numpy()


class BatchFigures:
    """Loss and metrics averaged as `Model.evaluate` does: the loss by images, each metric by batches."""

    def __init__(self, configuration: Configuration):
        from segmenter.losses import make_loss
        from segmenter.metrics import METRICS

        self._functions = {"loss": make_loss(configuration.model)} | {name: METRICS[name] for name in configuration.model.metrics}
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


def summarise(samples: Sequence[Sample], overlaps: Sequence[Overlap]) -> dict[str, float]:
    """Mean and median Dice over images with lesions, originals and all, how many those are, and the images without."""
    pairs = list(zip(samples, overlaps, strict=True))
    with_lesion = [(sample, overlap.dice) for sample, overlap in pairs if overlap.dice is not None]
    originals = [dice for sample, dice in with_lesion if sample.is_original]
    empty = [overlap for overlap in overlaps if not overlap.truth_px]
    figures = _middle("dice_{}_originals", originals) | _middle("dice_{}", [dice for _, dice in with_lesion])
    return figures | {
        "images": len(samples),
        "empty_truth": len(empty),
        "empty_truth_with_false_positives": sum(overlap.predicted_px > 0 for overlap in empty),
    }


def _middle(name: str, dices: Sequence[float]) -> dict[str, float]:
    if not dices:
        return {}
    return {
        name.format("mean"): float(np.mean(dices)),
        name.format("median"): float(np.median(dices)),
        name.format("count"): len(dices),
    }


def _row(sample: Sample, overlap: Overlap) -> dict[str, object]:
    return {
        "sample": sample.name,
        "image_id": sample.image_id,
        "patient": sample.patient,
        "variant": sample.variant,
        "class": sample.label,
        "split": sample.split,
        "dice": _short(overlap.dice),
        "iou": _short(overlap.iou),
        "truth_px": overlap.truth_px,
        "predicted_px": overlap.predicted_px,
        "empty_truth": int(overlap.truth_px == 0),
    }


def _short(value: float | None) -> str | None:
    return None if value is None else str(value) if isinstance(value, int) else f"{value:.4f}"


def _write_extremes(predictor, samples: Sequence[Sample], overlaps: Sequence[Overlap], threshold: float, folder: Path) -> None:
    """Draws the three best and the three worst images, originals where there are any."""
    from segmenter.input_pipeline import read_gray

    scored = [(overlap.dice, sample) for sample, overlap in zip(samples, overlaps, strict=True) if overlap.dice is not None]
    scored = [entry for entry in scored if entry[1].is_original] or scored
    scored.sort(key=lambda entry: (entry[0], entry[1].name))
    for name, entries in (("worst", scored[:3]), ("best", scored[::-1][:3])):
        if entries:
            pairs = _predict(predictor, [sample for _, sample in entries], 1)
            rows = [
                draw_row(
                    read_gray(sample.image),
                    probabilities[0, ..., 0] >= threshold,
                    truth[0, ..., 0],
                    f"{sample.name}, Dice {dice:.2f}",
                )
                for (dice, sample), (truth, probabilities) in zip(entries, pairs, strict=True)
            ]
            write_png(folder / f"{name}.png", np.vstack(rows))
