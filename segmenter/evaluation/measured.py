"""The measurements of one image, from which the metrics of an evaluation are computed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.geometry import Components
from segmenter.data.dataset import Sample
from segmenter.evaluation.lesions import Matching
from segmenter.evaluation.overlap import Overlap
from segmenter.evaluation.surfaces import Distances


@dataclass(frozen=True)
class Measured:
    """The measurements of one image: of lesion against background, and of each lesion class where there are several.

    `scores` has the score of each predicted component, (predicted,) float64.
    """

    sample: Sample
    overlap: Overlap
    by_class: Mapping[str, Overlap]
    distances: Distances
    ground_truth: Components
    predicted: Components
    matching: Matching
    scores: np.ndarray
