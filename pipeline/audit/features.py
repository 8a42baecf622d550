"""Describes an image by keypoints, so that its copies are found after a crop, scaling, turn, flip or change of contrast.

The keypoints are SIFT's (Lowe 2004, https://doi.org/10.1023/B:VISI.0000029664.99615.94), as OpenCV computes them.
"""

from dataclasses import dataclass

import cv2
import numpy as np

SIDE = 160  # px of the longer side of the image in which keypoints are found
SMALL = 96  # px of the longer side of the image that is compared after registration
_KEYPOINTS = 40
# The order of a descriptor's values after a flip: its 4 rows swap, and its 8 directions are mirrored.
MIRRORED = np.arange(128).reshape(4, 4, 8)[::-1][:, :, -np.arange(8) % 8].ravel()


@dataclass(frozen=True, eq=False)
class Features:
    """The description of one image.

    Attributes:
      keypoints: (n, 4) float32: x to the right and y down from the centre, in longer sides of the image; the binary
        logarithm of the size, and the direction in degrees.
      descriptors: (n, 128) uint8.
      small: (height, width) uint8, the image with a longer side of `SMALL` px and its contrast spread to 0 to 255.
    """

    keypoints: np.ndarray
    descriptors: np.ndarray
    small: np.ndarray


def spread_contrast(pixels: np.ndarray) -> np.ndarray | None:
    """Shrinks an image to a longer side of `SIDE` px and spreads its contrast, so that dark and bright copies look the same.

    Args:
      pixels: (height, width) uint8 or uint16.

    Returns:
      (height, width) uint8, or None where the image is plain: nearly all of it within one level.
    """
    factor = SIDE / max(pixels.shape)
    size = tuple(max(8, round(side * factor)) for side in pixels.shape[::-1])
    shrunk = cv2.resize(pixels.astype(np.float32), size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    low, high = np.percentile(shrunk, (0.5, 99.5))
    if high - low <= _level(pixels):
        return None
    return ((shrunk - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)


def _level(pixels: np.ndarray) -> int:
    """The step between two gray levels: 257 for 8 bits that were widened to 16."""
    return 257 if pixels.dtype == np.uint16 and np.array_equal(pixels >> 8, pixels & 255) else 1


def find_features(image: np.ndarray) -> Features:
    """Finds the keypoints of an image that `spread_contrast` returned."""
    finder = cv2.SIFT_create(  # type: ignore[attr-defined]
        nfeatures=_KEYPOINTS, contrastThreshold=0, edgeThreshold=15, enable_precise_upscale=True
    )
    found, descriptors = finder.detectAndCompute(image, None)
    found = found[:_KEYPOINTS]
    height, width = image.shape
    keypoints = [
        ((point.pt[0] + 0.5 - width / 2) / SIDE, (point.pt[1] + 0.5 - height / 2) / SIDE, np.log2(point.size), point.angle)
        for point in found
    ]
    size = tuple(max(1, round(side * SMALL / SIDE)) for side in (width, height))
    return Features(
        np.array(keypoints, np.float32).reshape(-1, 4),
        np.zeros((0, 128), np.uint8) if descriptors is None else descriptors[:_KEYPOINTS].astype(np.uint8),
        cv2.resize(image, size, interpolation=cv2.INTER_AREA),
    )
