"""Lists the samples of a data set folder, from its manifest and from the files that are there, and what is not looked at."""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.contract import (
    DATASET_MARK,
    IMAGE_SUFFIXES,
    PARTNER_FOLDER,
    SPLIT_FOLDERS,
    SPLITS,
    UNREAD_SUFFIXES,
    SplitFolder,
    find_split_folders,
    parse_sample,
)
from pipeline.files import InputError, search_expression

Rows = Sequence[Mapping[str, Any]]
NamePatient = Callable[[str], str]  # from a sample's name to its patient, empty where the name does not contain it

_NO_IMAGE = ("desktop.ini", "thumbs.db")
_DEPTH = 3  # folders are searched this far below the data set
_RESULTS = ("runs", "exports", "stats", "masks_color", PARTNER_FOLDER)  # what this project writes into a data set's folder


@dataclass(frozen=True)
class Sample:
    """One file stem of one split, with what is known before its files are read.

    Attributes:
      folder: the name of the split's folder.
      file: the image's path relative to the data set's folder; without a suffix where there is no such file.
      patient: empty where it is unknown.
      made_as: the variant of its image that the caller has just made it as; empty for any other sample.
    """

    name: str
    split: str
    folder: str
    file: str
    image: Path | None
    mask: Path | None
    image_id: str
    patient: str
    image_class: str = ""
    sha256: tuple[str, str] = ("", "")
    made_as: str = ""

    @property
    def location(self) -> str:
        return f"{self.folder}/{self.name}"


def patient_by_regex(regex: str) -> NamePatient:
    """Returns a function that finds the patient in a sample's name by a regular expression with one group.

    Raises:
      InputError: the expression is not valid, or does not have exactly one group.

    Example:
      >>> patient_by_regex(r"^(D\\d+-\\d+)_")("D1-0001_R_MLO")
      'D1-0001'
    """
    try:
        pattern = re.compile(regex)
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError(f"patient {regex!r}: is not a valid regular expression ({error}); correct it") from error
    if pattern.groups != 1:
        raise InputError(
            f"patient {regex!r}: has {pattern.groups} groups; expected one, around the patient, such as '^(D\\d+-\\d+)_'"
        )

    def name_patient(sample: str) -> str:
        match = search_expression(pattern, sample)
        return (match[1] or "") if match else ""

    return name_patient


def patient_of_name(sample: str) -> str:
    """Finds the patient in a sample's name by the form of CDD-CESM's names."""
    return parse_sample(sample)[1].patient


def list_samples(
    folder: Path, manifest: Rows = (), name_patient: NamePatient = patient_of_name, made: Collection[str] = ()
) -> Iterator[Sample]:
    """The samples of a data set folder: those that its manifest names, and those whose files are there.

    Args:
      manifest: its rows; patients that it knows are taken from it.
      name_patient: finds the other patients.
      made: as for `pipeline.audit.audit`.
    """
    rows = {(row["split"], row["sample"]): row for row in manifest}
    for split_folder in _split_folders(folder, {split for split, _ in rows}):
        split = split_folder.split
        images, masks = _stems(split_folder.images), _stems(split_folder.masks)
        listed = {sample for other, sample in rows if other == split}
        for name in sorted(images.keys() | masks.keys() | listed):
            row = rows.get((split, name))
            if row:
                patient = row["patient"] or name_patient(name)
                made_as = row["variant"] if row["image_id"] in made else ""
                fields = (row["image_id"], patient, row["class"], (row["image_sha256"], row["mask_sha256"]), made_as)
            else:
                fields = (parse_sample(name)[1].image_id, name_patient(name), "", ("", ""), "")
            image = images.get(name)
            file = (split_folder.images / (image.name if image else name)).relative_to(folder).as_posix()
            yield Sample(name, split, split_folder.name, file, image, masks.get(name), *fields)


def _split_folders(folder: Path, listed: Set[str]) -> list[SplitFolder]:
    """Lists the folders of the splits, including those of `listed` splits of the manifest that are missing."""
    folders = find_split_folders(folder)
    missing = listed - {found.split for found in folders}
    return folders + [
        SplitFolder(split, split, folder / split / "images", folder / split / "masks") for split in SPLITS if split in missing
    ]


def _stems(folder: Path) -> dict[str, Path]:
    """Lists the files of a folder by stem; of several files with one stem, the first by name."""
    return {path.stem: path for path in reversed(list_files(folder))}


def list_files(folder: Path) -> list[Path]:
    """The files of a folder, sorted; without hidden ones, and those that Windows leaves everywhere."""
    if not folder.is_dir():
        return []
    names = [entry.name for entry in os.scandir(folder) if entry.is_file() and not entry.name.startswith(".")]
    return [folder / name for name in sorted(names) if name.lower() not in _NO_IMAGE]


def list_not_read(folder: Path) -> list[str]:
    """Lists what looks like pairs, but is not audited: paths relative to the folder, each with what is there.

    These are folders with images and masks that are not splits, folders that are called like a split and hold images in
    another way, folders within those of a split, and files whose name without the suffix is that of another file.
    """
    read = {path for split in find_split_folders(folder) for path in (split.images, split.masks)}
    lines = []
    for path in sorted(read):
        used = set(_stems(path).values())
        lines += [f"{_relative(file, folder)}: another file has this name" for file in list_files(path) if file not in used]
        lines += [f"{_relative(inner, folder)}: a folder in a split's" for inner in _folders(path) if list_files(inner)]
    for parent in _walk_folders(folder, read):
        images = [path for path in _folders(parent) if path.name.lower() == "images"]
        masks = [path for path in _folders(parent) if path.name.lower() == "masks"]
        # Flat splits lie inside of images and masks, which are read then.
        if images and masks and not {*images, *masks} & read and not any(path.parent in images for path in read):
            lines.append(f"{_relative(parent, folder)}: has images and masks, and is not train, valid or test")
        elif _is_called_like_a_split(_relative(parent, folder)):
            lines += [f"{_relative(parent, folder)}: holds images that are not in images or masks"] if _has_image(parent) else []
    return lines


def _is_called_like_a_split(path: str) -> bool:
    """Whether one of the words in a path is the name of a split, as in `train_images` and `test/image`."""
    return any(word in SPLIT_FOLDERS for word in re.split(r"[\W_]+", path.lower()))


def _has_image(folder: Path) -> bool:
    return any(path.suffix.lower() in IMAGE_SUFFIXES | UNREAD_SUFFIXES for path in list_files(folder))


def describe_missing_splits(folder: Path) -> str:
    """The message for a folder that holds no split; it names folders below it that look like one."""
    others = [line.split(":")[0] for line in list_not_read(folder)] if folder.is_dir() else []
    others = [name for name in others if name != "."]
    hint = f"; images and masks are in {', '.join(others[:10])}: rename them, or give the folder around them" if others else ""
    return f"{folder}: holds no train/images, valid/images or test/images with files; expected a data set folder{hint}"


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _walk_folders(folder: Path, skipped: Set[Path]) -> Iterator[Path]:
    """Yields the folder and those below it to a limited depth, except for results of this project and `skipped` ones."""
    own = (folder / DATASET_MARK).is_file()
    level = [folder]
    for _ in range(_DEPTH):
        yield from level
        inner = [path for parent in level for path in _folders(parent)]
        level = [path for path in inner if path not in skipped and not (own and path.name in _RESULTS)]
