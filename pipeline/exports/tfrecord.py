"""TFRecord: shards of `tf.train.Example`, one per sample, with the files' own bytes. Needs no TensorFlow.

`segmenter.data.tfrecords.read_tfrecords` reads them.

Source: `tensorflow/core/lib/io/record_writer.h` for the framing (length, its masked CRC-32C, data, its masked CRC-32C,
all little-endian), `tensorflow/core/example/example.proto` and `feature.proto` for the message, and "Encoding" of
protobuf.dev for its bytes.
"""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.contract import SPLITS
from pipeline.dataset.folder import DatasetFolder
from pipeline.exports.format import Rows
from pipeline.files import InputError, progress, replacing, require
from pipeline.geometry import Letterbox

Checksum = Callable[[bytes], int]

_TEXTS = ("sample", "image_id", "patient", "split", "class", "variant", "kind", "side", "view")
_FORMATS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}
_BYTES_LIST, _INT64_LIST = 1, 3  # fields of the message Feature


def write(folder: DatasetFolder, rows: Rows, out: Path, *, records: int = 512) -> list[str]:
    """Writes `train-00000-of-00008.tfrecord` and so on; an empty split is one empty shard.

    Args:
      folder: the data set.
      rows: of its manifest.
      out: the folder to write to.
      records: samples per shard; the last shard of a split may hold fewer.

    Returns:
      What was written, as lines to print.

    Raises:
      InputError: a file is missing, or google-crc32c is not installed.
    """
    checksum = _load_checksum()
    counts = []
    for split in SPLITS:
        inside = [row for row in rows if row["split"] == split]
        shards = max(1, -(-len(inside) // records))
        for number in progress(range(shards), shards, f"export {split}", "shards"):
            with replacing(out / f"{split}-{number:05d}-of-{shards:05d}.tfrecord") as temporary, temporary.open("wb") as file:
                for row in inside[number * records : (number + 1) * records]:
                    file.write(frame(_sample(folder.root, row), checksum))
        counts.append(f"{split} {len(inside)} samples in {shards} shard{'s' if shards > 1 else ''}")
    return [", ".join(counts)]


def _load_checksum() -> Checksum:
    require("google_crc32c", "to write TFRecord files", package="google-crc32c")
    from google_crc32c import value

    return value


def _sample(root: Path, row: Mapping[str, str]) -> bytes:
    side = _side(row)
    return example(
        {key: row[key].encode() for key in _TEXTS}
        | {"image": _read(root / row["image"]), "image_format": _FORMATS[Path(row["image"]).suffix.lower()].encode()}
        | {"mask": _read(root / row["mask"]), "mask_format": _FORMATS[Path(row["mask"]).suffix.lower()].encode()}
        | {"fold": int(row["fold"]), "width": side, "height": side}
    )


def _side(row: Mapping[str, str]) -> int:
    """Returns the side of the sample's square in pixels, which the manifest stores as the scale from the source."""
    return round(float(row["scale"]) * Letterbox(int(row["source_width"]), int(row["source_height"]), 1).side)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(f"{path}: is in the manifest but missing; make the data set again")
    return path.read_bytes()


def frame(data: bytes, checksum: Checksum) -> bytes:
    """Encodes one record of a TFRecord file."""
    length = struct.pack("<Q", len(data))
    return length + _masked(checksum(length)) + data + _masked(checksum(data))


def _masked(crc: int) -> bytes:
    """Rotates and shifts a checksum as the format requires, because a CRC over data that holds CRCs is weak."""
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def example(features: Mapping[str, bytes | int]) -> bytes:
    """Encodes a `tf.train.Example` with one value per feature, sorted by name, so that equal samples give equal bytes."""
    entries = (_field(1, _field(1, key.encode()) + _field(2, _feature(features[key]))) for key in sorted(features))
    return _field(1, b"".join(entries))


def _feature(value: bytes | int) -> bytes:
    if isinstance(value, bytes):
        return _field(_BYTES_LIST, _field(1, value))
    return _field(_INT64_LIST, _field(1, _varint(value)))


def _field(number: int, data: bytes) -> bytes:
    """Encodes a field of wire type 2: its tag, its length, its bytes."""
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Encodes a whole number from 0 on, seven bits per byte, the lowest first; all bytes but the last have the eighth bit set."""
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
