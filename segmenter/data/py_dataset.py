"""Batches for `fit` by any backend of Keras, without TensorFlow: read ahead in threads, in the order of their numbers."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras

from segmenter.backend import compiled
from segmenter.data.batches import Pairs, Schedule, Variation

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
        end = index + _AHEAD + 1 if self._count is None else min(index + _AHEAD + 1, self._count)
        for number in range(index, end):
            if number not in self._waiting:
                self._waiting[number] = self._threads.submit(self._read, number)
        batch = self._waiting.pop(index).result()
        return self._finish(*batch) if self._finish else batch


class Epochs(Batches):
    """Batches of one epoch of a schedule, and of the next one whenever an epoch has ended."""

    def __init__(self, read: Callable[[int], Batch], finish: Callable[..., Batch] | None, count: int):
        super().__init__(lambda index: read(self._epoch * count + index), finish, count)
        self._epoch = 0

    def __iter__(self):
        yield from super().__iter__()
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Keras calls it."""
        self._epoch += 1


def reader(pairs: Pairs, schedule: Schedule, variation: Variation | None) -> Callable[[int], Batch]:
    """Returns the function from a step to its images and masks, and to what is drawn for them where they are to be varied."""

    def read(step: int) -> Batch:
        indices, numbers = schedule.choose(step)
        return *pairs.read(indices), *([variation.draw(numbers)] if variation else [])

    return read


def finisher(variation: Variation | None) -> Callable[..., Batch] | None:
    """Returns the function that varies what a `reader` gives, on the device of the backend."""
    if variation is None:
        return None
    apply = compiled(variation.apply)
    return lambda images, masks, drawn: apply(drawn, images, masks)
