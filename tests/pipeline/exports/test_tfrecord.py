"""Bytes of TFRecord shards against ones made by hand; that TensorFlow reads them is in tests/segmenter."""

import struct
import sys

import pytest
from skips import need_package
from small_sets import make_set

from pipeline.dataset.manifest import read_manifest
from pipeline.exports import export
from pipeline.exports.tfrecord import example, frame
from pipeline.files import InputError

crc32c = need_package("google_crc32c")


@pytest.mark.parametrize(
    ("features", "written"),
    [
        pytest.param({}, "0a00", id="nothing"),
        pytest.param({"a": 1}, "0a0c 0a0a 0a0161 1205 1a03 0a0101", id="whole number"),
        pytest.param({"a": 300}, "0a0d 0a0b 0a0161 1206 1a04 0a02ac02", id="whole number of two bytes"),
        pytest.param({"a": b"xy"}, "0a0d 0a0b 0a0161 1206 0a04 0a027879", id="bytes"),
        pytest.param({"b": 2, "a": 1}, "0a18 0a0a0a016112051a030a0101 0a0a0a016212051a030a0102", id="sorted by name"),
    ],
)
def test_an_example_is_the_bytes_of_its_protocol_buffer(features, written):
    assert example(features) == bytes.fromhex(written)


def test_a_record_is_length_data_and_their_masked_checksums():
    # The check value of CRC-32C, which catalogues of checksums give for these nine digits.
    turned = (0xE3069283 >> 15 | 0xE3069283 << 17) & 0xFFFFFFFF
    record = frame(b"123456789", crc32c.value)
    assert record[:8] == struct.pack("<Q", 9)
    assert record[12:21] == b"123456789"
    assert record[21:] == struct.pack("<I", (turned + 0xA282EAD8) & 0xFFFFFFFF)
    assert len(record) == 9 + 16


@pytest.mark.parametrize(("records", "shards"), [(1000, 1), (5, 4), (18, 1), (17, 2)])
def test_a_shard_holds_the_number_of_samples_asked_for(tmp_path, records, shards):
    folder = make_set(tmp_path)
    train = [row for row in read_manifest(folder.manifest) if row["split"] == "train"]
    assert len(train) == 18
    exported = export(folder, "tfrecord", None, {"records": records})
    names = sorted(path.name for path in exported.output.glob("train-*"))
    assert names == [f"train-{number:05d}-of-{shards:05d}.tfrecord" for number in range(shards)]
    assert f"train 18 samples in {shards} shard" in exported.lines[0]


def test_an_empty_split_is_an_empty_shard(tmp_path):
    folder = make_set(tmp_path, changes=[("train = 0.5, valid = 0.25, test = 0.25", "train = 0.7, valid = 0.3, test = 0")])
    exported = export(folder, "tfrecord", None, {})
    assert (exported.output / "test-00000-of-00001.tfrecord").read_bytes() == b""


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "google_crc32c", None)
    message = "google-crc32c, which is needed to write TFRecord files, is not installed; run `pip install cesm-segmentation`"
    with pytest.raises(InputError, match=message):
        export(make_set(tmp_path), "tfrecord", None, {})
