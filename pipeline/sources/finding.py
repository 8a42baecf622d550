"""Finds the files of a folder tree by suffix or by DICOM's mark."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from pipeline.contract import DATASET_MARK, IMAGE_SUFFIXES
from pipeline.sources.contents import has_dicom_mark

# A folder that holds one of these, or a DATASET_MARK, was written by this program: a phantom, or a data set.
PHANTOM_MARK = "PHANTOM.txt"
UNFINISHED_PHANTOM_MARK = ".phantom-part"


def find_files(root: Path, suffixes: Collection[str], *, dicom: bool = False) -> list[Path]:
    """Finds files below a folder by suffix (any case), sorted; skips hidden folders, phantoms and data sets below it.

    Args:
      root: the folder, which itself may be a phantom.
      suffixes: in lower case, with the dot.
      dicom: find DICOM files too, by their mark and whatever their name, except for the index of a medium, DICOMDIR.
    """
    return sorted(path for path in _walk(root) if path.suffix.lower() in suffixes or (dicom and has_dicom_mark(path)))


def stem_of(path: Path) -> str:
    """A file's name without the suffix of an image; names of DICOM files are often numbers with points."""
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        if {PHANTOM_MARK, UNFINISHED_PHANTOM_MARK, DATASET_MARK} & set(names) and Path(folder) != root:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith((".", "~$")))
