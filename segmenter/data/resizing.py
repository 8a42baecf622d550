"""Resizes images and masks to the model's size."""

import cv2
import numpy as np

_HALF = 0.5 - 1e-5  # averages are sums of rounded shares


def resize_image(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Area average of an image, (rows, columns, channels) uint8, rounded, as `pipeline.geometry` does it; it grows by a cubic.

    Returns:
      (height, width, channels) uint8; the image itself where it has this size.
    """
    if image.shape[:2] == (height, width):
        return image
    if height <= len(image) and width <= image.shape[1]:
        return np.rint(_area_average(image, height, width)).astype(np.uint8)
    # OpenCV drops a lone channel.
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, -1)


def resize_mask(mask: np.ndarray, height: int, width: int, classes: int) -> np.ndarray:
    """Resizes a class map, (rows, columns, 1) uint8, to (height, width, 1).

    A pixel is lesion if at least half of its area is, and has the lesion class of the largest area.

    Args:
      classes: as `num_classes` in [model].
    """
    if mask.shape[:2] == (height, width):
        return mask
    if classes == 1:
        return (_area_average(mask, height, width) >= _HALF).astype(np.uint8)
    shares = _area_average(mask == np.arange(1, classes), height, width)
    lesion = shares.argmax(-1)[..., None] + 1
    return np.where(shares.sum(-1, keepdims=True) >= _HALF, lesion, 0).astype(np.uint8)


def _area_average(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height, width, channels) float32, also where that is larger; OpenCV drops a lone channel."""
    return cv2.resize(pixels.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, -1)
