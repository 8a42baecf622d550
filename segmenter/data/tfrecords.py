"""Reads the shards that `cesm-pipeline export --format tfrecord` writes; they contain the bytes of the data set's files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.contract import MaskError, SourceError
from pipeline.files import InputError, require
from segmenter.data.pairs import PairFormat, decode_pair

if TYPE_CHECKING:
    import tensorflow as tf


def read_tfrecords(paths: Sequence[Path], channels: int = 1, classes: int = 1) -> "tf.data.Dataset":
    """Reads pairs in the order of the shards; neighbouring records are variants of one image, so shuffle them for training.

    Args:
      paths: the shards, such as `sorted(folder.glob("train-*.tfrecord"))`.
      channels: of the images, 1 or 3; shards hold single images, also of a data set with partners.
      classes: as `num_classes` in [model]: 1 for lesion and background, 3 for recipe full.

    Returns:
      Pairs of the image, (height, width, channels) uint8 raw, and the mask, (height, width, 1) uint8 of classes, as
      training sees them: the same pixels as `segmenter.data.pairs.read_pair_whole` gives for the files. A mask that does
      not fit that number of classes raises `InvalidArgumentError`, a damaged shard `DataLossError`.

    Raises:
      InputError: no shard is given, or one does not exist; or TensorFlow, which alone can read them, is not installed.

    Source: `pipeline.exports.tfrecord`, whose docstring names the source of the format.
    """
    if not paths:
        raise InputError("no TFRecord file is given; `cesm-pipeline export FOLDER --format tfrecord` writes them")
    if missing := [path for path in paths if not Path(path).is_file()]:
        raise InputError(f"{missing[0]}: does not exist; `cesm-pipeline export FOLDER --format tfrecord` writes such files")
    require("tensorflow", "to read TFRecord files", "train", otherwise=", or train on the data set's folder")
    import tensorflow as tf

    from segmenter.data.tf_data import numpy_call

    features = {name: tf.io.FixedLenFeature([], tf.string) for name in ("image", "mask")}
    pair_format = PairFormat(0, 0, channels, classes)  # the sides are not used: pairs keep their size

    def read(image_data: bytes | np.ndarray, mask_data: bytes | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        try:
            return decode_pair(_bytes_of(image_data), _bytes_of(mask_data), pair_format)
        except (SourceError, MaskError) as error:
            raise InputError(str(error)) from error

    def decode(record: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
        data = tf.io.parse_single_example(record, features)
        image, mask = numpy_call(read, [data["image"], data["mask"]], (tf.uint8, tf.uint8))
        return tf.ensure_shape(image, (None, None, channels)), tf.ensure_shape(mask, (None, None, 1))

    return tf.data.TFRecordDataset([str(path) for path in paths]).map(decode, tf.data.AUTOTUNE)


def _bytes_of(value: bytes | np.ndarray) -> bytes:
    # Outside of a graph, TensorFlow passes an array that contains the bytes. NumPy's own type for bytes drops zeros at their end.
    return bytes(np.asarray(value, object).item())
