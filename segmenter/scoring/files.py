"""Finds the masks and probabilities that another program wrote, by the names of their samples."""

import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from pipeline.contract import PAIR_SUFFIXES, UNREAD_SUFFIXES
from pipeline.files import InputError
from pipeline.sources import count_unread_images, describe_unread_images
from segmenter.evaluation.formatting import counted

ARRAYS = frozenset({".npy", ".npz"})
_TIFF_AND_SEG = frozenset({".tif", ".tiff", ".dcm"})
MASK_SUFFIXES = PAIR_SUFFIXES | _TIFF_AND_SEG
PROBABILITY_SUFFIXES = frozenset({".png"}) | _TIFF_AND_SEG | ARRAYS
# `infer` writes both kinds of DICOM SEG into one folder: the masks are binary, the probabilities fractional.
_BINARY, _FRACTIONAL = "_binary.dcm", "_fractional.dcm"
_OR_COCO = {"masks": ", or a .json file of COCO annotations or results"}
_OF_FOLD = re.compile(r"fold_\d+")


def find_masks(folders: Sequence[Path]) -> dict[str, Path]:
    """The mask files of folders by the name of their sample; raises as `_find` does."""
    return _find(folders, "masks", MASK_SUFFIXES, _FRACTIONAL)


def find_probabilities(folders: Sequence[Path]) -> dict[str, Path]:
    """The files with probabilities by the name of their sample; of a folder with arrays only these. Raises as `_find` does."""
    return _find(folders, "probabilities", PROBABILITY_SUFFIXES, _BINARY, first=ARRAYS)


def fold_of(path: Path) -> str:
    """The name of nnU-Net's folder of a fold, in whose `validation` a mask lies; empty for others."""
    parts = path.parent.parts[-2:]
    return parts[0] if len(parts) == 2 and parts[1] == "validation" and _OF_FOLD.fullmatch(parts[0]) else ""


def _find(
    folders: Sequence[Path], kind: str, suffixes: frozenset[str], other: str, first: Collection[str] = ()
) -> dict[str, Path]:
    """Finds files by stem, in the folders, in their folder of this kind, and in nnU-Net's folders of validation masks.

    Raises:
      InputError: a folder is missing or has no such file, or two files have one stem.
    """
    files: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            fault = "is not a folder" if folder.exists() else "is not there"
            raise InputError(f"--{kind} {folder}: {fault}; expected a folder with one file per image{_OR_COCO.get(kind, '')}")
        before = len(files)
        for place in _places(folder, kind):
            for path in _listed(place, suffixes, other, first):
                stem = _stem(path)
                if earlier := files.get(stem):
                    raise InputError(f"{path}: {earlier} is of the same image, {stem}; remove one of them")
                files[stem] = path
        if len(files) == before:
            raise InputError(
                f"--{kind} {folder}: holds no {kind}; expected files named like the images, with one of the endings "
                f"{', '.join(sorted(suffixes))}{_describe_content(folder)}"
            )
    return files


def _describe_content(folder: Path) -> str:
    """What a folder without masks holds, after a semicolon; empty if it is empty."""
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    folders = [path.name for path in paths if path.is_dir()]
    endings = Counter(path.suffix.lower() or "no ending" for path in paths if path.is_file())
    found = [f"{count} with {ending}" for ending, count in sorted(endings.items())]
    if folders:
        found.append(f"{counted(len(folders), 'folder')}, {folders[0]} first; give the folder that holds the masks itself")
    return f"; found {', '.join(found)}" if found else ""


def _places(folder: Path, kind: str) -> Iterator[Path]:
    yield folder
    yield from (path for path in (folder / kind, *sorted(folder.glob("fold_*/validation"))) if path.is_dir())


def _listed(place: Path, suffixes: frozenset[str], other: str, first: Collection[str]) -> list[Path]:
    paths = [path for path in sorted(place.iterdir()) if path.is_file() and not path.name.startswith(".")]
    if unread := describe_unread_images(count_unread_images(paths, UNREAD_SUFFIXES - suffixes - ARRAYS)):
        print(f"warning: {place}: {unread}", file=sys.stderr)
    fitting = [path for path in paths if path.suffix.lower() in suffixes and not path.name.lower().endswith(other)]
    return [path for path in fitting if path.suffix.lower() in first] or fitting


def _stem(path: Path) -> str:
    return path.name.removesuffix(_BINARY).removesuffix(_FRACTIONAL).removesuffix(path.suffix)
