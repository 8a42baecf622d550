"""Measures how far two masks cover the same pixels: Dice, IoU, sensitivity, precision, specificity.

Definitions: Maier-Hein, Reinke et al., "Metrics reloaded", Nature Methods 21, 2024.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Overlap:
    """Areas of one image, in pixels of the data set's grid. A metric that would divide by zero is None."""

    truth_px: int
    predicted_px: int
    common_px: int
    image_px: int

    @property
    def dice(self) -> float | None:
        """2 common / (ground truth + predicted), or None without ground truth."""
        return 2 * self.common_px / (self.truth_px + self.predicted_px) if self.truth_px else None

    @property
    def iou(self) -> float | None:
        """common / (ground truth or predicted), or None without ground truth."""
        return self.common_px / (self.truth_px + self.predicted_px - self.common_px) if self.truth_px else None

    @property
    def sensitivity(self) -> float | None:
        """The share of the lesion that was predicted, or None without ground truth."""
        return self.common_px / self.truth_px if self.truth_px else None

    @property
    def precision(self) -> float | None:
        """The share of the prediction that is lesion, or None where nothing was predicted."""
        return self.common_px / self.predicted_px if self.predicted_px else None

    @property
    def specificity(self) -> float | None:
        """The share of the other pixels that was not predicted, or None where all are lesion."""
        rest_px = self.image_px - self.truth_px
        return 1 - (self.predicted_px - self.common_px) / rest_px if rest_px else None


def measure_overlap(ground_truth: np.ndarray, predicted: np.ndarray) -> Overlap:
    """Counts the pixels of two (height, width) masks; nonzero is lesion.

    Example:
      >>> overlap = measure_overlap(np.array([[1, 1, 0, 0]]), np.array([[0, 1, 1, 0]]))
      >>> overlap.dice, overlap.sensitivity, overlap.specificity
      (0.5, 0.5, 0.5)
    """
    ground_truth, predicted = ground_truth != 0, predicted != 0
    return Overlap(int(ground_truth.sum()), int(predicted.sum()), int((ground_truth & predicted).sum()), ground_truth.size)
