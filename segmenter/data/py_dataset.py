"""Batches for `fit` by any backend of Keras, without TensorFlow: read ahead in threads, in the order of their numbers."""

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from segmenter.backend import compiled
from segmenter.data.batches import Pairs, Schedule, Variation, read_batch

Batch = tuple[Any, ...]
_AHEAD = 4  # batches that are read before they are asked for
_THREADS = 2


class Batches(keras.utils.PyDataset):
    """The batches of steps 0, 1, 2, ..., without end or, with `count`, that many in each epoch.

    Keras' own workers would begin again with batch 0 after each epoch.

    Args:
      read: gives a step's batch, in any thread.
      finish: changes it, in the thread that asks for it.
    """

    def __init__(self, read: Callable[[int], Batch], finish: Callable[..., Batch] | None = None, count: int | None = None):
        super().__init__()
        self._read, self._finish, self._count = read, finish, count
        self._threads = ThreadPoolExecutor(_THREADS)
        self._waiting: dict[int, Future[Batch]] = {}

    @property
    def num_batches(self) -> int | None:
        """Per epoch; None without end."""
        return self._count

    def __getitem__(self, index: int) -> Batch:
        return self._take(index, self._count)

    def _take(self, step: int, end: int | None) -> Batch:
        """The batch of a step; those after it and before `end` are begun, and those of an iteration that was left are dropped."""
        begun = range(step, step + _AHEAD + 1 if end is None else min(step + _AHEAD + 1, end))
        for number in self._waiting.keys() - set(begun):
            self._waiting.pop(number).cancel()
        for number in begun:
            if number not in self._waiting:
                self._waiting[number] = self._threads.submit(self._read, number)
        batch = self._waiting.pop(step).result()
        return self._finish(*batch) if self._finish else batch


class Epochs(Batches):
    """Batches of one epoch of a schedule, and of the next one whenever an epoch has ended or its iteration was left."""

    def __init__(self, read: Callable[[int], Batch], finish: Callable[..., Batch] | None, count: int):
        super().__init__(read, finish, count)
        self._size, self._epoch, self._taken = count, 0, 0

    def __getitem__(self, index: int) -> Batch:
        # The next one, whichever is asked for: `fit` shuffles the numbers of batches unless it is called with shuffle=False.
        first = self._epoch * self._size
        step = first + self._taken % self._size
        self._taken += 1
        return self._take(step, first + self._size)

    def __iter__(self):
        try:
            yield from super().__iter__()
        finally:
            self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Keras calls it, in some versions also before an epoch."""
        if self._taken:
            self._epoch, self._taken = self._epoch + 1, 0


def reader(pairs: Pairs, schedule: Schedule, variation: Variation | None) -> Callable[[int], Batch]:
    """Returns the function from a step to what `read_batch` gives."""
    return functools.partial(read_batch, pairs, schedule, variation)


def finisher(variation: Variation | None) -> Callable[..., Batch] | None:
    """Returns the function that varies what a `reader` gives, on the device of the backend."""
    if variation is None:
        return None
    apply = compiled(variation.apply)

    def finish(images: np.ndarray, masks: np.ndarray, count: int, drawn: Any) -> Batch:
        return tuple(squares[:count] for squares in apply(drawn, images, masks))

    return finish
