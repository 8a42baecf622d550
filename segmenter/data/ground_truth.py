"""Reads the files of a sample without TensorFlow: the image, and the ground truth mask as classes."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np

from pipeline.contract import DATASET_MARK, LESION_LEVEL, ClassesError, MaskError, SourceError
from pipeline.files import InputError, read_regular
from pipeline.sources import read_image, read_mask
from segmenter.configuration import Configuration, MaskSettings
from segmenter.crashes import named


def read_ground_truth(path: Path, configuration: Configuration) -> np.ndarray:
    """Reads the class map of a mask file, as training sees it.

    Returns:
      (height, width) uint8: 0 is background.

    Raises:
      InputError: the file is missing, or is not a mask of the configuration's classes.
    """
    return read_mask_file(path, configuration.model.num_classes, configuration.mask)


def read_mask_file(path: Path, classes: int | None, settings: MaskSettings) -> np.ndarray:
    """As `read_ground_truth`, for a number of classes, or None for any that the file holds, and the settings of [mask]."""
    try:
        return named(path, lambda: read_classes(read_regular(path), classes, settings))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); make the data set again") from error
    except ClassesError as error:
        hint = "set num_classes = 3 for recipe full" if classes == 1 else "set num_classes = 1 for masks of 0 and 255"
        raise InputError(f"{path}: {error}, because [model] num_classes = {classes}; {hint}, or give another data set") from error
    except MaskError as error:
        raise InputError(f"{path}: {error}") from error


def read_classes(data: bytes, classes: int | None, settings: MaskSettings) -> np.ndarray:
    """Reads the class map of a mask file's bytes, (height, width) uint8.

    Raises:
      MaskError: it is not a mask of these classes.
    """
    has_own_rule = settings.blur or settings.algorithm or settings.threshold != LESION_LEVEL
    return read_mask(data, classes, partial(cut_mask, settings=settings), any_levels=bool(has_own_rule))


def cut_mask(levels: np.ndarray, settings: MaskSettings) -> np.ndarray:
    """Thresholds a mask's gray levels.

    Args:
      levels: (height, width) uint8.
      settings: blur and threshold, or the algorithm that finds a threshold for each mask.

    Returns:
      (height, width) uint8: 1 from the threshold on, else 0. In a mask of a single level the algorithm has no threshold to
      find, so `threshold` applies.

    Example:
      >>> cut_mask(np.array([[0, 127, 128, 255]], np.uint8), MaskSettings()).tolist()
      [[0, 0, 1, 1]]
    """
    if settings.blur:
        levels = cv2.GaussianBlur(levels, (settings.blur_size, settings.blur_size), 0)
    if settings.algorithm and levels.min() < levels.max():
        method = {"otsu": cv2.THRESH_OTSU, "triangle": cv2.THRESH_TRIANGLE}[settings.algorithm]
        return cv2.threshold(levels, 0, 1, cv2.THRESH_BINARY | method)[1]
    return (levels >= settings.threshold).astype(np.uint8)


def read_sample_image(path: Path, channels: int) -> np.ndarray:
    """Reads an image of a data set, (height, width, channels) uint8: gray, or red, green and blue.

    Raises:
      SourceError: it is missing or cannot be read as an image.
    """
    # Images of 16 bits that the pipeline writes use all of them, however dark they are.
    is_ours = (path.parent.parent.parent / DATASET_MARK).is_file()
    pixels = named(path, lambda: read_image(path, color=channels == 3, stated_bits=16 if is_ours else None))
    return pixels if channels == 3 else pixels[..., None]


def read_gray(path: Path) -> np.ndarray:
    """Reads an image of a data set, (height, width) uint8.

    Raises:
      InputError: it is missing or cannot be read as an image.
    """
    try:
        return read_sample_image(path, 1)[..., 0]
    except SourceError as error:
        raise InputError(f"{path}: {error}") from error
