"""Finds the assignment whose shares of images are nearest to the target, by dynamic programming over sums. Numbers only."""

from collections.abc import Sequence

import numpy as np

TOLERANCE = 0.02  # of all images: two percentage points
_EXACT = 300  # up to as many patients the search is exact; of more, the smallest are taken in bundles
_UNITS = 3000  # up to as many images the search is exact; more are counted in larger units
_ROUNDING = 1e-9


def within_tolerance(sums: np.ndarray, shares: np.ndarray) -> bool:
    """Whether each part's share of the images, (parts,) counts, lies within two points of its target, and none is empty."""
    return bool((sums > 0).all() and (np.abs(sums / sums.sum() - shares) <= TOLERANCE + _ROUNDING).all())


def find_assignment(sizes: np.ndarray, shares: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """Assigns patients to at most three parts, so that the largest deviation from the target shares is the least possible.

    Each patient in turn goes to one of the smaller parts or to none of them, and for each pair of sums it is kept which
    patient first made it possible; this reaches every pair of sums that some assignment has.

    Args:
      sizes: (patients,) int, each patient's number of images, 1 or more.
      shares: (parts,) target shares of images, which add up to 1.
      labels: (patients,) int, the part of a patient that keeps it, -1 for the others.

    Returns:
      The labels of all patients, or None where no assignment lies within two points. With more than 300 patients or 3000
      images, sums are nearly, not exactly, all that are possible.

    Example:
      >>> find_assignment(np.array([10, 3, 2]), np.array([0.67, 0.2, 0.13]), np.array([-1, -1, -1])).tolist()
      [0, 1, 2]
    """
    if len(shares) == 1:
        return np.zeros_like(labels)
    largest = int(np.argmax(shares))
    smaller = [part for part in range(len(shares)) if part != largest]
    bundles = _bundle(sizes, np.flatnonzero(labels < 0))
    unit = -(-int(sizes.sum()) // _UNITS)
    taken = np.array([sizes[labels == part].sum() for part in range(len(shares))]) / unit
    units = [round(sizes[bundle].sum() / unit) for bundle in bundles]
    total = taken.sum() + sum(units)
    room = [int((shares[part] + TOLERANCE) * total + _ROUNDING - taken[part]) for part in smaller]
    if min(room) < 0:
        return None
    maker = _reach_sums(units, [cells + 1 for cells in room])
    cell = _nearest(maker, [taken[part] for part in smaller], shares[smaller], total)
    found = labels.copy()
    found[labels < 0] = largest
    while any(cell):
        number, axis = divmod(int(maker[tuple(cell)]), len(smaller))
        found[bundles[number]] = smaller[axis]
        cell[axis] -= units[number]
    return found if within_tolerance(np.bincount(found, sizes, len(shares)), shares) else None


def _bundle(sizes: np.ndarray, free: np.ndarray) -> list[np.ndarray]:
    """The patients to assign, largest first, each alone; of very many the smallest come in bundles of a few."""
    order = free[np.argsort(-sizes[free], kind="stable")]
    alone = len(order) if len(order) <= _EXACT else _EXACT * 2 // 3
    rest = np.array_split(order[alone:], _EXACT - alone) if len(order) > alone else []
    return [*order[:alone, None], *rest]


def _reach_sums(units: Sequence[int], room: Sequence[int]) -> np.ndarray:
    """For each possible sum of each part, the number of the bundle that first made it possible.

    Returns:
      An array with one axis per part, int64: bundle * parts + axis of the part that it went to; -1 where a sum is not
      possible, and -2 for sums of 0.
    """
    maker = np.full(room, -1)
    maker[(0,) * len(room)] = -2
    for number, size in enumerate(units):
        before = maker != -1
        for axis, length in enumerate(room):
            if 0 < size < length:
                onto = (slice(None),) * axis + (slice(size, None),)
                off = (slice(None),) * axis + (slice(length - size),)
                maker[onto][before[off] & (maker[onto] == -1)] = number * len(room) + axis
    return maker


def _nearest(maker: np.ndarray, taken: Sequence[float], shares: np.ndarray, total: float) -> list[int]:
    """The possible sums whose largest deviation from the target shares is least; an empty part is the last resort."""
    sums = [values + part for values, part in zip(np.indices(maker.shape), taken, strict=True)]
    rest = total - sum(sums)
    deviations = [np.abs(values / total - share) for values, share in zip(sums, shares, strict=True)]
    worst = np.maximum.reduce([*deviations, np.abs(rest / total - (1 - shares.sum()))])
    empty = np.minimum.reduce([*sums, rest]) <= 0
    worst[(maker == -1) | empty] = np.inf
    return list(map(int, np.unravel_index(np.argmin(worst), worst.shape)))
