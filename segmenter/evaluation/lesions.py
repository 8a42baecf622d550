"""Lesions as objects: connected components, which of them were detected, and the candidates of a FROC curve.

There are two criteria. By overlap, a predicted component detects the annotated one with which it has an IoU of more
than MATCH_IOU, one to one, best pairs first. By centre, an annotated component is detected when the centre of a
predicted one lies in it. Localisation and assignment: Maier-Hein, Reinke et al., "Metrics reloaded", Nature Methods 21,
2024. The candidates of a FROC curve are the predicted components, each with one score; a curve counts those of a score
or more. Bunch et al., "A free response approach to the measurement and characterization of radiographic observer
performance", Proc. SPIE 0127, 1977; Chakraborty and Winter, "Free-response methodology: alternate analysis and a new
observer-performance experiment", Radiology 174, 1990.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.geometry import Components

MATCH_IOU = 0.1
CRITERIA = ("iou", "centre")


@dataclass(frozen=True)
class Matching:
    """Which annotated components were detected, and by which predicted ones.

    Attributes:
      ious: (annotated,) float64; the IoU with the predicted component that detected it, 0 where there is none.
      overlapped: (predicted,) int64; the number of the annotated component that each one detected by overlap, from 1; 0
        where there is none.
      hit: (predicted,) int64; the same for the annotated component that its centre lies in.
    """

    ious: np.ndarray
    overlapped: np.ndarray
    hit: np.ndarray

    @property
    def detected(self) -> np.ndarray:
        """Whether each annotated component was detected by overlap; (annotated,) bool."""
        return self.ious > 0

    @property
    def centre_detected(self) -> np.ndarray:
        """Whether each annotated component was detected by centre; (annotated,) bool."""
        return np.isin(np.arange(1, len(self.ious) + 1), self.hit)

    @property
    def false_positives(self) -> int:
        """The number of predicted components that detected none, by overlap."""
        return int((self.overlapped == 0).sum())

    @property
    def centre_false_positives(self) -> int:
        """The number of predicted components whose centre lies in no annotated one."""
        return int((self.hit == 0).sum())


def match_regions(ground_truth: Components, predicted: Components) -> Matching:
    """Matches the components of two masks of the same size.

    Example:
      >>> from pipeline.geometry import connected_components
      >>> ground_truth, predicted = np.array([[1, 1, 0, 0, 0, 1]]), np.array([[1, 1, 0, 1, 0, 0]])
      >>> matching = match_regions(connected_components(ground_truth), connected_components(predicted))
      >>> matching.detected.tolist(), matching.false_positives
      ([True, False], 1)
    """
    ious, overlapped = np.zeros(len(ground_truth)), np.zeros(len(predicted), np.int64)
    pairs = _ious(ground_truth, predicted)
    candidates = np.argwhere(pairs > MATCH_IOU)
    # Stable, so that equal pairs are taken in the order of their numbers.
    for annotated, candidate in candidates[np.argsort(-pairs[tuple(candidates.T)], kind="stable")]:
        if not ious[annotated] and not overlapped[candidate]:
            ious[annotated], overlapped[candidate] = pairs[annotated, candidate], annotated + 1
    # A centre between two pixels belongs to the right or lower one everywhere; np.rint would choose the even one.
    columns, rows = np.floor(predicted.centres + 0.5).astype(int).reshape(-1, 2).T
    return Matching(ious, overlapped, ground_truth.labels[rows, columns].astype(np.int64))


def _ious(ground_truth: Components, predicted: Components) -> np.ndarray:
    """IoU of each annotated with each predicted component, (annotated, predicted)."""
    rows, columns = len(ground_truth) + 1, len(predicted) + 1
    inside = ground_truth.labels > 0
    together = ground_truth.labels[inside].astype(np.int64) * columns + predicted.labels[inside]
    common = np.bincount(together, minlength=rows * columns).reshape(rows, columns)[1:, 1:]
    return common / np.maximum(ground_truth.areas[:, None] + predicted.areas[None] - common, 1)


def score_candidates(predicted: Components, likely: np.ndarray) -> np.ndarray:
    """The score of each predicted component: the mean probability of a lesion over its pixels, (predicted,) float64.

    Args:
      predicted: the components of the evaluated mask.
      likely: (height, width) float32, the probability of a lesion.
    """
    sums = np.bincount(predicted.labels.ravel(), weights=likely.ravel(), minlength=len(predicted) + 1)
    return sums[1:] / predicted.areas
