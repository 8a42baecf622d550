"""Chooses the threshold of a run on one split, to be applied to another."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.files import InputError, write_text
from segmenter.configuration import Configuration
from segmenter.data.dataset import DataSet, Sample
from segmenter.data.originals import originals_or_all
from segmenter.evaluation.overlap import measure_overlap
from segmenter.evaluation.predictions import load, predict_batches
from segmenter.evaluation.state import evaluation_identity, read_record
from segmenter.inference.thresholding import threshold_mask

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))


def choose_threshold(
    model_file: Path,
    data: DataSet,
    configuration: Configuration,
    folder: Path,
    *,
    split: str = "valid",
    single: bool = False,
) -> tuple[float, float]:
    """Finds the threshold of THRESHOLDS with the highest mean Dice, over originals with lesions where there are any.

    Images without lesion have no Dice and do not count. Of equally good thresholds the one nearest to 0.5 is taken. The
    choice is kept in `threshold.json`, or with `single` in `threshold_single.json`, and read from there the next time.

    Args:
      single: withhold the other image of each view, from a network that takes it.

    Returns:
      The threshold and its mean Dice.

    Raises:
      InputError: the configuration uses no threshold, or no image has a lesion.
    """
    if configuration.model.num_classes > 1 or configuration.infer.algorithm:
        reason = f"[infer] algorithm is {configuration.infer.algorithm}"
        if configuration.model.num_classes > 1:
            reason = f"[model] num_classes is {configuration.model.num_classes}, and the most probable class counts"
        raise InputError(f"--threshold auto: this run uses no threshold, because {reason}; leave --threshold out")
    identity = evaluation_identity(model_file, data, configuration, split, single=single)
    path = folder / ("threshold_single.json" if single else "threshold.json")
    if (earlier := read_record(path)).get("identity") == identity:
        return earlier["threshold"], earlier["dice"]
    data = data.without_partners() if single else data
    means = _dice_by_threshold(model_file, data.split(split), configuration)
    best = max(means, key=lambda value: (round(means[value], 6), -abs(value - 0.5)))
    choice = {"identity": identity, "threshold": best, "dice": means[best]}
    write_text(path, json.dumps(choice, indent=1) + "\n")
    return best, means[best]


def _dice_by_threshold(model_file: Path, samples: Sequence[Sample], configuration: Configuration) -> dict[float, float]:
    from segmenter.backend import load_backend

    load_backend()
    settings = {value: configuration.infer.model_copy(update={"threshold": value}) for value in THRESHOLDS}
    originals = originals_or_all(samples)
    dices: dict[float, list[float]] = {value: [] for value in THRESHOLDS}
    for _, ground_truth, probabilities in predict_batches(load(model_file, configuration), originals, configuration):
        for mask, predicted in zip(ground_truth, probabilities, strict=True):
            if mask.any():
                for value, values in dices.items():
                    values.append(measure_overlap(mask[..., 0], threshold_mask(predicted, settings[value])).dice or 0.0)
    if not dices[THRESHOLDS[0]]:
        raise InputError(
            f"--threshold auto: no image of {samples[0].split} has a lesion to choose a threshold by; give a number instead"
        )
    return {value: float(np.mean(values)) for value, values in dices.items()}
