"""Lesions as objects: connected components, which of them were detected, and how that changes with the threshold.

There are two criteria. By overlap, a predicted component detects the annotated one with which it has an IoU of more
than MATCH_IOU, one to one, best pairs first. By centre, an annotated component is detected when the centre of a
predicted one lies in it. Localisation and assignment: Maier-Hein, Reinke et al., "Metrics reloaded", Nature Methods 21,
2024; FROC: Bunch et al., "A free response approach to the measurement and characterization of radiographic observer
performance", Proc. SPIE 0127, 1977.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pipeline.geometry import Components, connected_components
from segmenter.inference.thresholding import drop_small
from segmenter.lesion_rule import is_lesion

MATCH_IOU = 0.1
CRITERIA = ("iou", "centre")


@dataclass(frozen=True)
class Matching:
    """Which annotated components were detected, and how many predicted components match none.

    Attributes:
      ious: (annotated,) float64; the IoU with the predicted component that detected it, 0 where there is none.
      centre_detected: (annotated,) bool.
      false_positives: the number of predicted components that detected none, by overlap.
      centre_false_positives: the number of predicted components whose centre lies in no annotated one.
    """

    ious: np.ndarray
    centre_detected: np.ndarray
    false_positives: int
    centre_false_positives: int

    @property
    def detected(self) -> np.ndarray:
        """Whether each annotated component was detected by overlap; (annotated,) bool."""
        return self.ious > 0

    def by_criterion(self) -> dict[str, tuple[np.ndarray, int]]:
        """For each of CRITERIA which annotated components were detected, and the number of false positives."""
        by_overlap, by_centre = (self.detected, self.false_positives), (self.centre_detected, self.centre_false_positives)
        return dict(zip(CRITERIA, (by_overlap, by_centre), strict=True))


def match_regions(ground_truth: Components, predicted: Components) -> Matching:
    """Matches the components of two masks of the same size.

    Example:
      >>> ground_truth, predicted = np.array([[1, 1, 0, 0, 0, 1]]), np.array([[1, 1, 0, 1, 0, 0]])
      >>> matching = match_regions(connected_components(ground_truth), connected_components(predicted))
      >>> matching.detected.tolist(), matching.false_positives
      ([True, False], 1)
    """
    ious = np.zeros(len(ground_truth))
    pairs = _ious(ground_truth, predicted)
    free = np.ones(len(predicted), bool)
    candidates = np.argwhere(pairs > MATCH_IOU)
    # Stable, so that equal pairs are taken in the order of their numbers.
    for annotated, candidate in candidates[np.argsort(-pairs[tuple(candidates.T)], kind="stable")]:
        if not ious[annotated] and free[candidate]:
            ious[annotated], free[candidate] = pairs[annotated, candidate], False
    # A centre between two pixels belongs to the right or lower one everywhere; np.rint would choose the even one.
    columns, rows = np.floor(predicted.centres + 0.5).astype(int).reshape(-1, 2).T
    hits = ground_truth.labels[rows, columns]
    return Matching(ious, np.isin(np.arange(1, len(ground_truth) + 1), hits), int(free.sum()), int((hits == 0).sum()))


def _ious(ground_truth: Components, predicted: Components) -> np.ndarray:
    """IoU of each annotated with each predicted component, (annotated, predicted)."""
    rows, columns = len(ground_truth) + 1, len(predicted) + 1
    inside = ground_truth.labels > 0
    together = ground_truth.labels[inside].astype(np.int64) * columns + predicted.labels[inside]
    common = np.bincount(together, minlength=rows * columns).reshape(rows, columns)[1:, 1:]
    return common / np.maximum(ground_truth.areas[:, None] + predicted.areas[None] - common, 1)


@dataclass(frozen=True)
class Sweep:
    """The detections at one threshold, by one of CRITERIA."""

    threshold: float
    criterion: str
    detected: np.ndarray
    false_positives: int


def sweep_thresholds(
    ground_truth: Components, likely: np.ndarray, thresholds: Sequence[float], smallest_px: int = 0
) -> list[Sweep]:
    """Matches the components at or above each threshold with the annotated ones.

    Args:
      ground_truth: the annotated components.
      likely: (height, width) float32, the probability of a lesion.
      smallest_px: connected components of fewer pixels do not count.

    Returns:
      For each threshold one entry per criterion; `detected` is (annotated,) bool.
    """
    if not thresholds:
        return []
    # Outside the box around the ground truth and all that passes the lowest threshold there is nothing to match.
    left, top, width, height = cv2.boundingRect(((likely >= min(thresholds)) | (ground_truth.labels > 0)).astype(np.uint8))
    box = np.s_[top : top + max(1, height), left : left + max(1, width)]
    annotated = replace(ground_truth, labels=ground_truth.labels[box])
    sweeps = []
    for threshold in thresholds:
        predicted = connected_components(drop_small(is_lesion(likely[box], threshold).astype(np.uint8), smallest_px))
        for criterion, (detected, false_positives) in match_regions(annotated, predicted).by_criterion().items():
            sweeps.append(Sweep(threshold, criterion, detected, false_positives))
    return sweeps
