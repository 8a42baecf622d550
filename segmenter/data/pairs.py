"""Reads one pair of image and mask, the image at the model's size and the mask as classes, and explains what is wrong.

Pixels stay uint8 up to the model, which scales them: a pair takes a quarter of the memory of floats.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipeline.contract import SourceError
from pipeline.files import InputError, read_regular
from pipeline.sources import decode_mask, read_image
from segmenter.configuration import Configuration, MaskSettings
from segmenter.data.dataset import Sample
from segmenter.data.ground_truth import read_classes, read_gray, read_mask_file, read_sample_image


@dataclass(frozen=True)
class PairFormat:
    """The format of pairs: the model's side, channels and classes, and how gray levels of a mask are thresholded."""

    side: int
    channels: int
    classes: int = 1
    mask: MaskSettings = field(default_factory=MaskSettings)

    @classmethod
    def of(cls, configuration: Configuration) -> "PairFormat":
        """The format that a configuration's model takes."""
        model = configuration.model
        return cls(model.image_width, model.image_channels, model.num_classes, configuration.mask)


def read_pair(image_file: tf.Tensor, mask_file: tf.Tensor, form: PairFormat) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads one pair at the model's size.

    Returns:
      The image, (side, side, channels) uint8 raw, and the mask, (side, side, 1) uint8 of classes. A pixel is
      lesion if at least half of its area is, and has the lesion class of the largest area.
    """
    image, mask = read_pair_whole(image_file, mask_file, form)
    return shrink_image(image, form.side), _shrink_mask(mask, form)


def read_pair_whole(image_file: tf.Tensor, mask_file: tf.Tensor, form: PairFormat) -> tuple[tf.Tensor, tf.Tensor]:
    """As `read_pair`, at the size of the files. Files that are not a valid pair raise `InvalidArgumentError`."""

    def read(file: bytes | np.ndarray) -> np.ndarray:
        return read_sample_image(Path(os.fsdecode(_bytes_of(file))), form.channels)

    return _checked(_read_image(read, image_file, form), _decode_mask(tf.io.read_file(mask_file), form))


def decode_pair(image_data: tf.Tensor, mask_data: tf.Tensor, form: PairFormat) -> tuple[tf.Tensor, tf.Tensor]:
    """As `read_pair_whole`, from the bytes of files that `cesm-pipeline` wrote."""

    def decode(data: bytes | np.ndarray) -> np.ndarray:
        pixels = read_image(Path(), _bytes_of(data), color=form.channels == 3, stated_bits=16)
        return pixels if form.channels == 3 else pixels[..., None]

    return _checked(_read_image(decode, image_data, form), _decode_mask(mask_data, form))


def _checked(image: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The same pair, once its sizes are known to be equal and square."""
    same_size = tf.debugging.assert_equal(tf.shape(image)[:2], tf.shape(mask)[:2])
    square = tf.debugging.assert_equal(tf.shape(image)[0], tf.shape(image)[1])
    with tf.control_dependencies([check for check in (same_size, square) if check is not None]):
        return tf.identity(image), tf.identity(mask)


def _read_image(read: Callable[[bytes | np.ndarray], np.ndarray], argument: tf.Tensor, form: PairFormat) -> tf.Tensor:
    """An image, (height, width, channels) uint8, by the only reader of images; `argument` is passed to `read`.

    TensorFlow's own decoders ignore EXIF, fill missing data with gray, and shift 16 bits instead of rounding them.
    """

    @tf.autograph.experimental.do_not_convert
    def explaining(value: bytes | np.ndarray) -> np.ndarray:
        try:
            return read(value)
        except SourceError as error:
            raise ValueError(str(error)) from error  # which TensorFlow raises as InvalidArgumentError

    return tf.ensure_shape(tf.numpy_function(explaining, [argument], tf.uint8, stateful=False), (None, None, form.channels))


def _bytes_of(value: bytes | np.ndarray) -> bytes:
    # Outside of a graph, TensorFlow passes an array that contains the bytes. NumPy's own type for bytes drops zeros at their end.
    return bytes(np.asarray(value, object).item())


