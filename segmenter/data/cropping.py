"""Cuts the breast out of an image for the model, the chest wall at the left, and puts predictions back into the whole image.

A letterboxed mammogram is black in more than half of its pixels. The breast's box is found without learning, so that
training, evaluation and inference cut alike.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.geometry import find_breast, vary, vary_back
from segmenter.data.resizing import resize_image, resize_mask

_MARGIN = 0.02  # around the breast, as a share of the image's longer side

Box = tuple[int, int, int, int]  # left, top, right, bottom; half-open


@dataclass(frozen=True)
class Crop:
    """How one image is cut out; boxes are in pixels of the image turned back and mirrored.

    Attributes:
      variant: of the image; it is turned back first.
      mirrored: whether it is mirrored next, because the wall is at the right.
      rows, columns: of the image then.
      box: what the model sees of it.
      window: the box and the black around it, in the shape of the model's input; it may reach beyond the image.
      height, width: of the model's input.
    """

    variant: str
    mirrored: bool
    rows: int
    columns: int
    box: Box
    window: Box
    height: int
    width: int

    def image(self, image: np.ndarray) -> np.ndarray:
        """Cuts an image, (rows, columns, channels) uint8: (height, width, channels) uint8; see `resize_image`."""
        return resize_image(self._cut(image), self.height, self.width)

    def mask(self, mask: np.ndarray, classes: int) -> np.ndarray:
        """Cuts a class map, (rows, columns, 1) uint8: (height, width, 1) uint8; see `resize_mask`."""
        return resize_mask(self._cut(mask), self.height, self.width, classes)

    def back(self, probabilities: np.ndarray) -> np.ndarray:
        """Puts probabilities back into the image, interpolating linearly; outside of the box all is background.

        Where the window is as large as the model's input, each pixel comes back as it is.

        Args:
          probabilities: (height, width, classes) float32.

        Returns:
          The same of the whole image, as it was before it was turned back and mirrored.
        """
        left, top, right, bottom = self.window
        classes = probabilities.shape[-1]
        window = cv2.resize(probabilities, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
        whole = np.zeros((self.rows, self.columns, classes), np.float32)
        if classes > 1:
            whole[..., 0] = 1.0
        whole[_inside(self.box)] = window.reshape(bottom - top, right - left, classes)[_inside(self.box, left, top)]
        return _by_channel(vary, whole[:, ::-1] if self.mirrored else whole, self.variant)

    def _cut(self, pixels: np.ndarray) -> np.ndarray:
        """The window of an array, (rows, columns, channels), with zeros outside of the box."""
        upright = _by_channel(vary_back, pixels, self.variant)
        left, top, right, bottom = self.window
        window = np.zeros((bottom - top, right - left, pixels.shape[-1]), pixels.dtype)
        window[_inside(self.box, left, top)] = (upright[:, ::-1] if self.mirrored else upright)[_inside(self.box)]
        return window


def find_crop(image: np.ndarray, height: int, width: int, variant: str = "original") -> Crop:
    """Finds the breast in an image, and the window around it that becomes the model's input.

    The window is larger than the breast's box and its margin along one axis only; it has the input's shape to the nearest
    pixel. The box begins at the window's left, where the chest wall is, and in the middle of its height.

    Args:
      image: (rows, columns) uint8, letterboxed or not.
      height, width: of the model's input, in pixels.
      variant: how the image was turned or flipped.
    """
    upright = vary_back(image, variant)
    rows, columns = upright.shape
    breast = find_breast(upright)
    left, top, right, bottom = breast.box
    mirrored = breast.wall == "right"
    if mirrored:
        left, right = columns - right, columns - left
    margin = round(_MARGIN * max(rows, columns))
    box = max(0, left - margin), max(0, top - margin), min(columns, right + margin), min(rows, bottom + margin)
    return Crop(variant, mirrored, rows, columns, box, _window_around(box, height, width), height, width)


def _window_around(box: Box, height: int, width: int) -> Box:
    left, top, right, bottom = box
    scale = max((bottom - top) / height, (right - left) / width)  # image pixels per pixel of the input
    rows, columns = max(bottom - top, round(height * scale)), max(right - left, round(width * scale))
    above = top - (rows - (bottom - top)) // 2
    return left, above, left + columns, above + rows


def _inside(box: Box, left: int = 0, top: int = 0) -> tuple[slice, slice]:
    """The rows and columns of a box, counted from a first column and row."""
    return slice(box[1] - top, box[3] - top), slice(box[0] - left, box[2] - left)


def _by_channel(change: Callable[[np.ndarray, str], np.ndarray], pixels: np.ndarray, variant: str) -> np.ndarray:
    """Turns each channel of (rows, columns, channels): OpenCV drops a lone one, and turns few numbers of them."""
    if variant == "original":
        return pixels
    return np.stack([change(np.ascontiguousarray(channel), variant) for channel in np.moveaxis(pixels, -1, 0)], axis=-1)
