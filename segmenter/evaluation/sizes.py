"""Small, medium and large lesions, by the terciles of the lesions that a model was trained on."""

from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.geometry import connected_components
from segmenter.configuration import Configuration
from segmenter.data.dataset import Sample
from segmenter.data.ground_truth import read_ground_truth
from segmenter.data.originals import originals_or_all

SIZES = ("small", "medium", "large")
Cuts = tuple[float, float]


def train_cuts(samples: Sequence[Sample], configuration: Configuration) -> Cuts | None:
    """The terciles of the connected lesions' areas, in pixels of the data set's grid; None without lesions.

    Originals count, or all samples where there are none.
    """
    masks = [sample.mask for sample in originals_or_all(samples)]
    return tercile_cuts(area for mask in masks for area in connected_components(read_ground_truth(mask, configuration)).areas)


def tercile_cuts(areas: Iterable[int]) -> Cuts | None:
    """The values that a third and two thirds of the areas do not exceed; None without areas."""
    if not (values := list(areas)):
        return None
    low, high = np.percentile(values, (100 / 3, 200 / 3))
    return float(low), float(high)


def size_of(area: float, cuts: Cuts | None) -> str:
    """The size of a lesion; medium where there are no training lesions to compare with."""
    return SIZES[1] if cuts is None else SIZES[int(area > cuts[0]) + int(area > cuts[1])]
