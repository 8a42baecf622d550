"""`tf.data` over a data set folder: pairs of raw image and binary mask, the same order for the same seed and epoch.

Pixels stay uint8 up to the model, which does the scaling: a pair costs a quarter of what floats would.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from pipeline.files import InputError
from segmenter.folders import Sample

# Filling the cache holds it twice for a moment, so half a gigabyte keeps the need under one.
CACHE_LIMIT_BYTES = 512 * 1024**2
LESION_FROM = 128


def cached_bytes(samples: int, side: int, channels: int) -> int:
    """What image and mask of so many samples take as uint8."""
    return samples * side * side * (channels + 1)


def fits_cache(samples: int, side: int, channels: int) -> bool:
    """Whether so many samples may be held in memory."""
    return cached_bytes(samples, side, channels) <= CACHE_LIMIT_BYTES


def read_pair(image_file: tf.Tensor, mask_file: tf.Tensor, side: int, channels: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads one pair at the model's size.

    Returns:
      The image, (side, side, channels) uint8 raw, and the mask, (side, side, 1) uint8 of 0 and 1: lesion where at least
      half of the pixel's area is.
    """
    image, mask = read_pair_whole(image_file, mask_file, channels)
    return shrink_image(image, side), tf.cast(_area_average(tf.cast(mask, tf.float32), side) >= 0.5, tf.uint8)


def read_pair_whole(image_file: tf.Tensor, mask_file: tf.Tensor, channels: int) -> tuple[tf.Tensor, tf.Tensor]:
    """As `read_pair`, at the size of the files. Files that are no sound pair raise `InvalidArgumentError`."""
    image, mask = _decode(image_file, channels), _decode(mask_file, 1)
    sound = [
        tf.debugging.assert_equal(tf.shape(image)[:2], tf.shape(mask)[:2]),
        tf.debugging.assert_equal(tf.shape(image)[0], tf.shape(image)[1]),
        tf.debugging.Assert(~_holds_indices(mask, mask_file), ["class indices"]),
    ]
    with tf.control_dependencies([check for check in sound if check is not None]):
        return image, tf.cast(mask >= LESION_FROM, tf.uint8)


def shrink_image(image: tf.Tensor, side: int) -> tf.Tensor:
    """Area average of a square image, (size, size, channels) uint8, rounded; as `pipeline.geometry` does it."""
    return tf.cast(tf.round(_area_average(tf.cast(image, tf.float32), side)), tf.uint8)


def _area_average(square: tf.Tensor, side: int) -> tf.Tensor:
    tf.debugging.assert_greater_equal(tf.shape(square)[0], side)
    averages = tf.cond(
        tf.shape(square)[0] == side,
        lambda: square,  # three times as fast as an average of one pixel
        lambda: tf.image.resize(square, (side, side), method="area"),
    )
    return tf.ensure_shape(averages, (side, side, square.shape[-1]))


def _decode(file: tf.Tensor, channels: int) -> tf.Tensor:
    # The op goes by the bytes, so it reads PNG as well. INTEGER_ACCURATE gives the same pixels as OpenCV.
    return tf.io.decode_jpeg(tf.io.read_file(file), channels=channels, dct_method="INTEGER_ACCURATE")


def _holds_indices(mask: tf.Tensor, mask_file: tf.Tensor) -> tf.Tensor:
    """Whether the values are classes (1, 2, ...) and not 0 and 255. In a JPEG such values are only ringing."""
    highest = tf.reduce_max(mask)
    return (highest > 0) & (highest < 16) & tf.strings.regex_full_match(mask_file, r"(?i).*\.png")


def read_all(samples: Sequence[Sample], side: int, channels: int) -> tuple[tf.Tensor, tf.Tensor]:
    """All images and all masks of some samples as two uint8 tensors, on the host."""
    pairs = _files(samples).map(lambda image, mask: read_pair(image, mask, side, channels), tf.data.AUTOTUNE)
    with tf.device("CPU:0"):
        batches = list(pairs.batch(64))
        return tf.concat([images for images, _ in batches], 0), tf.concat([masks for _, masks in batches], 0)


