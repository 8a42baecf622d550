"""Reads a data set folder: its splits, its pairs of image and mask, and its manifest where it has one.

This module handles names and files, not pixels. Published archives have no manifest; there variant and patient come from
the file names.
"""

import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.contract import (
    DATASET_MARK,
    DESCRIPTIONS,
    IMAGE_SUFFIXES,
    MANIFEST,
    PAIR_SUFFIXES,
    PARTNER_FOLDER,
    PARTNERS,
    REGISTERED,
    SPLITS,
    UNREAD_SUFFIXES,
    SplitFolder,
    find_split_folders,
    parse_sample,
    read_row,
)
from pipeline.files import InputError, PathsBelow, check_settings, iterate_csv, name_problem, read_toml, sha256, shorten
from pipeline.sources import DicomOptions, count_unread_images, describe_unread_images

_COLUMNS = ("sample", "image_id", "variant", "split", "patient", "class", "image", "mask")


@dataclass(frozen=True)
class Sample:
    """One pair; an empty string and None mean unknown.

    Attributes:
      label: the manifest's `class`.
      fold: of the patient, for cross-validation.
      scale: pixels of the data set's image per source pixel.
      source_size: width and height of the source image, in pixels.
      spacing_mm: side of a source pixel, in mm.
      details: descriptions of the image, by the columns of `contract.DESCRIPTIONS`.
      partner: the file of the other image of the same view, low-energy or subtracted, on the same grid; None where there is none.
    """

    name: str
    split: str
    image: Path
    mask: Path
    image_id: str
    variant: str
    patient: str
    label: str
    fold: int | None = None
    scale: float | None = None
    spacing_mm: float | None = None
    details: Mapping[str, str] = field(default_factory=dict, hash=False)
    partner: Path | None = None
    source_size: tuple[int, int] | None = None

    @property
    def is_original(self) -> bool:
        """Whether it is neither turned nor flipped."""
        return self.variant == "original"

    @property
    def owner(self) -> str:
        """The patient, or the source image where the patient is unknown; no two splits may share an owner."""
        return self.patient or self.image_id


def count_patients(samples: Iterable[Sample]) -> int:
    """The number of patients of samples; each image of an unknown patient counts as a patient of its own."""
    return len({sample.owner for sample in samples})


@dataclass(frozen=True)
class DataSet:
    """The pairs of a folder; `identity` changes when the contents of the folder do.

    Attributes:
      fold: the fold that is test here; None where the splits are the folder's own.
    """

    folder: Path
    samples: tuple[Sample, ...]
    identity: str
    fold: int | None = None

    def split(self, name: str) -> list[Sample]:
        """The samples of a split, sorted by name.

        Raises:
          InputError: the split is empty.
        """
        if not (samples := [sample for sample in self.samples if sample.split == name]):
            raise InputError(
                f"{self.folder}: the split {name} is empty; found {describe_counts(self)}; give a data set "
                f"with images in {name}, or another split"
            )
        return samples

    def in_fold(self, fold: int) -> "DataSet":
        """Returns the same samples in the splits of fold k of K: test is fold k, valid is fold k + 1 mod K, train the rest.

        Raises:
          InputError: there are no folds, fewer than three, or not this one.
        """
        count = self.folds
        if not 0 <= fold < count:
            raise InputError(f"{self.folder}: has the folds 0 to {count - 1}, but not fold {fold}; give one of these")
        splits = {fold: "test", (fold + 1) % count: "valid"}
        samples = tuple(replace(sample, split=splits.get(sample.fold or 0, "train")) for sample in self.samples)
        return DataSet(self.folder, samples, f"{self.identity} fold {fold} of {count}", fold)

    def without_partners(self) -> "DataSet":
        """Returns the same samples without the other image of each view."""
        return replace(self, samples=tuple(replace(sample, partner=None) for sample in self.samples))

    @property
    def folds(self) -> int:
        """The number of folds.

        Raises:
          InputError: a sample has no fold, or there are fewer folds than test, valid and train need.
        """
        folds = {sample.fold for sample in self.samples}
        if None in folds:
            raise InputError(
                f"{self.folder}: has samples without a fold; folds come from the column fold of {MANIFEST}, "
                "which `make dataset` writes"
            )
        if len(folds) < 3:
            raise InputError(
                f"{self.folder}: has {len(folds)} folds; expected 3 or more, for test, valid and train; "
                "raise folds in the recipe's [split], or take more patients"
            )
        return max(fold for fold in folds if fold is not None) + 1


def folder_of(data: Any) -> Path:
    """The folder of a data set that is given as a path, or as an object with an attribute `folder`."""
    return Path(getattr(data, "folder", data))


