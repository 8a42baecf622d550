"""Finds images that are equal as a whole, up to a flip or quarter turn, brightness and contrast. Arrays only; no files.

Copies that were cut out of an image are found by keypoints, which smooth images lack; copies of those are found here.
"""

from collections.abc import Iterator

import cv2
import numpy as np

THUMB = 64  # px of both sides of the images that are compared
_COARSE = 16
_ROWS_AT_ONCE, _COLUMNS_AT_ONCE = 1024, 16384  # of the table of all pairs' distances, whose whole would fill the memory
_PAIRS_AT_ONCE = 4096
_SAME_CORRELATION = 0.996  # JPEG at quality 50 keeps 0.999; the closest distinct images of 650 real ones have 0.988


def make_thumb(image: np.ndarray) -> np.ndarray:
    """Shrinks an image to (THUMB, THUMB) uint8."""
    return cv2.resize(image, (THUMB, THUMB), interpolation=cv2.INTER_AREA)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation of two arrays of one shape; 0 where one of them is constant."""
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale else 0.0


def same_stored(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two thumbs show the same image without a turn or flip."""
    return correlation(first.astype(np.float32), second.astype(np.float32)) > _SAME_CORRELATION


def stored_alike(thumbs: np.ndarray, others: np.ndarray) -> np.ndarray:
    """As `same_stored`, of each of (n, THUMB, THUMB) thumbs with each of (m, THUMB, THUMB) others; (n, m) bool."""
    first, second = (_unit(images) for images in (thumbs, others))
    return first @ second.T > _SAME_CORRELATION


def _unit(thumbs: np.ndarray) -> np.ndarray:
    """Gives each thumb, as a row of float32, mean 0 and length 1; a constant one becomes 0."""
    rows = thumbs.reshape(len(thumbs), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    lengths = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


def same_turned(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two thumbs show the same image up to a flip or quarter turn."""
    return any(same_stored(first, turned) for turned in _turn_and_flip(second[None])[:, 0])


def find_equal(thumbs: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yields the pairs of equal images, as indices, the smaller one first.

    Averaging over the eight turns and over blocks can only bring two images closer together, so pairs that are far apart
    afterwards need no closer comparison; only few pairs are left.

    Args:
      thumbs: (n, THUMB, THUMB) uint8, none of them constant.
    """
    blocks = np.concatenate([_standardised_blocks(part) for part in np.array_split(thumbs, len(thumbs) // 1024 + 1)])
    # The average of all turns is known from one eighth of it; the weights are how often its values occur.
    weights = np.zeros((_COARSE, _COARSE), np.float32)
    rows, columns = np.meshgrid(*[np.minimum(np.arange(_COARSE), np.arange(_COARSE)[::-1])] * 2, indexing="ij")
    np.add.at(weights, (np.minimum(rows, columns), np.maximum(rows, columns)), 1)
    kept = weights > 0
    parts = np.array_split(blocks, len(blocks) // 1024 + 1)
    flat = np.concatenate([_turn_and_flip(part).mean(axis=0)[:, kept] for part in parts]) * np.sqrt(weights[kept])
    squares = (flat**2).sum(axis=1)
    farthest = 2 * (1 - _SAME_CORRELATION) * _COARSE**2
    for row, column in _corners(len(flat)):
        some, others = slice(row, row + _ROWS_AT_ONCE), slice(column, column + _COLUMNS_AT_ONCE)
        distances = squares[some, None] + squares[others] - 2 * flat[some] @ flat[others].T
        near = np.argwhere(distances < farthest) + np.array([row, column])
        near = near[near[:, 0] < near[:, 1]]
        for pairs in np.array_split(near, len(near) // _PAIRS_AT_ONCE + 1):
            turned = ((_turn_and_flip(blocks[pairs[:, 1]]) - blocks[pairs[:, 0]]) ** 2).sum(axis=(2, 3)).min(axis=0)
            for first, second in pairs[turned < farthest].tolist():
                if same_turned(thumbs[first], thumbs[second]):
                    yield first, second


def _corners(count: int) -> Iterator[tuple[int, int]]:
    """The first row and column of each piece of the table of all pairs, without those that only repeat others."""
    for row in range(0, count, _ROWS_AT_ONCE):
        yield from ((row, column) for column in range(row, count, _COLUMNS_AT_ONCE))


def _standardised_blocks(thumbs: np.ndarray) -> np.ndarray:
    """Averages thumbs over blocks, (n, _COARSE, _COARSE) float32, after giving each mean 0 and variance 1."""
    images = thumbs.astype(np.float32)
    images -= images.mean(axis=(1, 2), keepdims=True)
    images /= images.std(axis=(1, 2), keepdims=True)
    return images.reshape(len(images), _COARSE, THUMB // _COARSE, _COARSE, -1).mean(axis=(2, 4))


def _turn_and_flip(squares: np.ndarray) -> np.ndarray:
    """Stacks the eight flips and turns of (n, size, size) arrays, (8, n, size, size); the first is the array itself."""
    turns = [np.rot90(squares, quarter, axes=(1, 2)) for quarter in range(4)]
    return np.stack(turns + [turn[:, :, ::-1] for turn in turns])
