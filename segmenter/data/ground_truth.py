"""The truth of a sample as OpenCV reads it; needs no TensorFlow."""

from pathlib import Path

import cv2
import numpy as np

from pipeline.files import InputError
from segmenter.configuration import Configuration, MaskSettings


def read_truth(mask: Path, configuration: Configuration) -> np.ndarray:
    """The class map of a mask file, (height, width) uint8, 0 is background; the same that training sees.

    Raises:
      InputError: the file cannot be read as an image.
    """
    levels = read_gray(mask)
    return levels if configuration.model.num_classes > 1 else cut_mask(levels, configuration.mask)


def cut_mask(levels: np.ndarray, settings: MaskSettings) -> np.ndarray:
    """Cuts a mask's grey levels.

    Args:
      levels: (height, width) uint8.
      settings: blur and threshold, or the algorithm that finds one for each mask.

    Returns:
      (height, width) uint8, 1 from the threshold on. A mask of a single level has none to find: it is cut at the
      threshold that is set.
    """
    if settings.blur:
        levels = cv2.GaussianBlur(levels, (settings.blur_size, settings.blur_size), 0)
    if settings.algorithm and levels.min() < levels.max():
        method = {"otsu": cv2.THRESH_OTSU, "triangle": cv2.THRESH_TRIANGLE}[settings.algorithm]
        return cv2.threshold(levels, 0, 1, cv2.THRESH_BINARY | method)[1]
    return (levels >= settings.threshold).astype(np.uint8)


def read_gray(path: Path) -> np.ndarray:
    """One file of a data set as (height, width) uint8."""
    data = path.read_bytes() if path.is_file() else b""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) if data else None
    if pixels is None:
        raise InputError(f"{path}: cannot be read as an image ({len(data)} bytes); make the data set again")
    return pixels