def read_dicom_options(folder: Path) -> DicomOptions:
    """Returns how a data set's DICOM sources were read: the table [dicom] of its recipe, or the defaults without one.

    Raises:
      InputError: the recipe cannot be read.
    """
    path = folder / DATASET_MARK
    if not path.is_file():
        return DicomOptions()
    return check_settings(DicomOptions, read_toml(path).get("dicom", {}), f"{path}: [dicom]")


def read_source_bits(folder: Path) -> int | None:
    """Returns how many bits the levels of a data set's 16-bit sources use, as its recipe states; None if it does not.

    Raises:
      InputError: the recipe cannot be read.
    """
    path = folder / DATASET_MARK
    try:
        bits = read_toml(path).get("source", {}).get("bits") if path.is_file() else None
    except AttributeError as error:
        raise InputError(f"{path}: cannot be read ({error}); make the data set again") from error
    if bits is not None and not (type(bits) is int and 9 <= bits <= 16):
        raise InputError(f"{path}: [source] bits is {bits!r}; expected 9 to 16")
    return bits


def describe_counts(data: DataSet) -> str:
    """Describes the number of samples in each split."""
    counts = {split: sum(sample.split == split for sample in data.samples) for split in SPLITS}
    return ", ".join(f"{split} {count}" for split, count in counts.items())


def is_data_set(folder: Path) -> bool:
    """Whether a folder is meant as a data set, finished or not: by its manifest or recipe, or by train and valid in it."""
    if any((folder / name).is_file() for name in (MANIFEST, DATASET_MARK)):
        return True
    return {"train", "valid"} <= {found.split for found in find_split_folders(folder) if found.images.is_dir()}


def read_data_set(folder: Path) -> DataSet:
    """Reads the pairs of a data set folder.

    Raises:
      InputError: the folder does not exist, is not a data set or is unfinished, or images and masks do not pair up.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; {_other_data_sets(folder.parent)}")
    manifest = folder / MANIFEST
    if manifest.is_file():
        return DataSet(folder, tuple(_from_manifest(folder, manifest)), _identify(folder))
    if (folder / DATASET_MARK).is_file():
        raise InputError(
            f"{folder}: is unfinished: it has {DATASET_MARK} but no {MANIFEST}; "
            "repeat the command that makes it, which continues where it stopped"
        )
    folders = find_split_folders(folder)
    splits = {found.split for found in folders if found.images.is_dir()}
    if missing := [split for split in ("train", "valid") if split not in splits]:
        raise InputError(
            f"{folder}: is not a data set: it has no {' and no '.join(f'{split}/images' for split in missing)}; "
            f"{_other_data_sets(folder)}"
        )
    samples = tuple(sample for found in folders for sample in _from_names(folder, found))
    _warn_of_jpeg_masks(samples)
    return DataSet(folder, samples, _listing(samples))


def _other_data_sets(folder: Path) -> str:
    names = sorted(path.parent.parent.name for path in folder.glob("*/train/images")) if folder.is_dir() else []
    if not names:
        return "make one first, for example with `make dataset`"
    return f"the data sets in {folder} are {', '.join(names)}; give the path of one"


def _from_manifest(folder: Path, manifest: Path) -> list[Sample]:
    below, (_, rows) = PathsBelow(folder), iterate_csv(manifest, _COLUMNS)
    partners = {split: _by_stem(folder / split / PARTNER_FOLDER) for split in SPLITS}
    samples = [_from_row(below, number, row, partners) for number, row in enumerate(rows, 2)]
    paths = {path for split in SPLITS for kind in ("images", "masks") for path in (folder / split / kind).glob("*")}
    missing = [path for sample in samples for path in (sample.image, sample.mask) if path not in paths]
    if missing:
        raise InputError(
            f"{manifest}: names {len(missing)} files that do not exist, the first is "
            f"{missing[0].relative_to(folder)}; make the data set again"
        )
    _check_registered(folder, samples)
    return sorted(samples, key=lambda sample: sample.name)


def _check_registered(folder: Path, samples: Iterable[Sample]) -> None:
    """Checks that each sample of an image whose partner was registered has it."""
    table = folder / PARTNERS
    rows = iterate_csv(table, ("image_id", "status"))[1] if table.is_file() else ()
    registered = {row["image_id"] for row in rows if row["status"] == REGISTERED}
    if missing := [sample for sample in samples if sample.image_id in registered and not sample.partner]:
        expected = f"{missing[0].split}/{PARTNER_FOLDER}/{missing[0].name}"
        raise InputError(
            f"{table}: names {len(missing)} partners that do not exist, the first is {expected}; make the data set again"
        )


def _identify(folder: Path) -> str:
    """The identity of a data set with a manifest: its hash, and that of the table of partners where there is one."""
    partners = folder / PARTNERS
    return sha256(folder / MANIFEST) + (f" with {PARTNERS} {sha256(partners)}" if partners.is_file() else "")


def _from_row(below: PathsBelow, number: int, row: Mapping[str, str], partners: Mapping[str, Mapping[str, Path]]) -> Sample:
    # A manifest made by hand may lack columns that only metrics by group and in millimetres need.
    where = f"{below.root / MANIFEST}: row {number}"
    try:
        values = read_row(row)
    except ValueError as error:
        raise InputError(f"{where}: {error}; correct it, or make the data set again") from error
    if problem := name_problem(values["sample"]):
        raise InputError(f"{where}: sample {shorten(values['sample'])} {problem}; correct it, or make the data set again")
    if values["split"] not in SPLITS:
        raise InputError(f"{where}: has the split {shorten(values['split'])}; expected {', '.join(SPLITS)}")
    size = values["source_width"], values["source_height"]
    return Sample(
        values["sample"],
        values["split"],
        below.path(values["image"], f"{where}: image"),
        below.path(values["mask"], f"{where}: mask"),
        values["image_id"],
        values["variant"],
        values["patient"],
        values["class"],
        fold=values["fold"],
        scale=values["scale"],
        spacing_mm=values["spacing_mm"],
        details={name: values[name] for name in DESCRIPTIONS},
        partner=partners[values["split"]].get(values["sample"]),
        source_size=size if all(size) else None,
    )


def _from_names(root: Path, folder: SplitFolder) -> list[Sample]:
    """Pairs the files of a split's folders by stem. An image without a mask, or a mask without an image, is an error."""
    images, masks = _by_stem(folder.images), _by_stem(folder.masks)
    for files, partners, title, missing in (
        (images, masks, "images", folder.masks),
        (masks, images, "masks", folder.images),
    ):
        if unpaired := sorted(files.keys() - partners.keys()):
            expected = (missing / unpaired[0]).relative_to(root)
            raise InputError(
                f"{root}: {len(unpaired)} {title} of {folder.name} have no {'mask' if title == 'images' else 'image'}, the first "
                f"is {files[unpaired[0]].relative_to(root)}; expected {expected} with one of {', '.join(sorted(PAIR_SUFFIXES))}"
            )
    others = _by_stem(folder.images.parent / PARTNER_FOLDER)
    return [replace(_named(name, folder.split, images[name], masks[name]), partner=others.get(name)) for name in sorted(images)]


