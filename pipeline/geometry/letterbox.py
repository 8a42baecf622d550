"""The letterbox: a source image in a square, reduced by area average or enlarged by a cubic.

Coordinates are those of `pipeline.geometry`.
"""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Letterbox:
    """A source image centred in the smallest square that holds it, the square then resized to `target` pixels.

    An odd pixel of padding is on the right or below.

    Example:
      >>> box = Letterbox(width=1315, height=2355, target=512)
      >>> box.pad_left, box.pad_top, box.to_target([100, 200]).round(2).tolist()
      (520, 0, [134.4, 43.09])
    """

    width: int
    height: int
    target: int

    @property
    def side(self) -> int:
        """Side of the square before resizing, in source pixels."""
        return max(self.width, self.height)

    @property
    def pad_left(self) -> int:
        """Black columns left of the image, in source pixels."""
        return (self.side - self.width) // 2

    @property
    def pad_top(self) -> int:
        """Black rows above the image, in source pixels."""
        return (self.side - self.height) // 2

    @property
    def scale(self) -> float:
        """Target pixels per source pixel."""
        return self.target / self.side

    def to_target(self, points: np.ndarray) -> np.ndarray:
        """Maps (..., 2) x, y from source pixels to target pixels."""
        return (np.asarray(points) + (self.pad_left, self.pad_top) + 0.5) * self.scale - 0.5

    def to_source(self, points: np.ndarray) -> np.ndarray:
        """Maps (..., 2) x, y from target pixels to source pixels."""
        return (np.asarray(points) + 0.5) / self.scale - 0.5 - (self.pad_left, self.pad_top)


def area_average(patch: np.ndarray, box: Letterbox, left: int = 0, top: int = 0) -> tuple[np.ndarray, int, int]:
    """Averages a patch of the source image over each target pixel's area; outside of the patch the source is zero.

    Args:
      patch: (height, width) uint8 or uint16, a rectangle of the source image or all of it.
      box: how the source image lies in the target square.
      left, top: the patch's first column and row, in source pixels.

    Returns:
      The averages, (rows, columns) float64 in the patch's unit, of the target pixels that the patch touches, and
      their first target column and row.

    Example:
      >>> averages, left, top = area_average(np.full((4, 2), 100, np.uint8), Letterbox(2, 4, target=2))
      >>> averages.tolist(), left, top
      ([[50.0, 50.0], [50.0, 50.0]], 0, 0)
    """
    # Sums over rectangles with whole-pixel edges come from the summed-area table; because a pixel is constant over
    # its area, interpolating the table linearly gives the sum up to any fractional edge exactly.
    small = patch.dtype == np.uint8 and patch.size < 2**31 // 255
    table = cv2.integral(patch, sdepth=cv2.CV_32S if small else cv2.CV_64F)
    rows, first_row = _cell_edges(patch.shape[0], top + box.pad_top, box)
    columns, first_column = _cell_edges(patch.shape[1], left + box.pad_left, box)
    return _sums_between(table, rows, columns) * box.scale**2, first_column, first_row


def _cell_edges(length: int, start: int, box: Letterbox) -> tuple[np.ndarray, int]:
    """Returns the edges of the target pixels that `length` source pixels from `start` on touch, and the first of these.

    The edges are offsets into the source pixels.
    """
    first, last = int(start * box.scale), min(box.target, int(np.ceil((start + length) * box.scale)))
    return np.clip(np.arange(first, last + 1) / box.scale - start, 0, length), first


def _sums_between(table: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The sums between edges of a summed-area table, (edges of rows - 1, edges of columns - 1) float64.

    Only the rows and columns next to an edge are calculated with, which are fewer than half of those of a mammogram. Samples are
    rounded from these numbers, so the order of the operations matters to their bytes.
    """
    above, left = (np.minimum(edges.astype(np.intp), size - 2) for edges, size in zip((rows, columns), table.shape, strict=True))
    both = np.concatenate([left, left + 1])
    upper = table.take(above, axis=0).take(both, axis=1)
    sums = np.diff(upper + (table.take(above + 1, axis=0).take(both, axis=1) - upper) * (rows - above)[:, None], axis=0)
    nearer, farther = np.split(sums, 2, axis=1)
    return np.diff(nearer + (farther - nearer) * (columns - left), axis=1)


def square_image(image: np.ndarray, target: int) -> np.ndarray:
    """Letterboxes a source image and resizes it: by area average where it shrinks, by cubic interpolation where it grows.

    Args:
      image: (height, width) or (height, width, channels), uint8 or uint16.
      target: side of the result in pixels.

    Returns:
      (target, target) or (target, target, channels) of the image's dtype, black outside of the image.

    Example:
      >>> square_image(np.full((4, 2), 100, np.uint8), target=4).tolist()
      [[0, 100, 100, 0], [0, 100, 100, 0], [0, 100, 100, 0], [0, 100, 100, 0]]
    """
    if image.ndim == 3:
        channels = (square_image(np.ascontiguousarray(image[..., index]), target) for index in range(image.shape[2]))
        return np.stack(list(channels), axis=-1)
    height, width = image.shape
    box = Letterbox(width, height, target)
    if box.side < target:
        right, below = box.side - width - box.pad_left, box.side - height - box.pad_top
        padded = cv2.copyMakeBorder(image, box.pad_top, below, box.pad_left, right, cv2.BORDER_CONSTANT, value=0)
        return cv2.resize(padded, (target, target), interpolation=cv2.INTER_CUBIC)
    averages, left, top = area_average(image, box)
    return place(np.rint(averages).astype(image.dtype), left, top, target)


def place(values: np.ndarray, left: int, top: int, target: int) -> np.ndarray:
    """Puts a window of target pixels, (rows, columns) or (rows, columns, channels), into a square of zeros."""
    square = np.zeros((target, target, *values.shape[2:]), values.dtype)
    square[top : top + values.shape[0], left : left + values.shape[1]] = values
    return square


def unsquare(square: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resizes a letterboxed map back to the source image's size, interpolating linearly.

    Args:
      square: (target, target) float32, for example probabilities.
      width, height: the source image's size, in pixels.

    Returns:
      (height, width) float32.

    Example:
      >>> unsquare(np.array([[0.0, 1.0], [0.0, 1.0]], np.float32), width=1, height=2).tolist()
      [[0.0], [0.0]]
    """
    box = Letterbox(width, height, square.shape[0])
    full = cv2.resize(square, (box.side, box.side), interpolation=cv2.INTER_LINEAR)
    return full[box.pad_top : box.pad_top + height, box.pad_left : box.pad_left + width]
