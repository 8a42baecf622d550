"""Compares runs on the same images: differences of metrics, with intervals by patient.

Only the primary metric, chosen before looking, gets a verdict. Among a dozen rows one excludes 0 by chance in every fourth
comparison of equal runs (benchmarks/coverage.py), so the others are exploratory. Where several runs are compared with the
reference, the verdicts share the 5 % of false ones among them (Bonferroni).
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.files import InputError, write_buffered, write_text
from pipeline.page import new_figure
from segmenter.data.originals import original_rows
from segmenter.evaluation.aggregation import owners, read_table
from segmenter.evaluation.bootstrap import CONFIDENCE, Estimate, PatientBootstrap
from segmenter.evaluation.formatting import format_interval
from segmenter.evaluation.metrics import IMAGE_METRICS, RATES, metric_of
from segmenter.evaluation.state import read_summary
from segmenter.runs import RUNS, Run

COLUMNS = [
    *("reference", "run", "metric", "statistic", "images", "patients", "reference_value", "run_value"),
    *("difference", "low", "high", "verdict", "images_better", "images_worse", "images_equal", "role"),
]
BETTER, WORSE, OPEN, EXPLORATORY = "better", "worse", "open", "exploratory"
HOW_TO_READ = """\
Each difference is the run's value minus the reference's, over the images where both have one; its 95 % interval comes from
drawing patients, the same for both. The verdict is by {primary} alone. better, worse: the interval excludes 0. open: it does
not, so other patients could reverse the sign. exploratory: no verdict, because among many metrics some intervals exclude 0 by
chance; to have a verdict by another metric, choose it before you look (`--primary`)."""
SEVERAL_RUNS = """\
{count} runs are compared with the reference, so verdicts take an interval of {confidence:.1f} % instead of 95 %."""
FEW_PATIENTS_WARNING = """\
Few patients ({patients} for some metrics): intervals are wide, and hold the true value less often than 95 %; with fewer than
{least} patients there is no verdict. A cross-validation (`cesm-segmenter cv`) tests on all patients."""
_REQUIRED = {"sample", "image_id", "patient", "variant", "truth_px", "lesions"}
_GROUND_TRUTH = ["sample", "area_px", "centre_x", "centre_y"]
FEWEST_PATIENTS, FEW_PATIENTS = 6, 30  # with fewer than the first there is no verdict, with fewer than the second a warning
Row = dict[str, Any]
Difference = Callable[[PatientBootstrap], Estimate]


@dataclass(frozen=True)
class Evaluated:
    """A run's evaluation on a split; `images` has the originals of per_image.csv, by sample, `lesions` the annotated lesions."""

    run: Run
    split: str
    images: pd.DataFrame
    lesions: pd.DataFrame
    summary: dict

    @property
    def name(self) -> str:
        """The run's folder as it was given."""
        return self.run.folder.as_posix()


