"""`tf.data` over a data set folder: the same pairs in the same order, varied in the same way, for the same seed and epoch."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from segmenter.augmentation import Augmentation
from segmenter.data.dataset import Sample
from segmenter.data.pairs import PairFormat, read_pair, read_pair_whole, shrink_image

# While the cache is filled, memory holds it twice, so half a gigabyte keeps the peak below one.
CACHE_LIMIT_BYTES = 512 * 1024**2


def cached_bytes(samples: int, side: int, channels: int) -> int:
    """The size of the images and masks of `samples` samples as uint8, in bytes."""
    return samples * side * side * (channels + 1)


def fits_cache(samples: int, side: int, channels: int) -> bool:
    """Whether `samples` samples may be held in memory."""
    return cached_bytes(samples, side, channels) <= CACHE_LIMIT_BYTES


def read_all(samples: Sequence[Sample], form: PairFormat) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads all images and all masks of the samples as two uint8 tensors, in the host's memory."""
    pairs = _files(samples).map(lambda image, mask: read_pair(image, mask, form), tf.data.AUTOTUNE)
    with tf.device("CPU:0"):
        batches = list(pairs.batch(64))
        return tf.concat([images for images, _ in batches], 0), tf.concat([masks for _, masks in batches], 0)


def evaluation_batches(samples: Sequence[Sample], form: PairFormat, batch_size: int) -> tf.data.Dataset:
    """Batches in the samples' order: images at the model's size, masks at the size of their files."""

    def read(image_file: tf.Tensor, mask_file: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, mask = read_pair_whole(image_file, mask_file, form)
        return shrink_image(image, form.side), mask

    return _files(samples).map(read, tf.data.AUTOTUNE).batch(batch_size).prefetch(2)


def validation_batches(samples: Sequence[Sample], form: PairFormat, batch_size: int, *, cache: bool) -> tf.data.Dataset:
    """Batches in the samples' order at the model's size, each sample once; the last batch may be smaller."""
    pair = _pairs(samples, form, cache=cache)
    indices = tf.data.Dataset.range(len(samples))
    batches = indices.batch(batch_size).map(pair) if cache else indices.map(pair, tf.data.AUTOTUNE).batch(batch_size)
    return batches.prefetch(2)


def training_batches(
    samples: Sequence[Sample],
    form: PairFormat,
    batch_size: int,
    *,
    cache: bool,
    shuffle: bool = False,
    seed: int = 0,
    first_step: int = 0,
    augment: Augmentation | None = None,
) -> tf.data.Dataset:
    """Batches of pairs without end, epoch after epoch. The last batch of an epoch may be smaller.

    The order, and how a pair is varied, depend only on `seed` and on the number of the epoch, so a run that is resumed
    after `first_step` batches gets the same batches as one that was not interrupted.
    """
    epoch = _epochs(samples, form, batch_size, cache=cache, shuffle=shuffle, seed=seed, augment=augment)
    first_epoch, first_batch = divmod(first_step, -(-len(samples) // batch_size))
    return tf.data.Dataset.counter(first_epoch).flat_map(epoch).skip(first_batch).prefetch(2)


def epoch_batches(
    samples: Sequence[Sample],
    form: PairFormat,
    batch_size: int,
    *,
    cache: bool,
    shuffle: bool = False,
    seed: int = 0,
    augment: Augmentation | None = None,
) -> tf.data.Dataset:
    """Batches of one epoch. Each further iteration has another order and other variations.

    The sequence of epochs depends only on `seed`.
    """
    epoch = _epochs(samples, form, batch_size, cache=cache, shuffle=shuffle, seed=seed, augment=augment)
    # The only source of tf.data that draws again for each iterator.
    numbers = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).take(1)
    batches = numbers.flat_map(lambda number: epoch(number % 2**31))
    return batches.apply(tf.data.experimental.assert_cardinality(-(-len(samples) // batch_size))).prefetch(2)


def _epochs(
    samples: Sequence[Sample],
    form: PairFormat,
    batch_size: int,
    *,
    cache: bool,
    shuffle: bool,
    seed: int,
    augment: Augmentation | None,
) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """Returns a function from the number of an epoch, int64, to its batches."""
    count = len(samples)
    pair = _pairs(samples, form, cache=cache)

    def varied(index: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, mask = pair(index)
        if augment is None:
            return image, mask
        return augment(image, mask, tf.stack([tf.constant(seed, tf.int64), number * count + index]))

    def batches(number: tf.Tensor) -> tf.data.Dataset:
        indices = tf.range(count, dtype=tf.int64)
        if shuffle:
            # Indices are shuffled, never files: image and mask stay together.
            indices = tf.random.experimental.stateless_shuffle(indices, seed=[tf.constant(seed, tf.int64), number])
        order = tf.data.Dataset.from_tensor_slices(indices)
        if cache and augment is None:
            return order.batch(batch_size).map(pair)  # a whole batch is gathered by one operation
        return order.map(lambda index: varied(index, number), tf.data.AUTOTUNE).batch(batch_size)

    return batches


def _pairs(samples: Sequence[Sample], form: PairFormat, *, cache: bool) -> Callable:
    """Returns a function from a sample's index to its pair; with `cache`, also from several indices to their pairs."""
    if cache:
        images, masks = read_all(samples, form)
        return lambda index: (tf.gather(images, index), tf.gather(masks, index))
    image_files = tf.constant([str(sample.image) for sample in samples])
    mask_files = tf.constant([str(sample.mask) for sample in samples])
    return lambda index: read_pair(image_files[index], mask_files[index], form)


def _files(samples: Sequence[Sample]) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(
        ([str(sample.image) for sample in samples], [str(sample.mask) for sample in samples])
    )
