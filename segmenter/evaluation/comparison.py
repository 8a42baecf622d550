"""Sets runs against each other on the same images: differences of figures, with intervals by patient."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.files import InputError, replacing, write_text
from segmenter.evaluation.aggregation import originals, owners, read_table
from segmenter.evaluation.bootstrap import Estimate, PatientBootstrap
from segmenter.evaluation.state import read_summary
from segmenter.runs import RUNS, Run

COLUMNS = [
    *("reference", "run", "metric", "statistic", "images", "patients", "reference_value", "run_value"),
    *("difference", "low", "high", "verdict", "images_better", "images_worse", "images_equal"),
]
BETTER, WORSE, OPEN = "better", "worse", "open"
HOW_TO_READ = """\
Each difference is the run's figure less the reference's, over the images where both have one; its 95 % interval comes from
drawing patients, the same for both. better or worse: the interval leaves 0 out. open: it does not, so other patients could
turn the sign. Of many figures some leave 0 out by chance: choose beforehand which one counts."""
FEW_WORDS = """\
Few patients, down to {patients}: intervals are too narrow, and verdicts come too easily; under {least} patients none is
given. A cross-validation (`cesm-segmenter cv`) tests on all patients."""
_BY_IMAGE = ("dice", "nsd", "hd95_px", "sensitivity", "precision")
_RATES = {"detection_rate": ("detected", "lesions"), "false_positives_per_image": ("false_positives", "one")}
_LOWER_IS_BETTER = ("hd95_px", "false_positives_per_image")
_WANTED = {"sample", "image_id", "patient", "variant", "truth_px", "lesions", "detected", "false_positives", *_BY_IMAGE}
# The panels of the chart: metrics that share a unit.
_PANELS = {
    "share, 0 to 1": ("dice", "nsd", "sensitivity", "precision", "detection_rate"),
    "pixels": ("hd95_px",),
    "a mean image": ("false_positives_per_image",),
}
_TRUTH = ["sample", "area_px", "centre_x", "centre_y"]
FEWEST_PATIENTS, FEW_PATIENTS = 6, 30  # below the first no verdict is given, below the second a warning
Row = dict[str, Any]


@dataclass(frozen=True)
class Evaluated:
    """A run's evaluation of a split; `images` is per_image.csv over originals, by sample, `lesions` what was annotated."""

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
    """Reads what the evaluation of a run left.

    Args:
      folder: of the run or of a cross-validation, DATASET/runs/NAME.

    Raises:
      InputError: there is no such run, or its evaluation is not there, unfinished, or of an earlier version.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such run; give the folder of a run, DATASET/{RUNS}/NAME")
    run = Run(folder)
    place = run.evaluation(split)
    remedy = f"make it with `cesm-segmenter evaluate {folder.parent.parent} --name {run.name} --split {split}`"
    if not (summary := read_summary(place)):
        raise InputError(f"{place}: holds no finished evaluation; {remedy}")
    images = read_table(place / "per_image.csv")
    if missing := sorted(_WANTED - set(images.columns)):
        raise InputError(f"{place / 'per_image.csv'}: lacks {', '.join(missing)}, as earlier versions wrote it; {remedy}")
    images = originals(images).assign(one=1).set_index("sample")
    lesions = read_table(place / "per_lesion.csv")[_TRUTH].sort_values(_TRUTH, ignore_index=True)
    return Evaluated(run, split, images, lesions[lesions["sample"].isin(images.index)], summary)


def compare_runs(runs: Sequence[Evaluated]) -> pd.DataFrame:
    """The differences (COLUMNS) of each run from the first, a row a figure that both have.

    Raises:
      InputError: runs were tested on other images, or against another truth, or with another tolerance.
    """
    reference, *others = runs
    for run in others:
        _require_same_images(reference, run)
    table = pd.DataFrame([row for run in others for row in _difference_rows(reference, run)], columns=COLUMNS)
    counts = [name for name in COLUMNS if name.startswith("images_")]
    return table.astype({"low": float, "high": float} | dict.fromkeys(counts, "Int64"))


def _require_same_images(first: Evaluated, second: Evaluated) -> None:
    both = f"{second.name} cannot be compared with {first.name}"
    remedy = "compare runs that were evaluated on the same split of the same data set"
    known, found = set(first.images.index), set(second.images.index)
    if lone := sorted(known ^ found):
        counted = f"their evaluations of {first.split} hold {len(found)} and {len(known)} images"
        raise InputError(f"{both}: {counted}, {len(lone)} of them only one of the two, such as {lone[0]}; {remedy}")
    differs = pd.concat([first.lesions, second.lesions]).drop_duplicates(keep=False)["sample"]
    if len(differs):
        sample = differs.iloc[0]
        areas = f"{second.images.loc[sample, 'truth_px']} and {first.images.loc[sample, 'truth_px']} px of lesion"
        counted = f"the annotated lesions of {differs.nunique()} of {len(known)} images differ"
        raise InputError(f"{both}: {counted}, such as {sample} with {areas}; {remedy}, with the same [mask]")
    tolerances = [run.summary.get("tolerance_px") for run in (second, first)]
    if tolerances[0] != tolerances[1]:
        counted = f"[eval] nsd_tolerance_px was {tolerances[0]} and {tolerances[1]}"
        raise InputError(f"{both}: {counted}; evaluate both with the same tolerance")


def _difference_rows(reference: Evaluated, run: Evaluated) -> Iterator[Row]:
    first, second = reference.images, run.images.loc[reference.images.index]
    bootstrap, of = PatientBootstrap(owners(first)), owners(first)
    named = {"reference": reference.name, "run": run.name}

    def row(metric: str, statistic: str, counts: np.ndarray, values: tuple[float, float], difference: Estimate) -> Row:
        found: Row = {"metric": metric, "statistic": statistic, "images": int(counts.sum()), "patients": of[counts].nunique()}
        found |= {"reference_value": values[0], "run_value": values[1]}
        found |= {"difference": difference.value, "low": difference.low, "high": difference.high}
        return named | found | {"verdict": _verdict(difference, metric, found["patients"])}

    for metric in _BY_IMAGE:
        before, after = (images[metric].to_numpy(float) for images in (first, second))
        if not (both := ~np.isnan(before) & ~np.isnan(after)).any():
            continue
        pair = before[both], after[both]
        counted = _count_images(pair[1] - pair[0], metric)
        yield row(metric, "mean", both, _of_both(np.mean, pair), bootstrap.mean(after - before)) | counted
        difference = bootstrap.median_difference(after, before)
        yield row(metric, "median", both, _of_both(np.median, pair), difference) | counted
    for metric, (above, below) in _RATES.items():
        if (counts := (weights := first[below].to_numpy(float)) > 0).any():
            rates = first[above].sum() / weights.sum(), second[above].sum() / weights.sum()
            change = (second[above] - first[above]).to_numpy(float)
            yield row(metric, "rate", counts, rates, bootstrap.ratio(change, weights))


def _of_both(average: Callable[[np.ndarray], Any], pair: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    return float(average(pair[0])), float(average(pair[1]))


def _count_images(differences: np.ndarray, metric: str) -> Row:
    gains = -differences if metric in _LOWER_IS_BETTER else differences
    counts = {"better": gains > 0, "worse": gains < 0, "equal": gains == 0}
    return {f"images_{name}": int(found.sum()) for name, found in counts.items()}


def _verdict(difference: Estimate, metric: str, patients: int) -> str:
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return OPEN
    if patients < FEWEST_PATIENTS:  # their interval leaves 0 out in every fourth comparison of equals
        return OPEN
    return BETTER if (difference.low > 0) != (metric in _LOWER_IS_BETTER) else WORSE


def describe(table: pd.DataFrame) -> list[str]:
    """The comparison in aligned lines, with words on how to read it."""
    lines: list[str] = []
    for (reference, run), rows in table.groupby(["reference", "run"], sort=False):
        lines += [f"{run}", f"  against {reference}"]
        lines.append(f"  {'':<32}{'images':>7}{'patients':>9}{'reference':>11}{'run':>10}{'difference':>12}  95 % interval")
        lines += [_line(row) for _, row in rows.iterrows()]
        for _, row in rows[(rows["metric"] == "dice") & (rows["statistic"] == "mean")].iterrows():
            counts = [f"{row[f'images_{name}']} {name}" for name in ("better", "worse", "equal")]
            lines.append(f"  images by Dice: {', '.join(counts)}")
        lines.append("")
    if (fewest := table["patients"].min()) < FEW_PATIENTS:
        lines += FEW_WORDS.format(patients=fewest, least=FEWEST_PATIENTS).splitlines()
    return [*lines, *HOW_TO_READ.splitlines()]


def _line(row: pd.Series) -> str:
    name = row["metric"] if row["statistic"] == "rate" else f"{row['metric']}, {row['statistic']}"
    interval = "none: one patient" if np.isnan(row["low"]) else f"{row['low']:+.3f} to {row['high']:+.3f}  {row['verdict']}"
    figures = f"{row['reference_value']:>11.3f}{row['run_value']:>10.3f}{row['difference']:>+12.3f}"
    return f"  {name:<32}{row['images']:>7}{row['patients']:>9}{figures}  {interval}"


def write_comparison(folder: Path, table: pd.DataFrame) -> None:
    """Writes comparison.csv and comparison.png."""
    write_text(folder / "comparison.csv", table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    draw_comparison(folder / "comparison.png", table)


def draw_comparison(path: Path, table: pd.DataFrame) -> None:
    """Draws each difference and its interval, a panel for metrics of one unit, a colour for each run."""
    # The object interface, which looks for no display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = {unit: rows for unit, names in _PANELS.items() if len(rows := table[table["metric"].isin(names)])}
    labels = {unit: list(dict.fromkeys(zip(rows["metric"], rows["statistic"], strict=True))) for unit, rows in panels.items()}
    runs = list(dict.fromkeys(table["run"]))
    figure = Figure(figsize=(9, 1.2 + len(panels) + 0.3 * len(runs) * sum(map(len, labels.values()))), layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(panels), 1, height_ratios=[len(names) + 1 for names in labels.values()]))
    for axis, (unit, rows) in zip(axes, panels.items(), strict=True):
        for number, run in enumerate(runs):
            own = rows[rows["run"] == run]
            shift = 0.6 * ((number + 0.5) / len(runs) - 0.5)
            heights = [labels[unit].index(name) + shift for name in zip(own["metric"], own["statistic"], strict=True)]
            axis.hlines(heights, own["low"], own["high"], color=f"C{number}")
            axis.plot(own["difference"], heights, "o", color=f"C{number}", markersize=5, label=run)
        names = [metric if statistic == "rate" else f"{metric}, {statistic}" for metric, statistic in labels[unit]]
        lower = rows["metric"].isin(_LOWER_IS_BETTER).all()
        axis.set_yticks(range(len(names)), names)
        axis.set(ylim=(len(names) - 0.4, -0.6), xlabel=f"difference, {unit}; {'left' if lower else 'right'} of 0 is better")
        axis.axvline(0, color="0.6", linewidth=1)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_title(f"against {table['reference'].iloc[0]}; bars are 95 % intervals by patient", fontsize="medium")
    axes[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1.15), frameon=False)
    with replacing(path) as beside:
        FigureCanvasAgg(figure).print_png(beside)
