"""Sums and means over all pixels of a batch, of which each device of a training may hold a share."""

import contextlib
from collections.abc import Callable, Iterator

from keras import ops

_sum_over_devices: Callable[[list], list] | None = None


@contextlib.contextmanager
def shared_batches(sum_over_devices: Callable[[list], list]) -> Iterator[None]:
    """Within its block, each device holds a share of the batch, and sums and means are those of the whole batch.

    Args:
      sum_over_devices: maps a list of tensors of one device to their sums over all devices.
    """
    global _sum_over_devices
    before, _sum_over_devices = _sum_over_devices, sum_over_devices
    try:
        yield
    finally:
        _sum_over_devices = before


def batch_sums(*values, axes: tuple[int, ...] | None = None) -> list:
    """The sum of each value over the given axes, one of which is the batch's."""
    sums = [ops.sum(value, axes) for value in values]
    return _sum_over_devices(sums) if _sum_over_devices else sums


def batch_mean(value, axes: tuple[int, ...] | None = None):
    """The mean over the given axes, one of which is the batch's."""
    if _sum_over_devices is None:
        return ops.mean(value, axes)
    total, count = batch_sums(value, ops.ones_like(value), axes=axes)
    return total / count