def evaluation_batches(samples: Sequence[Sample], side: int, channels: int, batch_size: int) -> tf.data.Dataset:
    """Batches in the samples' order: images at the model's size, masks at the size of their files."""

    def read(image_file: tf.Tensor, mask_file: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, mask = read_pair_whole(image_file, mask_file, channels)
        return shrink_image(image, side), mask

    return _files(samples).map(read, tf.data.AUTOTUNE).batch(batch_size).prefetch(2)


def _files(samples: Sequence[Sample]) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(
        ([str(sample.image) for sample in samples], [str(sample.mask) for sample in samples])
    )


def training_batches(
    samples: Sequence[Sample],
    side: int,
    channels: int,
    batch_size: int,
    *,
    cache: bool,
    shuffle: bool = False,
    seed: int = 0,
    first_epoch: int = 0,
    repeat: bool = True,
) -> tf.data.Dataset:
    """Batches of pairs, epoch after epoch without end; with `repeat` off, one epoch.

    The order of an epoch depends on `seed` and the epoch's number alone, so a run that is resumed at `first_epoch`
    sees what it would have seen without the break. The last batch of an epoch may be smaller.
    """
    count = len(samples)

    def order(epoch: tf.Tensor) -> tf.data.Dataset:
        places = tf.range(count)
        if shuffle:
            # Places are shuffled, never files: image and mask cannot part.
            places = tf.random.experimental.stateless_shuffle(places, seed=[tf.constant(seed, tf.int64), epoch])
        return tf.data.Dataset.from_tensor_slices(places)

    if cache:
        images, masks = read_all(samples, side, channels)

        def batches(epoch: tf.Tensor) -> tf.data.Dataset:
            return order(epoch).batch(batch_size).map(lambda at: (tf.gather(images, at), tf.gather(masks, at)))
    else:
        image_files = tf.constant([str(sample.image) for sample in samples])
        mask_files = tf.constant([str(sample.mask) for sample in samples])

        def batches(epoch: tf.Tensor) -> tf.data.Dataset:
            pairs = order(epoch).map(lambda at: read_pair(image_files[at], mask_files[at], side, channels), tf.data.AUTOTUNE)
            return pairs.batch(batch_size)

    if repeat:
        return tf.data.Dataset.counter(first_epoch).flat_map(batches).prefetch(2)
    # Keras counts a batch too many in its metrics where it has to find the end by itself.
    length = tf.data.experimental.assert_cardinality(-(-count // batch_size))
    return tf.data.Dataset.range(first_epoch, first_epoch + 1).flat_map(batches).apply(length).prefetch(2)


@contextlib.contextmanager
def explained(samples: Sequence[Sample], side: int) -> Iterator[None]:
    """Turns TensorFlow's error over a file into an `InputError` that names the file and what is wrong with it."""
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.NotFoundError):
        sizes = {check_pair(sample, side): sample.image for sample in samples}
        if len(sizes) > 1:
            found = ", ".join(f"{path.name} {size} px" for size, path in sorted(sizes.items()))
            raise InputError(
                f"{samples[0].image.parent}: holds images of several sizes ({found}); "
                "figures need one size, so make the data set again"
            ) from None
        raise


def check_pair(sample: Sample, side: int) -> int:
    """Says what is wrong with a pair, or gives its side.

    Raises:
      InputError: one of the files cannot be read, is no square, or is smaller than the model's side; their sizes
        differ; or the mask holds class indices.
    """
    image, mask = read_gray(sample.image), read_gray(sample.mask)
    height, width = image.shape
    if mask.shape != image.shape:
        raise InputError(
            f"{sample.mask}: is {mask.shape[1]} x {mask.shape[0]} and its image {width} x {height}; make the data set again"
        )
    if width != height:
        raise InputError(f"{sample.image}: is {width} x {height}; wanted a square, as `cesm-pipeline` writes")
    if width < side:
        raise InputError(
            f"{sample.image}: is {width} px wide and the model wants {side}; "
            "lower image_width and image_height in [model], or make the data set at a larger size"
        )
    if sample.mask.suffix.lower() == ".png" and 0 < mask.max() < 16:
        raise InputError(
            f"{sample.mask}: holds class indices up to {mask.max()}; the model tells lesion from the rest "
            "only (num_classes = 1), so give a data set with masks of 0 and 255, such as recipe v2"
        )
    return width


def read_gray(path: Path) -> np.ndarray:
    """One file of a data set as (height, width) uint8."""
    data = path.read_bytes() if path.is_file() else b""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) if data else None
    if pixels is None:
        raise InputError(f"{path}: cannot be read as an image ({len(data)} bytes); make the data set again")
    return pixels
