"""The choices that were compared on the validation patients of one round, one row per training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.files import read_csv, write_csv
from protocol import records
from segmenter.configuration import Configuration
from segmenter.evaluation.aggregation import owners, read_table
from segmenter.evaluation.bootstrap import PatientBootstrap

TABLE = records.FOLDER / "screening.csv"
IMAGES = records.FOLDER / "screening_images.csv"  # Dice of each image, for paired intervals
COLUMNS = (
    "name",
    "configuration",
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
    name: str, configuration: Configuration, cost: Mapping[str, float], metrics: Mapping[str, float], evaluation: Path
) -> None:
    """Adds the row of a training to screening.csv, and its images to screening_images.csv."""
    images = read_table(evaluation / "per_image.csv")
    images = images[images["dice"].notna() & (images["variant"] == "original")]
    dices, patients = images["dice"].to_numpy(float), owners(images)
    mean = PatientBootstrap(patients).mean(dices)
    row = {
        "name": name,
        "configuration": _to_json(configuration),
        "core_minutes": f"{cost['core_s'] / 60:.1f}",
        "threshold": f"{metrics['threshold']:g}",
        "images": len(images),
        "patients": patients.nunique(),
        "dice_mean": f"{mean.value:.4f}",
        "low": "" if mean.low is None else f"{mean.low:.4f}",
        "high": "" if mean.high is None else f"{mean.high:.4f}",
        "dice_median": f"{np.median(dices):.4f}",
    }
    _add(TABLE, COLUMNS, name, [row])
    rows = [
        {"name": name, "sample": sample, "patient": patient, "dice": f"{dice:.4f}"}
        for sample, patient, dice in zip(images["sample"], patients, dices, strict=True)
    ]
    _add(IMAGES, ("name", "sample", "patient", "dice"), name, rows)
    print("  ".join(f"{key} {value}" for key, value in row.items() if key != "configuration"), flush=True)


def _to_json(configuration: Configuration) -> str:
    """What differs from the defaults, and the network's name, which decides the keys of [model]."""
    values = configuration.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(values | {"model": values["model"] | {"model": configuration.model.model}}, sort_keys=True)


def settings_of(row: Mapping[str, str], reference: Configuration) -> str:
    """The settings of a choice that differ from those of another configuration."""
    own = _flatten(Configuration.model_validate(json.loads(row["configuration"])).model_dump(mode="json"))
    other = _flatten(reference.model_dump(mode="json"))
    return ", ".join(f"{key} = {own.get(key)}" for key in sorted(own.keys() | other.keys()) if own.get(key) != other.get(key))


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for key, value in values.items():
        pairs |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return pairs


def difference(name: str, first: str) -> str:
    """Mean Dice of a choice minus that of another one, over the same images, with its interval."""
    own, other = ({row["sample"]: row for row in read_csv(IMAGES) if row["name"] == one} for one in (name, first))
    both = sorted(own.keys() & other.keys())
    values = np.array([float(own[sample]["dice"]) - float(other[sample]["dice"]) for sample in both])
    mean = PatientBootstrap(pd.Series([own[sample]["patient"] for sample in both])).mean(values)
    interval = "" if mean.low is None else f" ({mean.low:+.3f} to {mean.high:+.3f})"
    return f"{mean.value:+.3f}{interval}"


def _add(path: Path, columns: tuple[str, ...], name: str, rows: list[dict]) -> None:
    """Adds rows in place of those of the same choice."""
    earlier = [dict(row) for row in read_csv(path, columns)] if path.is_file() else []
    write_csv(path, columns, [*(row for row in earlier if row["name"] != name), *rows])
