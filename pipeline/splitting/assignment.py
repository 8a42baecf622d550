"""assignment.csv: the split and fold of each patient or sample; reads it, keeps what it lists, and assigns the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.contract import SPLIT_FOLDERS, SPLITS, sample_name
from pipeline.files import InputError, read_number, read_table
from pipeline.indexing.layout import plain_patient
from pipeline.indexing.tables import SourceImage
from pipeline.recipe import Recipe
from pipeline.splitting.splits import SplitImage, assign_folds, split_by_patient, split_by_sample


@dataclass(frozen=True)
class Assignment:
    """Splits by patient, or by sample where the recipe splits samples, and folds by patient.

    Attributes:
      path: the file that it was read from or will be written to.
      by: `patient` or `sample`: what the keys of `splits` name.
      splits, folds: the columns of the file; folds may be missing in a user's own.
    """

    path: Path
    by: str
    splits: Mapping[str, str]
    folds: Mapping[str, int]

    def split_of(self, image: SourceImage, variant: str) -> str:
        """Returns the split of a variant of an image.

        Raises:
          InputError: the file does not list it.
        """
        key = image.patient if self.by == "patient" else sample_name(variant, image.image_id)
        if key not in self.splits:
            raise InputError(f"{self.path}: does not list {key}, which is in the index; run the stage 'split' again (make split)")
        return self.splits[key]

    def rows(self, images: Sequence[SourceImage], recipe: Recipe) -> list[dict]:
        """Returns the rows of the file."""
        if self.by == "patient":
            return [{"patient": name, "split": split, "fold": self.folds[name]} for name, split in self.splits.items()]
        patients = _patients_of_samples(images, recipe)
        return [
            {"sample": name, "patient": patients[name], "split": split, "fold": self.folds[patients[name]]}
            for name, split in self.splits.items()
        ]


def read_assignment(path: Path, recipe: Recipe) -> Assignment:
    """Reads an assignment, this program's or the user's own, which a spreadsheet may have saved.

    Raises:
      InputError: a column is missing, a split or fold does not exist, or a patient or sample is in two splits or folds.
    """
    by = recipe.split.by
    rows = read_table(path, (by, "split")).records((by, "split"), ("patient", "fold"))
    return Assignment(path, by, _splits(path, rows, by), _folds(path, rows, recipe.split.folds))


def respell(assignment: Assignment, images: Sequence[SourceImage]) -> Assignment:
    """The assignment with its patients as the index spells them: spreadsheets write P1 as 1.0, and people as P001.

    Raises:
      InputError: two spellings of one patient have different splits or folds.
    """
    patients = {image.patient for image in images}
    spellings = {plain_patient(patient): patient for patient in sorted(patients)}

    def unite(values: Mapping[str, Any]) -> dict[str, Any]:
        united: dict[str, Any] = {}
        for name, value in values.items():
            patient = name if name in patients else spellings.get(plain_patient(name), name)
            if united.setdefault(patient, value) != value:
                raise InputError(
                    f"{assignment.path}: {patient}, in several spellings, is in {united[patient]} and in {value}; expected one"
                )
        return united

    splits = unite(assignment.splits) if assignment.by == "patient" else assignment.splits
    return replace(assignment, splits=splits, folds=unite(assignment.folds))


_Rows = Sequence[tuple[int, Mapping[str, str]]]


def _splits(path: Path, rows: _Rows, column: str) -> dict[str, str]:
    splits: dict[str, str] = {}
    for number, row in rows:
        split = SPLIT_FOLDERS.get(row["split"].lower(), "")
        if not row[column]:
            raise InputError(f"{path}: row {number} names no {column}; name it, or remove the row")
        if not split:
            raise InputError(f"{path}: row {number} gives {row[column]} the split {row['split']!r}; expected {', '.join(SPLITS)}")
        first = splits.setdefault(row[column], split)
        if first != split:
            raise InputError(f"{path}: {row[column]} is both in {first} and in {split}; expected one split each")
    return splits


def _folds(path: Path, rows: _Rows, count: int) -> dict[str, int]:
    folds: dict[str, int] = {}
    for number, row in rows:
        if not row["fold"] or not row["patient"]:
            continue
        fold = read_number(row["fold"])
        if fold is None or fold not in range(count):
            raise InputError(f"{path}: row {number} has fold {row['fold']!r}; expected a number from 0 to {count - 1}")
        if folds.setdefault(row["patient"], int(fold)) != fold:
            raise InputError(f"{path}: {row['patient']} has both fold {folds[row['patient']]} and fold {int(fold)}; expected one")
    return folds


def complete(images: Sequence[SourceImage], recipe: Recipe, path: Path, kept: Assignment | None) -> Assignment:
    """Assigns all patients, or samples; those in `kept` keep their split and fold.

    Raises:
      SplitError: fewer patients than splits.
    """
    table, split_images = recipe.split, [SplitImage(image.patient, image.image_class, image.lesion_share) for image in images]
    folds = assign_folds(split_images, table.folds, table.seed, kept.folds if kept else {})
    if table.by == "patient":
        splits = split_by_patient(split_images, table.fractions, table.seed, kept.splits if kept else {})
    else:
        samples = list(_patients_of_samples(images, recipe))
        splits = split_by_sample(samples, table.fractions, table.seed)
        splits |= {name: kept.splits[name] for name in samples if kept and name in kept.splits}
    return Assignment(path, table.by, splits, folds)


def _patients_of_samples(images: Sequence[SourceImage], recipe: Recipe) -> dict[str, str]:
    return {sample_name(variant, image.image_id): image.patient for image in images for variant in recipe.variants.names}


def count_splits(assignment: Assignment, images: Sequence[SourceImage], recipe: Recipe) -> dict[str, dict[str, int]]:
    """Counts the patients, source images and samples of each split."""
    members = [(assignment.split_of(image, variant), image) for image in images for variant in recipe.variants.names]
    counts = {}
    for split in SPLITS:
        inside = [image for assigned, image in members if assigned == split]
        counts[split] = {
            "patients": len({image.patient for image in inside}),
            "images": len({image.image_id for image in inside}),
            "samples": len(inside),
        }
    return counts
