"""The connected components of a mask, and which of them are long thin bands."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Components:
    """The connected components of a mask; edges and corners connect.

    Attributes:
      labels: (height, width) int32: 0 is background, component i has the label i + 1.
      areas: (components,) int64, in pixels.
      boxes: (components, 4) int64: first column, first row, width and height of the smallest window around each.
      centres: (components, 2) float64 x, y; the mean of a component's pixels.
    """

    labels: np.ndarray
    areas: np.ndarray
    boxes: np.ndarray
    centres: np.ndarray

    def __len__(self) -> int:
        return len(self.areas)


def connected_components(mask: np.ndarray) -> Components:
    """Finds the connected components of a mask, (height, width); nonzero is inside.

    Example:
      >>> components = connected_components(np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]]))
      >>> components.areas.tolist(), components.boxes.tolist(), components.centres.tolist()
      ([2, 1], [[0, 0, 2, 1], [2, 2, 1, 1]], [[0.5, 0.0], [2.0, 2.0]])
    """
    # Grana's block-based labelling gives the statistics in half the time of the default.
    _, labels, stats, centres = cv2.connectedComponentsWithStatsWithAlgorithm(
        (mask != 0).astype(np.uint8), 8, cv2.CV_32S, cv2.CCL_BBDT
    )
    stats = stats[1:].astype(np.int64)
    return Components(labels, stats[:, cv2.CC_STAT_AREA], stats[:, : cv2.CC_STAT_AREA], centres[1:])


# A component is a band where it is longer than this share of the square's side, and fills less than that share of its hull.
BAND_LENGTH, BAND_FILLING = 130 / 512, 0.35


def find_bands(components: Components, side: int = 0) -> np.ndarray:
    """Whether each component is a long thin band, as skin thickening and edema are drawn in CDD-CESM; (components,) bool.

    The length is the longer side of the component's window. Of 478 images of CDD-CESM, 77 have such a component, and in 20
    of them it has most of the lesion's pixels; compact masses of any size are none.

    Args:
      side: of the square that the components lie in, in pixels; 0 stands for the longer side of `labels`.

    Example:
      >>> mask = np.zeros((64, 64), np.uint8)
      >>> mask[10:50, 10], mask[10, 10:50], mask[55:60, 20:60] = 1, 1, 1
      >>> find_bands(connected_components(mask)).tolist()
      [True, False]
    """
    found = components.boxes[:, 2:].max(axis=1, initial=0) > BAND_LENGTH * (side or max(components.labels.shape))
    for index in np.flatnonzero(found):
        left, top, width, height = components.boxes[index].tolist()
        patch = (components.labels[top : top + height, left : left + width] == index + 1).astype(np.uint8)
        contours, _ = cv2.findContours(patch, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        hull = cv2.fillConvexPoly(np.zeros_like(patch), cv2.convexHull(contours[0]), (1,))
        found[index] = components.areas[index] < BAND_FILLING * cv2.countNonZero(hull)
    return found


def band_share(mask: np.ndarray) -> float:
    """The share of a mask's pixels, (height, width) nonzero, that lie in long thin bands; 0 for an empty mask."""
    left, top, width, height = cv2.boundingRect((mask != 0).astype(np.uint8))
    if not width:
        return 0.0
    # Lesions are small: all of the square takes five times as long.
    components = connected_components(mask[top : top + height, left : left + width])
    return float(components.areas[find_bands(components, max(mask.shape))].sum() / components.areas.sum())
