"""Small, medium and large lesions: the terciles of those that a model was trained on."""

from collections.abc import Iterable, Sequence

import numpy as np

from segmenter.configuration import Configuration
from segmenter.data.dataset import Sample
from segmenter.data.ground_truth import read_ground_truth
from segmenter.evaluation.lesions import find_regions

SIZES = ("small", "medium", "large")
Cuts = tuple[float, float]


def train_cuts(samples: Sequence[Sample], configuration: Configuration) -> Cuts | None:
    """The terciles of the connected lesions' areas, in pixels of the data set's grid; None without lesions.

    Variants would only repeat their original's areas, so originals count where there are any.
    """
    masks = [sample.mask for sample in samples if sample.is_original] or [sample.mask for sample in samples]
    return tercile_cuts(area for mask in masks for area in find_regions(read_ground_truth(mask, configuration)).areas)


def tercile_cuts(areas: Iterable[int]) -> Cuts | None:
    """The values that a third and two thirds of the areas do not exceed; None without areas."""
    if not (known := list(areas)):
        return None
    low, high = np.percentile(known, (100 / 3, 200 / 3))
    return float(low), float(high)


def size_of(area: float, cuts: Cuts | None) -> str:
    """The size of a lesion; medium where no training lesions tell what is small and what is large."""
    return SIZES[1] if cuts is None else SIZES[int(area > cuts[0]) + int(area > cuts[1])]
