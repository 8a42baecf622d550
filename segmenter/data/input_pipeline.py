"""Batches of a data set folder for `fit`: the same pairs in the same order for the same seed, on every backend of Keras.

On TensorFlow they are a `tf.data.Dataset`, on any other backend a `keras.utils.PyDataset`.
"""

import contextlib
from collections.abc import Sequence
from typing import Any

import keras

from segmenter.data import py_dataset
from segmenter.data.batches import Pairs, Schedule, Variation
from segmenter.data.dataset import Sample
from segmenter.data.pairs import PairFormat

# A `tf.data.Dataset` or a `keras.utils.PyDataset`, of images, (batch, height, width, channels) uint8 raw, and masks,
# (batch, height, width, 1) uint8 of classes.
AnyBatches = Any


def validation_batches(samples: Sequence[Sample], pair_format: PairFormat, batch_size: int, *, cache: bool) -> AnyBatches:
    """Batches in the samples' order at the model's size, each sample once; the last batch may be smaller."""
    pairs = Pairs(samples, pair_format, cache=cache)
    if _is_tensorflow():
        from segmenter.data.tf_data import validation_dataset

        return validation_dataset(pairs, batch_size)
    schedule = Schedule(len(samples), batch_size)
    return py_dataset.Batches(py_dataset.reader(pairs, schedule, None), count=schedule.steps)


def training_batches(
    samples: Sequence[Sample],
    pair_format: PairFormat,
    batch_size: int,
    *,
    cache: bool,
    shuffle: bool = False,
    seed: int = 0,
    first_step: int = 0,
    variation: Variation | None = None,
    partner_dropout: float = 0.0,
) -> AnyBatches:
    """Batches of pairs without end, epoch after epoch. The last batch of an epoch may be smaller.

    The order, how a pair is varied, and whether its partner is withheld (`Schedule`) depend only on `seed` and on the number of
    the epoch, so a run that is resumed after `first_step` batches gets the same batches as one that was not interrupted.
    """
    pairs = Pairs(samples, pair_format, cache=cache)
    schedule = Schedule(len(samples), batch_size, shuffle=shuffle, seed=seed, partner_dropout=partner_dropout)
    if _is_tensorflow():
        from segmenter.data.tf_data import training_dataset

        return training_dataset(pairs, schedule, first_step, variation)
    read = py_dataset.reader(pairs, schedule, variation)
    return py_dataset.Batches(lambda index: read(first_step + index), py_dataset.finisher(variation))


def epoch_batches(
    samples: Sequence[Sample],
    pair_format: PairFormat,
    batch_size: int,
    *,
    cache: bool,
    shuffle: bool = False,
    seed: int = 0,
    variation: Variation | None = None,
    partner_dropout: float = 0.0,
) -> AnyBatches:
    """Batches of one epoch; each further iteration gives those of the next one. They are those of `training_batches`."""
    pairs = Pairs(samples, pair_format, cache=cache)
    schedule = Schedule(len(samples), batch_size, shuffle=shuffle, seed=seed, partner_dropout=partner_dropout)
    if _is_tensorflow():
        from segmenter.data.tf_data import epochs_dataset

        return epochs_dataset(pairs, schedule, variation)
    return py_dataset.Epochs(py_dataset.reader(pairs, schedule, variation), py_dataset.finisher(variation), schedule.steps)


def explained() -> contextlib.AbstractContextManager[None]:
    """Within its block, a pair that cannot be read is an `InputError` on TensorFlow, too."""
    if _is_tensorflow():
        from segmenter.data import tf_data

        return tf_data.explained()
    return contextlib.nullcontext()


def _is_tensorflow() -> bool:
    return keras.config.backend() == "tensorflow"