def _by_stem(folder: Path) -> dict[str, Path]:
    stems: dict[str, Path] = {}
    if unread := describe_unread_images(
        count_unread_images(folder.glob("*"), (IMAGE_SUFFIXES | UNREAD_SUFFIXES) - PAIR_SUFFIXES)
    ):
        print(f"warning: {folder}: {unread}", file=sys.stderr)
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() not in PAIR_SUFFIXES or path.name.startswith("."):
            continue
        if not path.is_file():
            raise InputError(f"{path}: is a folder, a link to nothing, or no file with contents; remove it")
        if path.stem in stems:
            raise InputError(
                f"{folder}: {stems[path.stem].name} and {path.name} share a name, by which pairs are found; rename or remove one"
            )
        stems[path.stem] = path
    return stems


def _named(name: str, split: str, image: Path, mask: Path) -> Sample:
    if problem := name_problem(name):
        raise InputError(f"{image.parent}: the name {shorten(image.name)} {problem}; rename the image and its mask")
    variant, source = parse_sample(name)
    details = dict.fromkeys(DESCRIPTIONS, "") | {column: getattr(source, column) for column in ("side", "kind", "view")}
    return Sample(name, split, image, mask, source.image_id, variant, source.patient, label="", details=details)


def _warn_of_jpeg_masks(samples: Sequence[Sample]) -> None:
    count = sum(sample.mask.suffix.lower() != ".png" for sample in samples)
    if count:
        print(f"warning: {count} masks are JPEG, which blurs their edges; they are thresholded at 128", file=sys.stderr)


def _listing(samples: Sequence[Sample]) -> str:
    """Hashes the names, sizes and modification times of all files, as an identity where there is no manifest."""
    digest = hashlib.sha256()
    for sample in samples:
        for path in filter(None, (sample.image, sample.mask, sample.partner)):
            status = path.stat()
            digest.update(f"{sample.split}/{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
