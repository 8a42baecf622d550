"""Measures how far apart the contours of two masks lie: Hausdorff, average and normalized surface distance.

Definitions: Maier-Hein, Reinke et al., "Metrics reloaded", Nature Methods 21, 2024; normalized surface Dice: Nikolov et al.,
"Clinically applicable segmentation of head and neck anatomy", J. Med. Internet Res. 23, 2021 (arXiv:1809.04430).
"""

from dataclasses import dataclass

import cv2
import numpy as np

# The length of the contour within the square between four pixel centres, by which of them are in the mask: upper left 8,
# upper right 4, lower left 2, lower right 1. It runs straight between the middles of the square's sides.
_CORNER = 0.5**0.5  # cuts off one corner
_LENGTHS = np.array(
    [0, *[_CORNER] * 2, 1, _CORNER, 1, 2 * _CORNER, _CORNER, _CORNER, 2 * _CORNER, 1, _CORNER, 1, *[_CORNER] * 2, 0]
)
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


@dataclass(frozen=True)
class Distances:
    """Distances between two contours, in pixels of the masks' grid; None where they are not defined.

    Attributes:
      hd95: the greater of the two 95th percentiles, from each contour's pixels to the other contour; programs that pool both
        directions before they take the percentile (medpy) give another value.
      asd: mean distance to the other contour, over the pixels of both (symmetric).
      nsd: share of the length of both contours that lies within the tolerance of the other one, 0 to 1.
    """

    hd95: float | None = None
    asd: float | None = None
    nsd: float | None = None


def measure_distances(ground_truth: np.ndarray, predicted: np.ndarray, tolerance_px: float) -> Distances:
    """Compares the contours of two masks.

    For hd95 and asd a contour is the mask's pixels with an edge neighbor outside the mask. For nsd it is made of elements at
    the pixels' corners, each with the length of contour around that corner, as in DeepMind's surface-distance: counted
    pixels (MONAI) give diagonal stretches too little weight. Everything beyond the image's border is outside.

    Args:
      ground_truth, predicted: (height, width), nonzero is lesion.
      tolerance_px: distance within which contours count as equal.

    Returns:
      No distances without ground truth, because there is no contour to compare with. Where nothing was predicted, nsd is 0
      and the others are not defined, because a missed lesion has no distance.

    Example:
      >>> measure_distances(np.eye(1, 9, 2), np.eye(1, 9, 5), tolerance_px=1)
      Distances(hd95=3.0, asd=3.0, nsd=0.0)
    """
    ground_truth, predicted = (ground_truth != 0).astype(np.uint8), (predicted != 0).astype(np.uint8)
    if not ground_truth.any():
        return Distances()
    if not predicted.any():
        return Distances(nsd=0.0)
    # Both contours lie in the box around both masks, and so do the shortest paths between them.
    left, top, width, height = cv2.boundingRect(ground_truth | predicted)
    box = np.s_[top : top + height, left : left + width]
    ground_truth, predicted = ground_truth[box], predicted[box]
    first, second = _contour(ground_truth), _contour(predicted)
    there, back = _distances_to(second)[first], _distances_to(first)[second]
    both = np.concatenate([there, back])
    return Distances(
        hd95=float(max(np.percentile(there, 95), np.percentile(back, 95))),
        asd=float(both.mean()),
        nsd=_surface_dice(_element_lengths(ground_truth), _element_lengths(predicted), tolerance_px),
    )


def _surface_dice(first: np.ndarray, second: np.ndarray, tolerance_px: float) -> float:
    """The share of the length of two contours that lies within the tolerance of the other one, by element."""
    near = (_distances_to(second > 0) <= tolerance_px, _distances_to(first > 0) <= tolerance_px)
    return float((first[near[0]].sum() + second[near[1]].sum()) / (first.sum() + second.sum()))


def _element_lengths(mask: np.ndarray) -> np.ndarray:
    """The length of contour around each corner of a pixel, (height + 1, width + 1) float64; 0 where there is none."""
    padded = np.pad(mask, 1)
    return _LENGTHS[8 * padded[:-1, :-1] + 4 * padded[:-1, 1:] + 2 * padded[1:, :-1] + padded[1:, 1:]]


def _contour(mask: np.ndarray) -> np.ndarray:
    inside = cv2.erode(mask, _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return (mask != 0) & (inside == 0)


def _distances_to(contour: np.ndarray) -> np.ndarray:
    """The exact distance of each pixel to the nearest pixel of a contour; (height, width) float64."""
    distances = cv2.distanceTransform((~contour).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Squares of distances between pixels are whole numbers: rounding them repairs what single precision loses.
    return np.sqrt(np.rint(np.square(distances, dtype=np.float64)))
