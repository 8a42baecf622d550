"""Pools the folds of each entry, and compares each with the published network on the same images."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pipeline.files import InputError, write_csv, write_text
from protocol import records
from protocol.entries import BASELINES, CURVE, ENTRIES
from protocol.folds import SCREENING_FOLD
from protocol.running import PAIR, SINGLE
from segmenter.evaluation.aggregation import owners, summarise_metrics
from segmenter.evaluation.bootstrap import Estimate, PatientBootstrap

TABLE = records.FOLDER / "leaderboard.csv"
REFERENCE = ("published", SINGLE)
# Lesion pixels of an image on the data set's grid of 512 x 512.
SIZES = {
    "under 1,500 px": (1, 1500),
    "1,500 to 4,000 px": (1500, 4000),
    "4,000 to 10,000 px": (4000, 10_000),
    "over 10,000 px": (10_000, 512**2 + 1),
}
COLUMNS = (
    *("entry", "mode", "title", "folds", "images", "patients"),
    *("dice_mean", "dice_mean_low", "dice_mean_high", "dice_median", "dice_median_low", "dice_median_high"),
    *("dice_mean_unscreened", "dice_mean_unscreened_low", "dice_mean_unscreened_high"),
    *("difference", "difference_low", "difference_high", "ceiling_share"),
    *("detection_rate", "false_positives_per_image", "core_minutes_per_fold", "multiply_accumulates", "parameters"),
    *("folds_sha256", "version"),
)
Row = dict[str, object]


def pool(entry: str, mode: str, ceiling: float | None) -> tuple[Row, dict]:
    """The row of an entry in leaderboard.csv, and all its metrics for ENTRY-MODE.json."""
    folds = records.read_folds(entry)
    _require_alike(entry, folds)
    images, lesions, candidates = records.read_tables(entry, mode)
    images = images[images["variant"] == "original"]
    tables = summarise_metrics(images, lesions, candidates)
    overall = tables.metrics[tables.metrics["group"] == "all"].set_index("metric")["mean"]
    row: Row = {"entry": entry, "mode": mode, "title": title_of(entry), "folds": images["fold"].nunique()}
    rest = _dice(images[images["fold"] != SCREENING_FOLD])
    row |= {key.replace("mean", "mean_unscreened"): value for key, value in rest.items() if "mean" in key}
    row |= _dice(images) | _difference(images, entry, mode) | _cost(entry, folds)
    row["ceiling_share"] = float(overall["dice"]) / ceiling if ceiling else None
    row |= {name: float(overall[name]) for name in ("detection_rate", "false_positives_per_image") if name in overall}
    parts = {name: images[images["truth_px"].between(low, high - 1)] for name, (low, high) in SIZES.items()}
    sizes = {name: _dice(part) | _rates(part) for name, part in parts.items()}
    whole = {name: json.loads(table.to_json(orient="records")) for name, table in vars(tables).items()}
    return row, {"row": row, "sizes_px": sizes, "folds": folds, **whole}


def _require_alike(entry: str, folds: Mapping[str, Mapping]) -> None:
    """Stops where the folds of an entry were not made alike.

    Raises:
      InputError: they have different configurations, data or folds.
    """
    for key in ("configuration_sha256", "data_identity", "folds_sha256"):
        if len(by_value := {fold.get(key): number for number, fold in folds.items()}) > 1:
            raise InputError(
                f"{records.FOLDER / entry}: folds {' and '.join(sorted(by_value.values()))} differ in {key} and cannot be "
                f"pooled; train them again with `python benchmarks/quality.py run DATASET --entry {entry} --restart`"
            )


def title_of(entry: str) -> str:
    """What an entry is, for the table."""
    if entry in ENTRIES:
        return ENTRIES[entry].title
    return BASELINES.get(entry) or next((fold["title"] for fold in records.read_folds(entry).values() if "title" in fold), entry)


def _dice(images: pd.DataFrame) -> Row:
    """Mean and median Dice of the images with a lesion, with intervals by patient."""
    images = images[images["dice"].notna()]
    row: Row = {"images": len(images), "patients": owners(images).nunique()}
    if images.empty:
        return row
    bootstrap, dices = PatientBootstrap(owners(images)), images["dice"].to_numpy(float)
    for name, estimate in {"dice_mean": bootstrap.mean(dices), "dice_median": bootstrap.median(dices)}.items():
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return row


def _rates(images: pd.DataFrame) -> Row:
    """The share of the lesions of images that is found, with its interval by patient, and false positives per image."""
    if images.empty:
        return {}
    found = PatientBootstrap(owners(images)).ratio(images["detected"].to_numpy(), images["lesions"].to_numpy())
    row: Row = {"detection_rate": found.value, "detection_rate_low": found.low, "detection_rate_high": found.high}
    return row | {"false_positives_per_image": float(images["false_positives"].mean())}


def _cost(entry: str, folds: Mapping[str, Mapping]) -> Row:
    """What the folds cost on average, and what they have in common; a cost that is not known is None."""
    costs = [fold["core_s"] / 60 for fold in folds.values() if "core_s" in fold] or [0.0] * (entry in BASELINES)
    common = next(iter(folds.values()), {})
    row: Row = {name: common.get(name) for name in ("multiply_accumulates", "parameters", "folds_sha256", "version")}
    return row | {"core_minutes_per_fold": float(np.mean(costs)) if costs else None}


def _difference(images: pd.DataFrame, entry: str, mode: str) -> Row:
    """Mean Dice minus that of the published network."""
    if (entry, mode) == REFERENCE or REFERENCE not in entries_with_results():
        return {}
    estimate = compare(images, records.read_originals(*REFERENCE))
    if estimate is None:
        return {}
    return {"difference": estimate.value, "difference_low": estimate.low, "difference_high": estimate.high}


def compare(images: pd.DataFrame, reference: pd.DataFrame) -> Estimate | None:
    """Mean Dice minus that of a reference, over the images that both have, drawing patients; None where they share none.

    Args:
      images, reference: as `records.read_originals` returns them.

    Raises:
      InputError: they were tested against different masks.
    """
    both = images[images["sample"].isin(reference["sample"])].set_index("sample")
    if both.empty:
        return None
    others = reference.set_index("sample").loc[both.index]
    if len(different := both.index[both["truth_px"] != others["truth_px"]]):
        pixels = " and ".join(f"{table.loc[different[0], 'truth_px']}" for table in (both, others))
        raise InputError(
            f"{records.FOLDER}: the annotated lesions of {len(different)} of {len(both)} images differ between two entries, such "
            f"as {different[0]} with {pixels} px; run both on one data set"
        )
    return PatientBootstrap(owners(both)).mean((both["dice"] - others["dice"]).to_numpy(float))


def entries_with_results() -> list[tuple[str, str]]:
    """Each entry and mode that has results, in the order of the table: those of other programs follow the package's networks."""
    known = (*ENTRIES, *BASELINES)
    others = sorted(path.parent.name for path in records.FOLDER.glob("*/folds.json") if path.parent.name not in known)
    return [
        (entry, mode)
        for entry in (*ENTRIES, *others, *BASELINES)
        for mode in (PAIR, SINGLE)
        if (records.FOLDER / entry / mode / "per_image.csv").is_file()
    ]


def first_trained(rows: Sequence[Row]) -> Row | None:
    """The first row of a network of the package with all training patients; None where there is none."""
    return next((row for row in rows if row["entry"] in ENTRIES and row["entry"] not in CURVE), None)


def write_leaderboard(ceiling: float | None) -> list[Row]:
    """Writes leaderboard.csv and one JSON file per entry, from the tables of the folds."""
    rows = []
    for entry, mode in entries_with_results():
        row, whole = pool(entry, mode, ceiling)
        rows.append(row)
        write_text(records.FOLDER / f"{entry}-{mode}.json", json.dumps(whole, indent=1, allow_nan=False) + "\n")
    write_csv(TABLE, COLUMNS, [{key: _shorten(row.get(key)) for key in COLUMNS} for row in rows])
    return rows


def _shorten(value: object) -> object:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else value
