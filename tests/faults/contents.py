"""What a folder holds after a run, without the times that two equal runs differ in."""

import hashlib
import io
import re
import zipfile
from pathlib import Path

import h5py

_WRITTEN = re.compile(rb'"mtime_ns":\s?\d+')  # of files, in a journal
_ADDRESS = re.compile(rb'(, )?"shared_object_id": \d+')  # of an object in memory, where the model was not loaded
_TRAINED = re.compile(rb'"(date|seconds)": [^\n]*')  # in state.json and versions.json


def contents(root: Path) -> dict[str, str]:
    """The hash of each file below a folder.

    A journal counts by its entries, since a line may be repeated, and a model by its configuration and weights.
    """
    files = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    return {name: hashlib.sha256(_without_times(path)).hexdigest() for name, path in files.items()}


def _without_times(path: Path) -> bytes:
    data = path.read_bytes()
    if path.name in ("made.jsonl", "partners.jsonl"):
        return _journal_entries(data)
    if path.suffix == ".keras":
        return _model(data)
    return _TRAINED.sub(b"", data) if path.name in ("state.json", "versions.json") else data


def _journal_entries(data: bytes) -> bytes:
    entries = {}
    for line in _WRITTEN.sub(b"", data).splitlines():
        if line.endswith(b"}}"):  # a line that was cut off does not
            entries[line[:40]] = line
    return b"\n".join(sorted(entries.values()))


def _model(data: bytes) -> bytes:
    """The configuration and all weights of a .keras file, whose zip and metadata hold times, and its configuration addresses."""
    pieces: list[bytes] = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        pieces.append(_ADDRESS.sub(b"", archive.read("config.json")))
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
            weights.visititems(lambda name, node: pieces.extend((name.encode(), _values(node))))
    return b"\n".join(pieces)


def _values(node: h5py.Group | h5py.Dataset) -> bytes:
    return node[()].tobytes() if isinstance(node, h5py.Dataset) else b""
