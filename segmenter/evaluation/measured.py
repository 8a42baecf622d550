"""The measurements of one image, from which the metrics of an evaluation are computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.geometry import Components
from segmenter.data.dataset import Sample
from segmenter.evaluation.lesions import Matching, Sweep
from segmenter.evaluation.overlap import Overlap
from segmenter.evaluation.surfaces import Distances


@dataclass(frozen=True)
class Measured:
    """The measurements of one image: of lesion against background, and of each lesion class where there are several."""

    sample: Sample
    overlap: Overlap
    by_class: Mapping[str, Overlap]
    distances: Distances
    ground_truth: Components
    predicted: Components
    matching: Matching
    sweep: Sequence[Sweep]
