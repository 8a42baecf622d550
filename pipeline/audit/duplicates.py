"""Finds samples that show the same image."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pipeline.audit.contents import THUMB, Contents
from pipeline.audit.findings import AuditFinding, make_finding
from pipeline.audit.samples import Sample

# Two images closer than this, in gray levels RMS at 64 px, are one image; JPEG at quality 75 moves an image by under 2, and
# the closest two distinct images of 650 real ones are 9.4 apart.
SAME_RMS = 3.0
_COARSE = 16


def find_duplicates(samples: Sequence[Sample], contents: Sequence[Contents]) -> Iterator[AuditFinding]:
    """Groups samples with the same pixels: up to a flip or turn across splits, exactly as stored within one split."""
    readable = [index for index, content in enumerate(contents) if content.thumb is not None]
    splits = [samples[index].split for index in readable]
    pairs = same_pixels(np.array([contents[index].thumb for index in readable]), splits) if readable else []
    groups = [[samples[readable[index]] for index in group] for group in _connected(len(readable), pairs)]
    yield make_finding("duplicate-pixels", "groups", map(_name_group, groups), groups)


def _name_group(group: Sequence[Sample]) -> str:
    """Describes a group: one sample of each image and split, and the number of the others."""
    shown = list({(sample.split, sample.image_id): sample for sample in reversed(group)}.values())[::-1][:4]
    more = len(group) - len(shown)
    return " = ".join(sample.location for sample in shown) + (f" and {more} more" if more else "")


def same_pixels(thumbs: np.ndarray, splits: Sequence[str]) -> list[tuple[int, int]]:
    """Finds pairs of equal images: equal up to a flip or turn where their splits differ, as stored within a split.

    Args:
      thumbs: (n, 64, 64) uint8.
      splits: the split of each image.

    Returns:
      Pairs of indices, the smaller one first.
    """
    # Averaging over the eight turns and over blocks can only bring two images closer together, so pairs that are
    # far apart afterwards need no closer comparison; only few pairs are left.
    blocks = thumbs.reshape(len(thumbs), _COARSE, THUMB // _COARSE, _COARSE, -1).mean(axis=(2, 4))
    flat = _turn_and_flip(blocks).mean(axis=0).reshape(len(thumbs), -1)
    squares = (flat**2).sum(axis=1)
    pairs = []
    for first in range(len(flat)):
        distance = (squares[first] + squares[first + 1 :] - 2 * flat[first + 1 :] @ flat[first]) / flat.shape[1]
        near = first + 1 + np.flatnonzero(distance < SAME_RMS**2)
        if not len(near):
            continue
        turned = _turn_and_flip(thumbs[near].astype(np.float32))
        rms = ((turned - thumbs[first]) ** 2).mean(axis=(2, 3)) ** 0.5
        for second, turns in zip(near.tolist(), rms.T, strict=True):
            if (turns.min() if splits[first] != splits[second] else turns[0]) < SAME_RMS:
                pairs.append((first, second))
    return pairs


def _turn_and_flip(squares: np.ndarray) -> np.ndarray:
    """Stacks the eight flips and turns of (n, size, size) arrays, (8, n, size, size); the first is the array itself."""
    turns = [np.rot90(squares, quarter, axes=(1, 2)) for quarter in range(4)]
    return np.stack(turns + [turn[:, :, ::-1] for turn in turns])


def _connected(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Groups the indices that pairs connect; each group is sorted and has two members or more."""
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    for first, second in pairs:
        parent[root(second)] = root(first)
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(count):
        groups[root(index)].append(index)
    return [group for group in groups.values() if len(group) > 1]
