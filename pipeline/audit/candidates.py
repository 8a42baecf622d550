"""Finds pairs of images that may show the same, without comparing all pairs: an index of keypoints.

Each descriptor becomes a code of bits, the signs of its principal components. Equal codes are hits; a pair of images is a
candidate where several hits agree on one flip and quarter turn. Arrays only; no files.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pipeline.audit.features import MIRRORED, Features

_BITS = 24
_DOUBTFUL = 4  # the bits closest to 0 are tried both ways
_SAMPLE = 20_000  # descriptors that the principal components are computed from
_IMAGES_AT_ONCE = 256
_LARGEST_BUCKET = 512  # of a code that more keypoints share, the first are taken
_LEAST_HITS = 3
# A crop to 80 % of each side moves a keypoint by up to a quarter of the longer side, and enlarges it by 2 ** 0.32.
_FARTHEST, _LARGEST_SCALE, _LARGEST_TURN = 0.3, 0.6, 20.0


@dataclass(frozen=True)
class Candidate:
    """Two images that may show the same: the indices of both, first < second, and how the first one is to be turned.

    Attributes:
      mirrored: whether the first one is flipped, left to right, before it is turned.
      quarter: the number of quarter turns, in the direction from x to y.
    """

    first: int
    second: int
    mirrored: bool
    quarter: int


@dataclass(frozen=True)
class _Points:
    """The keypoints of all images, one row each."""

    image: np.ndarray
    keypoints: np.ndarray
    codes: np.ndarray


def find_candidates(features: Sequence[Features]) -> Iterator[Candidate]:
    """Yields the pairs of images of which several keypoints look alike and lie alike."""
    count = sum(len(each.keypoints) for each in features)
    if not count:
        return
    axes, center = _principal_components(features, count)
    points = _Points(
        np.repeat(np.arange(len(features)), [len(each.keypoints) for each in features]),
        np.concatenate([each.keypoints for each in features]),
        np.concatenate([_encode(_project(each.descriptors, axes, center)) for each in features]),
    )
    order = np.argsort(points.codes, kind="stable")
    points = _Points(points.image[order], points.keypoints[order], points.codes[order])
    for start in range(0, len(features), _IMAGES_AT_ONCE):
        asked = features[start : start + _IMAGES_AT_ONCE]
        image = np.repeat(np.arange(start, start + len(asked)), [len(each.keypoints) for each in asked])
        keypoints = np.concatenate([each.keypoints for each in asked])
        descriptors = np.concatenate([each.descriptors for each in asked])
        for mirrored in (False, True):
            projected = _project(descriptors[:, MIRRORED] if mirrored else descriptors, axes, center)
            turned = mirror(keypoints) if mirrored else keypoints
            yield from _vote(_Points(image, turned, _encode(projected)), _doubtful_bits(projected), points, mirrored)


def _principal_components(features: Sequence[Features], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the main directions of the descriptors, (128, _BITS), and the median in each of them."""
    every = max(1, count // _SAMPLE)
    sample = np.concatenate([each.descriptors[index % every :: every] for index, each in enumerate(features)])
    roots = np.sqrt(sample.astype(np.float64))
    _, vectors = np.linalg.eigh(np.cov(roots.T) if len(roots) > 1 else np.eye(roots.shape[1]))
    axes = vectors[:, : -_BITS - 1 : -1]
    return axes, np.median(roots @ axes, axis=0)


def _project(descriptors: np.ndarray, axes: np.ndarray, center: np.ndarray) -> np.ndarray:
    return np.sqrt(descriptors.astype(np.float64)) @ axes - center


def _encode(projected: np.ndarray) -> np.ndarray:
    return ((projected > 0) << np.arange(_BITS)).sum(axis=1)


def _doubtful_bits(projected: np.ndarray) -> np.ndarray:
    """The masks that flip some of the most doubtful bits of each code, (2 ** _DOUBTFUL, n)."""
    bits = 1 << np.argsort(np.abs(projected), axis=1)[:, :_DOUBTFUL]
    chosen = [list(picked) for size in range(_DOUBTFUL + 1) for picked in combinations(range(_DOUBTFUL), size)]
    return np.stack([bits[:, picked].sum(axis=1) for picked in chosen])


def mirror(keypoints: np.ndarray) -> np.ndarray:
    """Flips keypoints left to right; (n, 4), as in `Features`."""
    x, y, size, angle = keypoints.T
    return np.stack([-x, y, size, (180 - angle) % 360], axis=1)


def _vote(asked: _Points, masks: np.ndarray, points: _Points, mirrored: bool) -> Iterator[Candidate]:
    """Yields the pairs of an asked image and a later one with enough hits of one quarter turn."""
    votes = []
    for mask in masks:
        codes = asked.codes ^ mask
        first = np.searchsorted(points.codes, codes)
        counts = np.minimum(np.searchsorted(points.codes, codes, side="right") - first, _LARGEST_BUCKET)
        query = np.repeat(np.arange(len(codes)), counts)
        hit = np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)
        later = points.image[hit] > asked.image[query]
        query, hit = query[later], hit[later]
        agrees, quarters = lie_alike(asked.keypoints[query], points.keypoints[hit])
        pair = asked.image[query[agrees]] * (points.image.max() + 1) + points.image[hit[agrees]]
        votes.append(pair * 4 + quarters[agrees])
    keys, counts = np.unique(np.concatenate(votes), return_counts=True)
    for key in keys[counts >= _LEAST_HITS].tolist():
        first, second = divmod(key // 4, int(points.image.max()) + 1)
        yield Candidate(first, second, mirrored, key % 4)


def lie_alike(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether pairs of keypoints can be the same in two images, one of them turned and cropped.

    Args:
      first, second: (n, 4), as in `Features`.

    Returns:
      (n,) bool, and (n,) int, the quarter turns from the first image to the second.
    """
    turn = (second[:, 3] - first[:, 3] + 45) % 360
    quarters = (turn // 90).astype(int) % 4
    cos, sin = np.array([1, 0, -1, 0])[quarters], np.array([0, 1, 0, -1])[quarters]
    x, y = cos * first[:, 0] - sin * first[:, 1], sin * first[:, 0] + cos * first[:, 1]
    agrees = (
        (np.abs(turn % 90 - 45) < _LARGEST_TURN)
        & (np.abs(second[:, 2] - first[:, 2]) < _LARGEST_SCALE)
        & (np.abs(second[:, 0] - x) < _FARTHEST)
        & (np.abs(second[:, 1] - y) < _FARTHEST)
    )
    return agrees, quarters
