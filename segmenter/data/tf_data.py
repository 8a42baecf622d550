"""Batches as `tf.data`, for Keras on TensorFlow; this module and `segmenter.data.tfrecords` are what only TensorFlow can do here.

The pairs, their order and their pixels come from NumPy, as they do on the other backends.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.files import InputError
from segmenter.backend import compiled
from segmenter.data.batches import Pairs, Schedule, Variation, read_batch

_AHEAD = 2
_problems: list[InputError] = []  # the last one that TensorFlow turned into an error of its own


def validation_dataset(pairs: Pairs, batch_size: int) -> tf.data.Dataset:
    """Batches in the samples' order, once."""
    schedule = Schedule(len(pairs), batch_size)
    return _batches(tf.data.Dataset.range(schedule.steps), pairs, schedule, None)


def training_dataset(pairs: Pairs, schedule: Schedule, first_step: int, variation: Variation | None) -> tf.data.Dataset:
    """The batches of a schedule from a step on, without end."""
    return _batches(tf.data.Dataset.counter(first_step), pairs, schedule, variation)


def epochs_dataset(pairs: Pairs, schedule: Schedule, variation: Variation | None) -> tf.data.Dataset:
    """The batches of one epoch of a schedule, and with each further iteration those of the next one."""
    epochs = itertools.count()
    # The generator's function is called for each iteration.
    first_steps = tf.data.Dataset.from_generator(
        lambda: [next(epochs) * schedule.steps], output_signature=tf.TensorSpec((), tf.int64)
    )
    steps = first_steps.flat_map(lambda first: tf.data.Dataset.range(first, first + schedule.steps))
    batches = _batches(steps, pairs, schedule, variation)
    return batches.apply(tf.data.experimental.assert_cardinality(schedule.steps))


def _batches(steps: tf.data.Dataset, pairs: Pairs, schedule: Schedule, variation: Variation | None) -> tf.data.Dataset:
    pair_format, size = pairs.pair_format, schedule.full_size if variation else None
    apply = compiled(variation.apply) if variation else None
    # Of the types and shapes that `read_batch` gives.
    one = (1, pair_format.height, pair_format.width)
    example: tuple[Any, ...] = (np.zeros((*one, pair_format.channels), np.uint8), np.zeros((*one, 1), np.uint8))
    if variation:
        example = (*example, np.int64(1), variation.draw(np.zeros(1, np.int64)))
    arrays = [np.asarray(array) for array in keras.tree.flatten(example)]
    shapes = [(size, *array.shape[1:]) if array.ndim else () for array in arrays]

    def read(step: np.ndarray) -> list[Any]:
        return keras.tree.flatten(read_batch(pairs, schedule, variation, int(step)))

    @tf.autograph.experimental.do_not_convert
    def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        values = numpy_call(read, [step], [array.dtype for array in arrays])
        values = [tf.ensure_shape(value, shape) for value, shape in zip(values, shapes, strict=True)]
        images, masks, *others = keras.tree.pack_sequence_as(example, values)
        if apply:
            count, drawn = others
            images, masks = (squares[:count] for squares in apply(drawn, images, masks))
        return images, masks

    return steps.map(batch, tf.data.AUTOTUNE).prefetch(_AHEAD)


def numpy_call(function: Callable, arguments: list[tf.Tensor], types: Any) -> Any:
    """As `tf.numpy_function`; an `InputError` that the function raises leaves a block of `explained` as it is."""

    # Nothing here needs AutoGraph to rewrite Python code, which would take seconds at each start.
    @tf.autograph.experimental.do_not_convert
    def remembering(*values: np.ndarray) -> Any:
        try:
            return function(*values)
        except InputError as error:
            _problems[:] = [error]
            raise ValueError(str(error)) from error  # which TensorFlow raises as InvalidArgumentError

    return tf.numpy_function(remembering, arguments, types, stateful=False)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Raises the `InputError` behind TensorFlow's error about a batch that could not be read."""
    _problems.clear()
    try:
        yield
    except tf.errors.InvalidArgumentError:
        if _problems:
            raise _problems.pop() from None
        raise
