"""The benchmark's results as files that are committed: per entry and mode the tables of all folds, and what each fold cost.

benchmarks/quality/ENTRY/MODE/per_image.csv, per_lesion.csv, froc.csv     the tables of an evaluation, with the column fold
benchmarks/quality/ENTRY/folds.json                                       by fold: cost, epochs, threshold, date, machine
benchmarks/quality/looks.csv                                              each evaluation on a test fold, and its reason
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from pipeline.files import read_csv, read_header_and_rows, read_json, write_csv, write_text
from segmenter.evaluation.aggregation import read_table

FOLDER = Path(__file__).parents[1] / "quality"
TABLES = ("per_image.csv", "per_lesion.csv", "froc.csv")
LOOKS = FOLDER / "looks.csv"
LOOK_COLUMNS = ("date", "entry", "mode", "fold", "reason")


def add_tables(entry: str, mode: str, fold: int, evaluation: Path) -> None:
    """Adds the tables of an evaluation of one fold to those of the entry, in place of that fold's earlier rows."""
    for name in TABLES:
        path = FOLDER / entry / mode / name
        header, evaluated = read_header_and_rows(evaluation / name)
        rows = [{**row, "fold": str(fold)} for row in evaluated]
        others = [dict(row) for row in read_csv(path) if row["fold"] != str(fold)] if path.is_file() else []
        write_csv(path, [*header, "fold"], sorted([*others, *rows], key=lambda row: int(row["fold"])))


def add_pooled(entry: str, mode: str, evaluation: Path) -> None:
    """Writes the tables of an evaluation of all folds as those of an entry; each row gets the fold of its image."""
    folds = {row["sample"]: row["fold"] for row in read_csv(evaluation / TABLES[0])}
    for name in TABLES:
        header, evaluated = read_header_and_rows(evaluation / name)
        rows = sorted(({**row, "fold": folds[row["sample"]]} for row in evaluated), key=lambda row: int(row["fold"]))
        write_csv(FOLDER / entry / mode / name, [*(column for column in header if column != "fold"), "fold"], rows)


def read_tables(entry: str, mode: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The tables of an entry: images, lesions, candidates."""
    images, lesions, candidates = (read_table(FOLDER / entry / mode / name) for name in TABLES)
    return images, lesions, candidates


def read_originals(entry: str, mode: str) -> pd.DataFrame:
    """The table of images of an entry, without turned ones."""
    images = read_table(FOLDER / entry / mode / TABLES[0])
    return images[images["variant"] == "original"]


def add_fold(entry: str, fold: int, facts: Mapping[str, object]) -> None:
    """Records what a fold of an entry cost and how it was made."""
    folds = read_folds(entry) | {str(fold): dict(facts)}
    write_text(FOLDER / entry / "folds.json", json.dumps(dict(sorted(folds.items())), indent=1) + "\n")


def read_folds(entry: str) -> dict[str, dict]:
    """What each fold of an entry cost, by fold; empty where there is none yet."""
    path = FOLDER / entry / "folds.json"
    return read_json(path, dict, "delete it") if path.is_file() else {}


def record_look(entry: str, mode: str, fold: int, reason: str) -> None:
    """Notes that an entry was evaluated on a test fold, before it is."""
    rows = [dict(row) for row in read_csv(LOOKS, LOOK_COLUMNS)] if LOOKS.is_file() else []
    date = datetime.now(UTC).date().isoformat()
    write_csv(LOOKS, LOOK_COLUMNS, [*rows, {"date": date, "entry": entry, "mode": mode, "fold": fold, "reason": reason}])