def _decode_mask(data: tf.Tensor, form: PairFormat) -> tf.Tensor:
    """The class map of a mask, (height, width, 1) uint8, by the only reader of masks, which uses OpenCV."""

    @tf.autograph.experimental.do_not_convert
    def decode(data: bytes | np.ndarray) -> np.ndarray:
        return read_classes(_bytes_of(data), form.classes, form.mask)[..., None]

    return tf.ensure_shape(tf.numpy_function(decode, [data], tf.uint8, stateful=False), (None, None, 1))


def shrink_image(image: tf.Tensor, side: int) -> tf.Tensor:
    """Area average of a square image, (size, size, channels) uint8, rounded; as `pipeline.geometry` does it."""
    return tf.cast(tf.round(_area_average(tf.cast(image, tf.float32), side)), tf.uint8)


def _shrink_mask(mask: tf.Tensor, form: PairFormat) -> tf.Tensor:
    if form.classes == 1:
        return tf.cast(_area_average(tf.cast(mask, tf.float32), form.side) >= 0.5, tf.uint8)
    shares = _area_average(tf.one_hot(mask[..., 0], form.classes), form.side)
    lesion = tf.argmax(shares[..., 1:], -1, output_type=tf.int32)[..., None] + 1
    return tf.cast(tf.where(shares[..., :1] <= 0.5, lesion, 0), tf.uint8)


def _area_average(square: tf.Tensor, side: int) -> tf.Tensor:
    tf.debugging.assert_greater_equal(tf.shape(square)[0], side)
    averages = tf.cond(
        tf.shape(square)[0] == side,
        lambda: square,  # three times as fast as averaging single pixels
        lambda: tf.image.resize(square, (side, side), method="area"),
    )
    return tf.ensure_shape(averages, (side, side, square.shape[-1]))


@contextlib.contextmanager
def explained(samples: Sequence[Sample], form: PairFormat) -> Iterator[None]:
    """Turns TensorFlow's error about a file into an `InputError` that names the file and what is wrong with it."""
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.NotFoundError):
        sizes = {check_pair(sample, form): sample.image for sample in samples}
        if len(sizes) > 1:
            examples = ", ".join(f"{path.name} {size} px" for size, path in sorted(sizes.items()))
            raise InputError(
                f"{samples[0].image.parent}: holds images of several sizes ({examples}); "
                "metrics need one size, so make the data set again"
            ) from None
        raise


def check_lesions(samples: Sequence[Sample], form: PairFormat) -> None:
    """Checks that at least one mask holds a lesion; reads masks until one does, in at most half of its pixels.

    Where lesions always fill more than half, as in inverted masks, a warning is printed.

    Raises:
      InputError: none does, or a mask cannot be read.
    """
    inverted = 0
    for sample in samples:
        mask = read_mask_file(sample.mask, form.classes, form.mask)
        lesion = np.count_nonzero(mask)
        if 0 < lesion <= mask.size / 2:
            return
        inverted += int(lesion > 0)
    first = samples[0].mask
    if inverted:
        print(
            f"warning: {first.parent}: in all {inverted} masks that hold a lesion it fills more than half of the image; "
            "are they inverted? Lesion is white or the higher value",
            file=sys.stderr,
        )
        return
    values = ", ".join(map(str, decode_mask(read_regular(first)).values[:5]))
    raise InputError(
        f"{first.parent}: 0 of {len(samples)} {samples[0].split} masks hold a lesion ({first.name} holds the values {values}); "
        "check which values mark lesions there, and [mask] threshold, or give a data set with lesions"
    )


def check_pair(sample: Sample, form: PairFormat) -> int:
    """Checks a pair and returns its side in pixels.

    Raises:
      InputError: one of the files cannot be read, is not square, or is smaller than the model's side; their sizes
        differ; or the mask's values are not what the number of classes asks for.
    """
    image, mask = read_gray(sample.image), read_mask_file(sample.mask, form.classes, form.mask)
    height, width = image.shape
    if mask.shape != image.shape:
        raise InputError(
            f"{sample.mask}: is {mask.shape[1]} x {mask.shape[0]} but its image is {width} x {height}; make the data set again"
        )
    if width != height:
        raise InputError(f"{sample.image}: is {width} x {height}; expected a square, as `cesm-pipeline` writes")
    if width < form.side:
        raise InputError(
            f"{sample.image}: is {width} px wide, but the model takes {form.side}; "
            "lower image_width and image_height in [model], or make the data set at a larger size"
        )
    return width
