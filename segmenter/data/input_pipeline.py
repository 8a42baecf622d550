"""`tf.data` over a data set folder: the same pairs in the same order, varied in the same way, for the same seed and epoch."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from segmenter.augmentation import Augmentation
from segmenter.data.dataset import Sample
from segmenter.data.pairs import PairFormat, read_pair, read_pair_whole, shrink_image

# Filling the cache holds it twice for a moment, so half a gigabyte keeps the need under one.
CACHE_LIMIT_BYTES = 512 * 1024**2


def cached_bytes(samples: int, side: int, channels: int) -> int:
    """What image and mask of so many samples take as uint8."""
    return samples * side * side * (channels + 1)


def fits_cache(samples: int, side: int, channels: int) -> bool:
    """Whether so many samples may be held in memory."""
    return cached_bytes(samples, side, channels) <= CACHE_LIMIT_BYTES


def read_all(samples: Sequence[Sample], form: PairFormat) -> tuple[tf.Tensor, tf.Tensor]:
    """All images and all masks of some samples as two uint8 tensors, on the host."""
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
    """Batches in the samples' order at the model's size, once through; the last one may be smaller."""
    pair = _pairs(samples, form, cache=cache)
    places = tf.data.Dataset.range(len(samples))
    batches = places.batch(batch_size).map(pair) if cache else places.map(pair, tf.data.AUTOTUNE).batch(batch_size)
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
    """Batches of pairs, again and again through the samples. The last batch of each time may be smaller.

    The order, and how a pair is varied, depend on `seed` and on how often the samples were gone through, so a run that is
    resumed after `first_step` batches sees what it would have seen without the break.
    """
    epoch = _epochs(samples, form, batch_size, cache=cache, shuffle=shuffle, seed=seed, augment=augment)
    times, done = divmod(first_step, -(-len(samples) // batch_size))
    return tf.data.Dataset.counter(times).flat_map(epoch).skip(done).prefetch(2)


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
    """Batches once through the samples. Going through them again gives another order and other variations.

    The sequence of epochs depends on `seed` alone.
    """
    epoch = _epochs(samples, form, batch_size, cache=cache, shuffle=shuffle, seed=seed, augment=augment)
    # Drawn again by each iterator, as nothing else in tf.data is.
    times = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).take(1)
    batches = times.flat_map(lambda number: epoch(number % 2**31))
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
    """A function from the number of an epoch, int64, to its batches."""
    count = len(samples)
    pair = _pairs(samples, form, cache=cache)

    def varied(place: tf.Tensor, times: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, mask = pair(place)
        if augment is None:
            return image, mask
        return augment(image, mask, tf.stack([tf.constant(seed, tf.int64), times * count + place]))

    def batches(times: tf.Tensor) -> tf.data.Dataset:
        places = tf.range(count, dtype=tf.int64)
        if shuffle:
            # Places are shuffled, never files: image and mask cannot part.
            places = tf.random.experimental.stateless_shuffle(places, seed=[tf.constant(seed, tf.int64), times])
        order = tf.data.Dataset.from_tensor_slices(places)
        if cache and augment is None:
            return order.batch(batch_size).map(pair)  # whole batches are gathered at once
        return order.map(lambda place: varied(place, times), tf.data.AUTOTUNE).batch(batch_size)

    return batches


def _pairs(samples: Sequence[Sample], form: PairFormat, *, cache: bool) -> Callable:
    """A function from the place of a sample to its pair; with `cache`, from several places to as many pairs."""
    if cache:
        images, masks = read_all(samples, form)
        return lambda place: (tf.gather(images, place), tf.gather(masks, place))
    image_files = tf.constant([str(sample.image) for sample in samples])
    mask_files = tf.constant([str(sample.mask) for sample in samples])
    return lambda place: read_pair(image_files[place], mask_files[place], form)


def _files(samples: Sequence[Sample]) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(
        ([str(sample.image) for sample in samples], [str(sample.mask) for sample in samples])
    )