def read_evaluated(folder: Path, split: str) -> Evaluated:
    """Reads the evaluation of a run.

    Args:
      folder: the folder of the run or of a cross-validation, DATASET/runs/NAME; or that of one of its evaluations, such as
        DATASET/runs/NAME/evaluation/test_single.

    Raises:
      InputError: there is no such run, or its evaluation is missing, unfinished, or from an earlier version.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such run; give the folder of a run, DATASET/{RUNS}/NAME")
    run = Run(folder)
    evaluation = folder if folder.parent.name == "evaluation" else run.evaluation(split)
    remedy = f"make it with `cesm-segmenter evaluate {folder.parent.parent} --name {run.name} --split {split}`"
    if not (summary := read_summary(evaluation)):
        raise InputError(f"{evaluation}: holds no finished evaluation; {remedy}")
    images = read_table(evaluation / "per_image.csv")
    if missing := sorted(_required_columns() - set(images.columns)):
        raise InputError(
            f"{evaluation / 'per_image.csv'}: lacks {', '.join(missing)}, because an earlier version wrote it; {remedy}"
        )
    images = original_rows(images).assign(one=1).set_index("sample")
    lesions = read_table(evaluation / "per_lesion.csv")[_GROUND_TRUTH].sort_values(_GROUND_TRUTH, ignore_index=True)
    return Evaluated(run, split, images, lesions[lesions["sample"].isin(images.index)], summary)


def compare_runs(runs: Sequence[Evaluated], primary: str = "dice") -> pd.DataFrame:
    """The differences (COLUMNS) of each run from the first, one row per metric that both have.

    Args:
      runs: the reference and one or more others.
      primary: one of `primary_metrics`, the row that gets a verdict.

    Raises:
      InputError: runs were tested on other images, or against another ground truth, or with another tolerance.
    """
    reference, *others = runs
    for run in others:
        _require_same_images(reference, run)
    confidence = _confidence(len(others))
    rows = [row for run in others for row in _difference_rows(reference, run, primary, confidence)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    counts = [name for name in COLUMNS if name.startswith("images_")]
    return table.astype({"low": float, "high": float} | dict.fromkeys(counts, "Int64"))


def primary_metrics() -> list[str]:
    """The names of the rows that can get the verdict: `dice` is the mean over images, `dice-median` the median."""
    return [name for metric in _image_metrics() for name in (metric, f"{metric}-median")] + list(_rates())


def _row_name(metric: str, statistic: str) -> str:
    return f"{metric}-median" if statistic == "median" else metric


def _confidence(runs: int) -> float:
    """The confidence of the intervals of which so many verdicts are taken."""
    return 1 - (1 - CONFIDENCE) / runs


def _image_metrics() -> list[str]:
    return [name for name, metric in IMAGE_METRICS.items() if metric.compared]


def _rates() -> dict[str, tuple[str, str]]:
    return {name: (rate.above, rate.below) for name, rate in RATES.items() if rate.compared}


def _required_columns() -> set[str]:
    return _REQUIRED | set(_image_metrics()) | {above for above, _ in _rates().values()}


def _require_same_images(first: Evaluated, second: Evaluated) -> None:
    failure = f"{second.name} cannot be compared with {first.name}"
    remedy = "compare runs that were evaluated on the same split of the same data set"
    names, other_names = set(first.images.index), set(second.images.index)
    if unpaired := sorted(names ^ other_names):
        reason = f"their evaluations of {first.split} hold {len(other_names)} and {len(names)} images"
        raise InputError(f"{failure}: {reason}, with {len(unpaired)} in only one of them, such as {unpaired[0]}; {remedy}")
    differences = pd.concat([first.lesions, second.lesions]).drop_duplicates(keep=False)["sample"]
    if len(differences):
        sample = differences.iloc[0]
        areas = f"{second.images.loc[sample, 'truth_px']} and {first.images.loc[sample, 'truth_px']} px of lesion"
        reason = f"the annotated lesions of {differences.nunique()} of {len(names)} images differ"
        raise InputError(f"{failure}: {reason}, such as {sample} with {areas}; {remedy}, with the same [mask]")
    tolerances = [run.summary.get("tolerance_px") for run in (second, first)]
    if tolerances[0] != tolerances[1]:
        reason = f"[eval] nsd_tolerance_px was {tolerances[0]} and {tolerances[1]}"
        raise InputError(f"{failure}: {reason}; evaluate both with the same tolerance")


def _difference_rows(reference: Evaluated, run: Evaluated, primary: str, confidence: float) -> Iterator[Row]:
    first, second = reference.images, run.images.loc[reference.images.index]
    owner = owners(first)
    bootstrap, strict = PatientBootstrap(owner), PatientBootstrap(owner, confidence=confidence)
    names = {"reference": reference.name, "run": run.name}

    def make_row(metric: str, statistic: str, counts: np.ndarray, values: tuple[float, float], difference: Difference) -> Row:
        patients, estimate = owner[counts].nunique(), difference(bootstrap)
        is_primary = _row_name(metric, statistic) == primary
        row: Row = {"metric": metric, "statistic": statistic, "images": int(counts.sum()), "patients": patients}
        row |= {"reference_value": values[0], "run_value": values[1]}
        row |= {"difference": estimate.value, "low": estimate.low, "high": estimate.high}
        row |= {"verdict": _verdict(difference(strict), metric, patients) if is_primary else EXPLORATORY}
        return names | row | {"role": "primary" if is_primary else EXPLORATORY}

    for metric in _image_metrics():
        before, after = (images[metric].to_numpy(float) for images in (first, second))
        if not (both := ~np.isnan(before) & ~np.isnan(after)).any():
            continue
        pair = before[both], after[both]
        image_counts = _count_images(pair[1] - pair[0], metric)
        difference = methodcaller("mean", after - before)
        yield make_row(metric, "mean", both, _average_both(np.mean, pair), difference) | image_counts
        difference = methodcaller("median_difference", after, before)
        yield make_row(metric, "median", both, _average_both(np.median, pair), difference) | image_counts
    for metric, (above, below) in _rates().items():
        if (counts := (weights := first[below].to_numpy(float)) > 0).any():
            rates = first[above].sum() / weights.sum(), second[above].sum() / weights.sum()
            change = (second[above] - first[above]).to_numpy(float)
            yield make_row(metric, "rate", counts, rates, methodcaller("ratio", change, weights))


def _average_both(average: Callable[[np.ndarray], Any], pair: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    return float(average(pair[0])), float(average(pair[1]))


def _count_images(differences: np.ndarray, metric: str) -> Row:
    gains = -differences if metric_of(metric).lower_is_better else differences
    groups = {"better": gains > 0, "worse": gains < 0, "equal": gains == 0}
    return {f"images_{name}": int(images.sum()) for name, images in groups.items()}


def _verdict(difference: Estimate, metric: str, patients: int) -> str:
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return OPEN
    if patients < FEWEST_PATIENTS:  # their interval excludes 0 in every fourth comparison of equal runs
        return OPEN
    return BETTER if (difference.low > 0) != metric_of(metric).lower_is_better else WORSE


def describe(table: pd.DataFrame) -> list[str]:
    """The comparison as aligned lines, followed by how to read it."""
    lines: list[str] = []
    for (reference, run), rows in table.groupby(["reference", "run"], sort=False):
        lines += [f"{run}", f"  against {reference}"]
        lines.append(f"  {'':<32}{'images':>7}{'patients':>9}{'reference':>11}{'run':>10}{'difference':>12}  95 % interval")
        # The primary metric first: it is the one with a verdict.
        lines += [_line(row) for _, row in rows.sort_values("role", ascending=False, kind="stable").iterrows()]
        for _, row in rows[(rows["metric"] == "dice") & (rows["statistic"] == "mean")].iterrows():
            counts = [f"{row[f'images_{name}']} {name}" for name in ("better", "worse", "equal")]
            lines.append(f"  images by Dice: {', '.join(counts)}")
        lines.append("")
    if (fewest := table["patients"].min()) < FEW_PATIENTS:
        lines += FEW_PATIENTS_WARNING.format(patients=fewest, least=FEWEST_PATIENTS).splitlines()
    if (runs := table["run"].nunique()) > 1:
        lines += SEVERAL_RUNS.format(count=runs, confidence=100 * _confidence(runs)).splitlines()
    primary = [_label(row) for _, row in table[table["role"] == "primary"].head(1).iterrows()]
    return [*lines, *HOW_TO_READ.format(primary=primary[0] if primary else "a metric that no image has").splitlines()]


def _label(row: pd.Series) -> str:
    return row["metric"] if row["statistic"] == "rate" else f"{row['metric']}, {row['statistic']}"


def _line(row: pd.Series) -> str:
    name = _label(row)
    interval = format_interval(row["low"], row["high"], signed=True)
    ending = f"{interval}  {row['verdict']}" if interval else "none: one patient"
    values = f"{row['reference_value']:>11.3f}{row['run_value']:>10.3f}{row['difference']:>+12.3f}"
    return f"  {name:<32}{row['images']:>7}{row['patients']:>9}{values}  {ending}"


def write_comparison(folder: Path, table: pd.DataFrame) -> None:
    """Writes comparison.csv and comparison.png."""
    write_text(folder / "comparison.csv", table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    draw_comparison(folder / "comparison.png", table)


def draw_comparison(path: Path, table: pd.DataFrame) -> None:
    """Draws each difference and its interval, one panel per unit, one color per run."""
    units = table["metric"].map(lambda name: metric_of(name).unit)
    panels = {unit: table[units == unit] for unit in dict.fromkeys(units)}
    labels = {unit: list(dict.fromkeys(zip(rows["metric"], rows["statistic"], strict=True))) for unit, rows in panels.items()}
    runs = list(dict.fromkeys(table["run"]))
    height = 1.2 + len(panels) + 0.3 * len(runs) * sum(map(len, labels.values()))
    figure, axes = new_figure(9, height, len(panels), 1, height_ratios=[len(names) + 1 for names in labels.values()])
    for axis, (unit, rows) in zip(axes, panels.items(), strict=True):
        for number, run in enumerate(runs):
            own = rows[rows["run"] == run]
            shift = 0.6 * ((number + 0.5) / len(runs) - 0.5)
            heights = [labels[unit].index(name) + shift for name in zip(own["metric"], own["statistic"], strict=True)]
            axis.hlines(heights, own["low"], own["high"], color=f"C{number}")
            axis.plot(own["difference"], heights, "o", color=f"C{number}", markersize=5, label=run)
        names = [metric if statistic == "rate" else f"{metric}, {statistic}" for metric, statistic in labels[unit]]
        lower = all(metric_of(name).lower_is_better for name in rows["metric"])
        axis.set_yticks(range(len(names)), names)
        axis.set(ylim=(len(names) - 0.4, -0.6), xlabel=f"difference, {unit}; {'left' if lower else 'right'} of 0 is better")
        axis.axvline(0, color="0.6", linewidth=1)
    axes[0].set_title(f"against {table['reference'].iloc[0]}; bars are 95 % intervals by patient", fontsize="medium")
    axes[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1.15), frameon=False)
    write_buffered(path, functools.partial(figure.savefig, format=path.suffix[1:]))
