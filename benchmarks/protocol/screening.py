"""The choices that were judged on validation, one row per training; no test fold is looked at for them."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.files import read_csv, write_csv
from protocol import records
from segmenter.evaluation.aggregation import owners, read_table
from segmenter.evaluation.bootstrap import PatientBootstrap

TABLE = records.FOLDER / "screening.csv"
IMAGES = records.FOLDER / "screening_images.csv"  # Dice of each image, for paired intervals
COLUMNS = (
    "name",
    "fold",
    "config",
    "settings",
    "core_minutes",
    "threshold",
    "images",
    "patients",
    "dice_mean",
    "low",
    "high",
    "dice_median",
)


def add_screened(
    name: str, arguments: argparse.Namespace, cost: Mapping[str, float], metrics: Mapping[str, float], evaluation: Path
) -> None:
    """Adds the row of a training to screening.csv, and its images to screening_images.csv."""
    images = read_table(evaluation / "per_image.csv")
    images = images[images["dice"].notna() & (images["variant"] == "original")]
    dices, patients = images["dice"].to_numpy(float), owners(images)
    mean = PatientBootstrap(patients).mean(dices)
    row = {
        "name": name,
        "fold": str(arguments.fold),
        "config": Path(arguments.config).name,
        "settings": json.dumps(arguments.settings, sort_keys=True),
        "core_minutes": f"{cost['core_s'] / 60:.1f}",
        "threshold": f"{metrics['threshold']:g}",
        "images": len(images),
        "patients": patients.nunique(),
        "dice_mean": f"{mean.value:.4f}",
        "low": "" if mean.low is None else f"{mean.low:.4f}",
        "high": "" if mean.high is None else f"{mean.high:.4f}",
        "dice_median": f"{np.median(dices):.4f}",
    }
    _add(TABLE, COLUMNS, row, [row])
    rows = [
        {"name": name, "fold": row["fold"], "sample": sample, "patient": patient, "dice": f"{dice:.4f}"}
        for sample, patient, dice in zip(images["sample"], patients, dices, strict=True)
    ]
    _add(IMAGES, ("name", "fold", "sample", "patient", "dice"), row, rows)
    print("  ".join(f"{key} {value}" for key, value in row.items() if key != "settings"), flush=True)


def difference(name: str, rows: Sequence[Mapping[str, str]], fold: str) -> str:
    """Mean Dice of a choice minus that of the first choice of the same fold, over the same images, with its interval."""
    first = next(row["name"] for row in rows if row["fold"] == fold)
    if name == first:
        return "-"
    images = [row for row in read_csv(IMAGES) if row["fold"] == fold]
    own, other = ({row["sample"]: row for row in images if row["name"] == one} for one in (name, first))
    both = sorted(own.keys() & other.keys())
    values = np.array([float(own[sample]["dice"]) - float(other[sample]["dice"]) for sample in both])
    mean = PatientBootstrap(pd.Series([own[sample]["patient"] for sample in both])).mean(values)
    interval = "" if mean.low is None else f" ({mean.low:+.3f} to {mean.high:+.3f})"
    return f"{mean.value:+.3f}{interval}"


def _add(path: Path, columns: tuple[str, ...], key: Mapping[str, object], rows: list[dict]) -> None:
    """Adds rows in place of those of the same name and fold."""
    earlier = [dict(row) for row in read_csv(path, columns)] if path.is_file() else []
    others = [row for row in earlier if (row["name"], row["fold"]) != (key["name"], key["fold"])]
    write_csv(path, columns, [*others, *rows])
