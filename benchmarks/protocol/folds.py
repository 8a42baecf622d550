"""The benchmark's folds: five groups of patients, from CDD-CESM's annotation table alone.

Neither pixels nor the images that somebody has at hand matter, so everybody gets the same folds. Patients are sorted by the
number of their malignant, then benign, then normal images, most first, and within equal numbers by the SHA-256 of their name
(`P12`). In that order they are dealt to the folds, back and forth: 0 1 2 3 4, 4 3 2 1 0, and so on.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.annotations import find_annotations, read_annotations
from pipeline.contract import CLASSES, DATASET_JSON, parse_image
from pipeline.files import InputError, read_csv, read_json, write_csv

COUNT = 5
SCREENED = 0  # the round on whose validation patients choices are compared
SCREENING_FOLD = 1  # of these patients
RECIPE, SIDE = "v2-pairs", 512
TABLE = Path(__file__).parents[1] / "folds.csv"  # the folds as they are, for other programs too
COLUMNS = ("patient", "split", "fold")


def deal_folds(annotations: Path) -> dict[str, int]:
    """The fold of each patient of CDD-CESM.

    Args:
      annotations: the annotation table, or a folder that holds it.

    Raises:
      InputError: there is no annotation table.
    """
    rows = read_annotations(find_annotations(annotations), annotations).rows
    if not rows:
        raise InputError(f"{annotations}: holds no annotation table of CDD-CESM; give the folder of the annotation files")
    images: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, row in rows.items():
        images[parse_image(name).patient][row.cells["class"].lower()] += 1

    def order(patient: str) -> tuple:
        digest = hashlib.sha256(patient.encode()).hexdigest()
        return (*(-images[patient][name] for name in reversed(CLASSES)), digest)

    turn = [*range(COUNT), *reversed(range(COUNT))]
    return {patient: turn[number % len(turn)] for number, patient in enumerate(sorted(images, key=order))}


def digest(folds: Mapping[str, int]) -> str:
    """The SHA-256 of the lines `P1,3` in the order of the names, by which two benchmarks know that their folds are the same."""
    return hashlib.sha256("".join(f"{patient},{fold}\n" for patient, fold in sorted(folds.items())).encode()).hexdigest()


def write_folds(folds: Mapping[str, int], path: Path = TABLE) -> None:
    """Writes the folds as an assignment, which `make dataset ASSIGNMENT=` takes: test is fold 0, valid fold 1, train the rest."""
    rows = [
        {"patient": patient, "split": {0: "test", 1: "valid"}.get(fold, "train"), "fold": fold} for patient, fold in folds.items()
    ]
    write_csv(path, COLUMNS, sorted(rows, key=lambda row: (len(str(row["patient"])), row["patient"])))


def read_folds(path: Path = TABLE) -> dict[str, int]:
    """The folds of the table that travels with the benchmark."""
    return {row["patient"]: int(row["fold"]) for row in read_csv(path, COLUMNS)}


def require_benchmark_set(folder: Path) -> None:
    """Stops at data sets whose results could not be pooled with the others.

    Raises:
      InputError: it is of another recipe or size, or of the phantom.
    """
    remedy = f"make it with `make dataset RECIPE={RECIPE} ASSIGNMENT={TABLE}`"
    description = read_json(folder / DATASET_JSON, dict, remedy)
    made = description.get("name"), description.get("size_px"), bool(description.get("phantom"))
    if made != (RECIPE, SIDE, False):
        raise InputError(
            f"{folder}: is of recipe {made[0]} at {made[1]} px{', of the phantom' if made[2] else ''}; expected {RECIPE} at "
            f"{SIDE} px, of CDD-CESM; {remedy}"
        )


def require_folds(folder: Path, patients: Iterable[tuple[str, int | None]], folds: Mapping[str, int]) -> None:
    """Stops where a data set has other folds than the benchmark.

    Raises:
      InputError: a patient is unknown or in another fold; the message says how to make the data set.
    """
    for patient, fold in patients:
        if folds.get(patient) != fold:
            raise InputError(
                f"{folder}: has patient {patient} in fold {fold}, but in the benchmark in {folds.get(patient, 'none')}; make the "
                f"data set with `make dataset RECIPE=v2-pairs ASSIGNMENT={TABLE}`"
            )
