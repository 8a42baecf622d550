"""Turns an image as its EXIF orientation states, which browsers, viewers and annotation tools do as well.

Source: EXIF 2.32, tag 0x0112.
"""

import numpy as np
import PIL.Image

TAG = 0x0112


def read_orientation(image: PIL.Image.Image) -> int:
    """The EXIF orientation of an opened image, 1 to 8; 1 where there is none."""
    try:
        orientation = image.getexif().get(TAG, 1)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError):
        return 1  # viewers show an image with broken EXIF as it is
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def swaps_sides(orientation: int) -> bool:
    """Whether width and height change places."""
    return orientation >= 5


def orient(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turns and mirrors stored pixels, (height, width, ...), to what viewers show.

    Example:
      >>> orient(np.array([[1, 2], [3, 4]]), 6).tolist()
      [[3, 1], [4, 2]]
    """
    if swaps_sides(orientation):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
