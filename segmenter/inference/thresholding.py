"""Turns probabilities into a mask: by a threshold or by the most probable class, without components that are too small.

Otsu: N. Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE Trans. SMC 9, 1979.
"""

import cv2
import numpy as np

from pipeline.geometry import connected_components
from segmenter.configuration import InferSettings
from segmenter.lesion_rule import is_lesion

# The lowest threshold that Otsu's method may set. It always finds two groups, even in noise, and most images have no lesion.
OTSU_FLOOR = 0.1


def threshold_mask(probabilities: np.ndarray, settings: InferSettings) -> np.ndarray:
    """Turns probabilities into a mask.

    With one class a pixel is lesion where its probability is at least `threshold`. `algorithm = "otsu"` instead finds the
    threshold between two groups of this image's probabilities, which suits a model that is timid or bold on some images; a
    threshold below OTSU_FLOOR is raised to it. Where all probabilities are equal (to 1/255) there is no lesion.
    With several classes the most probable one counts; neither threshold nor algorithm applies.

    Args:
      probabilities: (height, width, classes) float32; with several classes the first is the background, and they sum to 1.
      settings: `blur` smooths the probabilities first; `smallest_lesion_px` drops smaller components at the end.

    Returns:
      (height, width) uint8: 0 is background; 1, 2, ... are the lesion classes.

    Example:
      >>> threshold_mask(np.array([[[0.2], [0.5], [0.9]]], np.float32), InferSettings()).tolist()
      [[0, 1, 1]]
    """
    probabilities = _smooth(probabilities, settings)
    if probabilities.shape[-1] > 1:
        mask = np.argmax(probabilities, axis=-1).astype(np.uint8)
    elif settings.algorithm == "otsu":
        mask = _threshold_by_otsu(probabilities[..., 0])
    else:
        mask = is_lesion(probabilities[..., 0], settings.threshold).astype(np.uint8)
    return drop_small(mask, settings.smallest_lesion_px)


def lesion_probability(probabilities: np.ndarray, settings: InferSettings) -> np.ndarray:
    """The probability of any lesion, smoothed as in `threshold_mask`: (height, width) float32 from (height, width, classes)."""
    smooth = _smooth(probabilities, settings)
    return smooth[..., 0] if smooth.shape[-1] == 1 else 1 - smooth[..., 0]


def _smooth(probabilities: np.ndarray, settings: InferSettings) -> np.ndarray:
    if not settings.blur:
        return probabilities
    # OpenCV drops a lone channel.
    return cv2.GaussianBlur(probabilities, (settings.ksize, settings.ksize), 0).reshape(probabilities.shape)


def _threshold_by_otsu(probabilities: np.ndarray) -> np.ndarray:
    levels = np.rint(probabilities * 255).astype(np.uint8)
    if levels.min() == levels.max():
        return np.zeros_like(levels)
    threshold, _ = cv2.threshold(levels, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return (levels > max(threshold, OTSU_FLOOR * 255)).astype(np.uint8)


def drop_small(mask: np.ndarray, smallest_px: int) -> np.ndarray:
    """Removes connected components of fewer than `smallest_px` pixels.

    Edges and corners connect, also across classes: the malignant core of a benign component stays with it.

    Args:
      mask: (height, width) uint8, 0 is background.

    Example:
      >>> drop_small(np.array([[1, 0, 1, 1]], np.uint8), smallest_px=2).tolist()
      [[0, 0, 1, 1]]
    """
    if smallest_px <= 1:
        return mask
    components = connected_components(mask)
    kept = np.concatenate([[False], components.areas >= smallest_px])
    return mask * kept[components.labels]
