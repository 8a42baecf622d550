"""Reads the shards that `cesm-pipeline export --format tfrecord` writes; they contain the bytes of the data set's files."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from pipeline.files import InputError
from segmenter.data.pairs import PairFormat, decode_pair

_FEATURES = {name: tf.io.FixedLenFeature([], tf.string) for name in ("image", "mask", "mask_format")}


def read_tfrecords(paths: Sequence[Path], channels: int = 1, classes: int = 1) -> tf.data.Dataset:
    """Reads pairs in the order of the shards; neighbouring records are variants of one image, so shuffle them for training.

    Args:
      paths: the shards, such as `sorted(folder.glob("train-*.tfrecord"))`.
      channels: of the images, 1 or 3.
      classes: as `num_classes` in [model]: 1 for lesion and background, 3 for recipe full.

    Returns:
      Pairs of the image, (height, width, channels) uint8 raw, and the mask, (height, width, 1) uint8 of classes, as
      training sees them: the same pixels as `segmenter.data.pairs.read_pair_whole` gives for the files. A mask that does
      not fit that number of classes raises `InvalidArgumentError`, a damaged shard `DataLossError`.

    Raises:
      InputError: no shard is given, or one does not exist.

    Source: `pipeline.exports.tfrecord`, whose docstring names the source of the format.
    """
    if not paths:
        raise InputError("no TFRecord file is given; `cesm-pipeline export FOLDER --format tfrecord` writes them")
    if missing := [path for path in paths if not Path(path).is_file()]:
        raise InputError(f"{missing[0]}: does not exist; `cesm-pipeline export FOLDER --format tfrecord` writes such files")
    pair_format = PairFormat(0, channels, classes)  # the side is not used: pairs keep their size

    def decode(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = tf.io.parse_single_example(record, _FEATURES)
        return decode_pair(features["image"], features["mask"], pair_format)

    return tf.data.TFRecordDataset([str(path) for path in paths]).map(decode, tf.data.AUTOTUNE)
