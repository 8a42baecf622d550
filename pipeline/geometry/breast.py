"""Finds the breast in a mammogram by its gray levels, without learning."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from pipeline.geometry.components import connected_components

_WORKING_SIDE = 512  # the breast is looked for on an image of at most this side
_ABOVE_BACKGROUND = 8  # gray levels; the skin line of a dark image is not brighter
_DARK = 0.7  # of the bright parts' level; a background is darker
_WHITE, _WHITE_FRAME = 0.08, 0.25  # shares of all pixels and of those at the border; a white background has more of both
_OPENING = 9  # pixels at that side; strokes of labels and edges of scans are thinner


@dataclass(frozen=True)
class Breast:
    """Where the breast lies in an image.

    Attributes:
      mask: (height, width) bool, the largest connected part that is brighter than the background.
      box: left, top, right, bottom of the mask, half-open, in pixels.
      wall: the side at which the chest wall lies.
    """

    mask: np.ndarray
    box: tuple[int, int, int, int]
    wall: Literal["left", "right"]


def find_breast(image: np.ndarray) -> Breast:
    """Finds the breast: the largest connected part above the background, without thin bridges to labels and scan edges.

    The box holds the breast to within a pixel of an image reduced to 512 px. Where nothing is brighter than the background,
    as in an image of a single level, it is the whole image, with the wall at the left.

    Args:
      image: (height, width) uint8, the breast brighter than the background; letterboxed or not.

    Returns:
      The breast, its mask at the image's size. The chest wall is at the side where the mask is taller in the outer tenth.

    Example:
      >>> image = np.zeros((100, 80), np.uint8)
      >>> image[20:80, 50:80] = image[40:60, 30:50] = 100
      >>> find_breast(image).box, find_breast(image).wall
      ((29, 19, 80, 81), 'right')
    """
    height, width = image.shape
    scale = min(1.0, _WORKING_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    mask = _find_largest(small)
    if not mask.any():
        return Breast(np.ones((height, width), bool), (0, 0, width, height), "left")
    if scale < 1:
        mask = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    outer = max(1, len(columns) // 10)
    is_left = _height(mask[:, columns[:outer]]) >= _height(mask[:, columns[-outer:]])
    return Breast(mask, box, "left" if is_left else "right")


def has_white_background(image: np.ndarray) -> bool:
    """Tells whether the background is white, as in an image whose gray levels are inverted.

    A background is even: many pixels, at the border above all, are nearly as bright as the brightest then. This is so in all
    478 images of CDD-CESM after an inversion (in 477 at the size at which the audit looks at them), and in none before it.

    Args:
      image: (height, width) uint8; letterboxed or not.

    Example:
      >>> image = np.zeros((100, 80), np.uint8)
      >>> image[20:80, 50:80] = 100
      >>> has_white_background(image), has_white_background(255 - image)
      (False, True)
    """
    step = max(1, max(image.shape) // 128)
    small = image[::step, ::step]
    content = small[np.ix_(small.any(axis=1), small.any(axis=0))]  # without the black bars of a letterbox
    if not content.size:
        return False
    white = np.percentile(content, 99)
    is_white = content >= white - _ABOVE_BACKGROUND
    frame = np.concatenate([side[:6].ravel() for side in (is_white, is_white[::-1], is_white.T, is_white.T[::-1])])
    has_contrast = not is_white.all()
    return bool(has_contrast and white > 127 and is_white.mean() > _WHITE and frame.mean() > _WHITE_FRAME)


def _height(columns: np.ndarray) -> float:
    """The mean distance from the first to the last pixel of columns, (height, columns) bool, each of which has one.

    Their number of pixels would not do: in images of high contrast, fat at the chest wall is as dark as the background.
    """
    return float(np.mean(len(columns) - columns.argmax(axis=0) - columns[::-1].argmax(axis=0)))


def _find_largest(image: np.ndarray) -> np.ndarray:
    """The largest part above the background of an image at the working size, (height, width) bool; empty without any."""
    smooth = cv2.blur(image, (3, 3))
    content = smooth[np.ix_(image.any(axis=1), image.any(axis=0))]  # without the black bars of a letterbox
    above = (smooth > _background_level(content) + _ABOVE_BACKGROUND).astype(np.uint8)
    # Opening is within a frame of zeros: what touches the image's border is not thicker than it is in the image.
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_OPENING, _OPENING))
    opened = cv2.morphologyEx(above, cv2.MORPH_OPEN, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    components = connected_components(opened if opened.any() else above)
    if not len(components):
        return above > 0
    largest = (components.labels == components.areas.argmax() + 1).astype(np.uint8)
    # What opening took from the largest part's own corners comes back; the far ends of a bridge do not.
    return cv2.bitwise_and(cv2.dilate(largest, kernel), above) > 0


def _background_level(content: np.ndarray) -> int:
    """The level of the darker side, if that is dark and as even as only a background is, as in scans of films; otherwise 0."""
    if not content.size:
        return 0
    width = max(1, content.shape[1] // 50)
    low, high = min(tuple(np.percentile(side, (25, 75))) for side in (content[:, :width], content[:, -width:]))
    is_background = high - low <= _ABOVE_BACKGROUND and high <= _DARK * np.percentile(content, 90)
    return int(high) if is_background else 0
