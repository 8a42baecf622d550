"""Decides whether two images show the same, by laying one over the other."""

import cv2
import numpy as np

from pipeline.audit.candidates import Candidate, lie_alike, mirror
from pipeline.audit.equality import correlation
from pipeline.audit.features import MIRRORED, SIDE, SMALL, Features

_LEAST_KEYPOINTS = 4
_FARTHEST_PX = 2.0  # between two matching keypoints after registration, at `SIDE`
_LEAST_CONTAINED = 0.9  # of the smaller image lies in the larger one, because it was cut out of it
_LEAST_SHARE = 0.03  # of the image in which both have details
# Of real images and the phantom, 97 in 100 altered copies correlate by over 0.85, all but some overexposed ones by 0.75;
# the low-energy and the subtracted image of a view by at most 0.68, and images of different patients by 0.45.
_SAME_DETAILS = 0.72
_DETAIL_PX = 2.0  # structures up to about this size are details, at `SMALL`
_BLACK, _WHITE = 3, 252  # levels in which nothing is seen


def show_the_same(first: Features, second: Features, candidate: Candidate) -> bool:
    """Whether one image is a copy of the other up to a flip, turn, crop, scaling, compression, brightness, contrast and gamma.

    Args:
      first, second: the images of the candidate.
    """
    flipped = mirror(first.keypoints) if candidate.mirrored else first.keypoints
    descriptors = first.descriptors[:, MIRRORED] if candidate.mirrored else first.descriptors
    pairs = _match(descriptors, second.descriptors)
    agrees, quarters = lie_alike(flipped[pairs[0]], second.keypoints[pairs[1]])
    pairs = pairs[:, agrees & (quarters == candidate.quarter)]
    if pairs.shape[1] < _LEAST_KEYPOINTS:
        return False
    points, target = flipped[pairs[0], :2] * SIDE, second.keypoints[pairs[1], :2] * SIDE
    affine, used = cv2.estimateAffinePartial2D(target, points, ransacReprojThreshold=_FARTHEST_PX)
    if affine is None or used.sum() < _LEAST_KEYPOINTS:
        return False
    return _correlate(first.small[:, ::-1] if candidate.mirrored else first.small, second.small, affine) > _SAME_DETAILS


def _match(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pairs the descriptors that are each other's nearest, (2, pairs)."""
    products = first.astype(np.float32) @ second.T.astype(np.float32)
    squares = [(descriptors.astype(np.float32) ** 2).sum(axis=1) for descriptors in (first, second)]
    distances = squares[0][:, None] + squares[1] - 2 * products
    nearest = distances.argmin(axis=1)
    mutual = distances.argmin(axis=0)[nearest] == np.arange(len(first))
    return np.stack([np.flatnonzero(mutual), nearest[mutual]])


def _correlate(first: np.ndarray, second: np.ndarray, affine: np.ndarray) -> float:
    """Correlates the details of two images where both have some.

    Args:
      first, second: (height, width) uint8, with a longer side of `SMALL` px.
      affine: (2, 3), from the second to the first, in px from the centre at `SIDE`.
    """
    height, width = first.shape
    middle, other = (np.array(image.shape[::-1]) / 2 - 0.5 for image in (first, second))
    shift = affine[:, 2] * SMALL / SIDE + middle - affine[:, :2] @ other
    matrix = np.column_stack([affine[:, :2], shift])
    laid = cv2.warpAffine(second.astype(np.float32), matrix, (width, height))
    covered = cv2.warpAffine(np.ones(second.shape, np.float32), matrix, (width, height)) > 0.99
    smaller = min(first.size, second.size * abs(np.linalg.det(affine[:, :2])))
    if covered.sum() < _LEAST_CONTAINED * smaller:
        return 0.0
    seen = covered & (first > _BLACK) & (first < _WHITE) & (laid > _BLACK) & (laid < _WHITE)
    if seen.mean() < _LEAST_SHARE:
        return 0.0
    one, other = (_details(image, covered)[seen] for image in (first.astype(np.float32), laid))
    return correlation(one, other)


def _details(image: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """The image less its average around each pixel, taken over the covered pixels."""
    weight = covered.astype(np.float32)
    average = cv2.GaussianBlur(image * weight, (0, 0), _DETAIL_PX) / (cv2.GaussianBlur(weight, (0, 0), _DETAIL_PX) + 1e-6)
    return image - average
