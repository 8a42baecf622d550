"""Pools the evaluations of a data set's folds: each sample was predicted once, by a model not trained on its patient.

Reads the tables that `segmenter.evaluation` wrote for the folds' runs; needs no TensorFlow.
"""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.files import clear_folder, locked, read_csv, write_csv
from segmenter.data.originals import counts
from segmenter.evaluation.evaluator import write_evaluation
from segmenter.evaluation.formatting import counted, format_interval, format_number, rounded
from segmenter.evaluation.measuring import Row, Tables
from segmenter.evaluation.state import read_summary
from segmenter.runs import FOLDS, Run, read_state

SPLIT = "test"
# The metrics in folds.csv, and for each the metric and the average of a fold's metrics.csv that it is taken from.
FOLD_METRICS = {
    "dice_mean": ("dice", "mean"),
    "dice_median": ("dice", "median"),
    "nsd": ("nsd", "mean"),
    "hd95_px": ("hd95_px", "median"),
    "detection_rate": ("detection_rate", "mean"),
    "false_positives_per_image": ("false_positives_per_image", "mean"),
}
FOLD_COLUMNS = ("fold", "patients", "images", "epochs", "best_epoch", *FOLD_METRICS)


def pool_folds(runs: Sequence[Run], pooled: Run, *, single: bool = False) -> bool:
    """Pools the evaluations on test of the runs of fold 0, 1, ... into one, unless that was done already.

    It has the tables of an evaluation over all held-out samples, with the columns `fold` and `run` in per_image.csv (the
    masks are in that run's folder), and folds.csv with one row per fold. Its `summary.json` has the spread over the folds
    in addition to the pooled metrics, and no limits of lesion sizes, because each fold takes its own from its training.

    Args:
      single: pool the evaluations without the other image of each view, in a folder of their own.

    Returns:
      Whether there was anything to do.
    """
    folder = pooled.evaluation(SPLIT, single=single)
    folders = [run.evaluation(SPLIT, single=single) for run in runs]
    summaries = [read_summary(path) for path in folders]
    identity = {"split": SPLIT, "runs": [run.name for run in runs], "folds": [summary["identity"] for summary in summaries]}
    if read_summary(folder).get("identity") == identity:
        return False
    with locked(folder, "segmenter cv"):
        clear_folder(folder)
        _pool(runs, folders, folder, identity, summaries)
    return True


def _pool(
    runs: Sequence[Run], folders: Sequence[Path], folder: Path, identity: Mapping[str, object], summaries: Sequence[dict]
) -> None:
    folds = [_fold_row(fold, run, path) for fold, (run, path) in enumerate(zip(runs, folders, strict=True))]
    write_csv(folder / FOLDS, FOLD_COLUMNS, [rounded(row) for row in folds])
    settings = {name: summaries[0][name] for name in ("tolerance_px", "class_names", "threshold")}
    leaks = [summary["trained_on_too"] for summary in summaries]
    with_partner = [count for summary in summaries if (count := summary.get("with_partner")) is not None]
    summary = {
        "identity": identity,
        "with_partner": sum(with_partner) if len(with_partner) == len(runs) else None,
        "trained_on_too": None if None in leaks else sorted({patient for patients in leaks for patient in patients}),
        "size_cuts_px": None,
    }
    write_evaluation(folder, _pool_tables(runs, folders), summary | settings, _spread(folds))


def _pool_tables(runs: Sequence[Run], folders: Sequence[Path]) -> Tables:
    tables = Tables()
    for fold, (run, folder) in enumerate(zip(runs, folders, strict=True)):
        tables.images.extend({**row, "fold": fold, "run": run.name} for row in read_csv(folder / "per_image.csv"))
        tables.lesions.extend(map(dict, read_csv(folder / "per_lesion.csv")))
        tables.candidates.extend(map(dict, read_csv(folder / "froc.csv")))
    return tables


def _fold_row(fold: int, run: Run, folder: Path) -> Row:
    """The row of a fold in folds.csv; metrics that need lesions are None where the fold has none."""
    samples = read_csv(folder / "per_image.csv")
    images = [row for row, is_counted in zip(samples, counts([row["variant"] for row in samples]), strict=True) if is_counted]
    overall = {row["metric"]: row for row in read_csv(folder / "metrics.csv") if row["group"] == "all"}
    state = read_state(run)
    assert state is not None  # it was evaluated, so it was trained
    values = {name: _number(overall.get(metric, {}).get(average)) for name, (metric, average) in FOLD_METRICS.items()}
    return {
        "fold": fold,
        "patients": len({row["patient"] or row["image_id"] for row in images}),
        "images": len(images),
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        **values,
    }


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def _spread(folds: Sequence[Mapping[str, object]]) -> dict[str, float]:
    """Mean and sample standard deviation (n - 1) of each metric over the folds that have it."""
    spread: dict[str, float] = {}
    for name in FOLD_METRICS:
        values = [value for row in folds if isinstance(value := row[name], float)]
        if values:
            spread[f"fold_{name}_mean"] = statistics.fmean(values)
        if len(values) > 1:
            spread[f"fold_{name}_std"] = statistics.stdev(values)
    return spread


def describe(pooled: Run, *, single: bool = False) -> list[str]:
    """A cross-validation as aligned lines: one row per fold, their mean and spread, and the pooled metrics with intervals."""
    folder = pooled.evaluation(SPLIT, single=single)
    summary, folds = read_summary(folder), read_csv(folder / FOLDS)
    spread, count = summary["metrics"], summary.get("with_partner")
    lines = [[name.replace("_", " ") for name in FOLD_COLUMNS]]
    lines += [[_cell(_number(row[name])) if name in FOLD_METRICS else row[name] for name in FOLD_COLUMNS] for row in folds]
    for statistic in ("mean", "std"):
        cells = [_cell(spread.get(f"fold_{name}_{statistic}")) for name in FOLD_METRICS]
        lines.append([statistic, *[""] * (len(FOLD_COLUMNS) - len(FOLD_METRICS) - 1), *cells])
    pool = [["pooled", "images", "patients", "mean", "95 % interval", "median", "95 % interval"]]
    for row in read_csv(folder / "metrics.csv"):
        if row["group"] == "all":
            estimates = [cell for average in ("mean", "median") for cell in _estimate(row, average)]
            pool.append([row["metric"], row["images"], row["patients"], *estimates])
    images = sum(int(row["images"]) for row in folds)
    partners = [] if count is None else [f"{count} of {counted(images, 'image')} with both images of their view"]
    return [*align_columns(lines), "", *align_columns(pool), *partners]


def _cell(value: float | None) -> str:
    return format_number(value, none="")


def _estimate(row: Mapping[str, str], average: str) -> tuple[str, str]:
    value, low, high = (_number(row[f"{average}{end}"]) for end in ("", "_low", "_high"))
    return _cell(value), format_interval(low, high)


def align_columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Pads the cells of each column to one width; the first column is left-aligned, the others are right-aligned."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
