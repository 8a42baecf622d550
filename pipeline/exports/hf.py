"""Hugging Face `datasets`: image folders train/, validation/ and test/, each with a metadata.jsonl.

Source: "Create an image dataset" of huggingface.co/docs/datasets; a column that ends in `_file_name` is an image too.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.contract import COLUMNS, SPLITS
from pipeline.dataset.folder import DatasetFolder
from pipeline.exports.format import Rows
from pipeline.exports.linking import link
from pipeline.files import progress, write_text

_FOLDERS = {"train": "train", "valid": "validation", "test": "test"}
_FILES = ("image", "mask")  # the names of the decoded pictures in `datasets`


def write(folder: DatasetFolder, rows: Rows, out: Path) -> list[str]:
    """Links each sample's files, or copies them where the disk cannot link, and writes the manifest next to them.

    A split without samples has no folder: `datasets` cannot read an empty one. JSON lines keep each column's type;
    from a CSV, `datasets` guesses it split by split and refuses splits that differ, such as BI-RADS 4 and 4$5.

    Args:
      folder: the data set.
      rows: of its manifest.
      out: the folder to write to.

    Returns:
      What was written, as lines to print.

    Raises:
      InputError: a file is missing.
    """
    counts = []
    for split in SPLITS:
        inside = [row for row in rows if row["split"] == split]
        lines = []
        for row in progress(inside, len(inside), f"export {split}", "samples"):
            paths = {name: f"{name}s/{Path(row[name]).name}" for name in _FILES}
            for name, path in paths.items():
                link(folder.root / row[name], out / _FOLDERS[split] / path)
            lines.append(json.dumps({"file_name": paths["image"], "mask_file_name": paths["mask"], **_columns(row)}) + "\n")
        if lines:
            write_text(out / _FOLDERS[split] / "metadata.jsonl", "".join(lines))
        counts.append(f"{_FOLDERS[split]} {len(inside)} samples" + ("" if inside else ", so no folder"))
    return [", ".join(counts)]


def _columns(row: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Returns a sample's columns of the manifest; each has one type in all rows, so a number that may be unknown is text."""
    columns = [column for column in COLUMNS if column.name not in _FILES]
    return {column.name: _text(row[column.name]) if column.optional else row[column.name] for column in columns}


def _text(value: object) -> str:
    return "" if value is None else str(value)
