"""Shards read by TensorFlow give the pixels that training reads from the files."""

import numpy as np
import pytest
import tensorflow as tf
from skips import need_package
from small_sets import SETS

from pipeline.dataset.manifest import read_manifest
from pipeline.exports import export
from pipeline.files import InputError
from segmenter.data.dataset import Sample
from segmenter.data.pairs import PairFormat, read_pair_whole
from segmenter.data.tfrecords import read_tfrecords

need_package("google_crc32c")


@pytest.fixture
def shards(tmp_path):
    def write(kind):
        folder = SETS[kind](tmp_path)
        result = export(folder, "tfrecord", None, {"records": 7})
        rows = [row for row in read_manifest(folder.manifest) if row["split"] == "train"]
        return folder, rows, sorted(result.output.glob("train-*"))

    return write


@pytest.mark.parametrize(("kind", "channels", "classes"), [("binary", 1, 1), ("classes", 1, 3), ("published", 3, 1)])
def test_pixels_are_those_of_the_files(shards, kind, channels, classes):
    folder, rows, paths = shards(kind)
    pairs = read_tfrecords(paths, channels, classes)
    assert [spec.dtype for spec in pairs.element_spec] == [tf.uint8, tf.uint8]
    decoded = list(pairs)
    assert len(decoded) == len(rows)
    for row, (image, mask) in zip(rows, decoded, strict=True):
        files = (folder.root / row[name] for name in ("image", "mask"))
        sample = Sample(row["sample"], "train", *files, "", "original", "", "")
        expected_image, expected_mask = read_pair_whole(sample, PairFormat(32, 32, channels, classes))
        assert image.shape == (32, 32, channels)
        np.testing.assert_array_equal(image, expected_image)
        np.testing.assert_array_equal(mask, expected_mask)


def test_an_example_holds_the_files_bytes_and_the_manifests_values(shards):
    folder, rows, paths = shards("binary")
    record = next(iter(tf.data.TFRecordDataset([str(path) for path in paths])))
    features = tf.train.Example.FromString(record.numpy()).features.feature
    row = rows[0]
    for name in ("image", "mask"):
        assert features[name].bytes_list.value[0] == (folder.root / row[name]).read_bytes()
    for name in ("sample", "image_id", "patient", "split", "class", "variant"):
        assert features[name].bytes_list.value[0].decode() == row[name]
    assert [features[name].int64_list.value[0] for name in ("fold", "width", "height")] == [int(row["fold"]), 32, 32]
    assert [features[name].bytes_list.value[0] for name in ("image_format", "mask_format")] == [b"jpeg", b"png"]


def test_class_indices_are_not_taken_for_levels(shards):
    *_, paths = shards("classes")
    with pytest.raises(tf.errors.InvalidArgumentError, match="holds class indices up to 2; expected 0 and 255, or 0 and 1"):
        list(read_tfrecords(paths))


def test_a_damaged_shard_is_noticed(shards):
    *_, paths = shards("binary")
    data = bytearray(paths[0].read_bytes())
    data[200] ^= 1
    paths[0].write_bytes(data)
    with pytest.raises(tf.errors.DataLossError):
        list(read_tfrecords(paths))


def test_missing_shards_are_named(tmp_path):
    with pytest.raises(InputError, match="no TFRecord file is given"):
        read_tfrecords([])
    with pytest.raises(InputError, match=r"train-0.tfrecord: does not exist"):
        read_tfrecords([tmp_path / "train-0.tfrecord"])
