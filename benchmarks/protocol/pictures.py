"""The pictures of docs/results.md: charts of its tables, and outlines without image data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.geometry import find_breast
from pipeline.page import GROUND_TRUTH_COLOR, PREDICTION_COLOR, SERIES
from protocol import records
from protocol.curve import Point
from protocol.folds import COUNT
from protocol.leaderboard import first_trained
from protocol.running import PAIR, SINGLE, evaluation_of, run_name
from segmenter.data.dataset import DataSet
from segmenter.data.ground_truth import read_gray
from segmenter.evaluation.extremes import mask_file
from segmenter.runs import open_run

DOCS = Path(__file__).parents[2] / "docs"
CHARTS, OUTLINES, CURVE = (DOCS / f"results{part}.png" for part in ("", "-outlines", "-curve"))
_MODE_COLORS = {PAIR: SERIES[0], SINGLE: SERIES[1]}
_MODE_NAMES = {PAIR: "pair", SINGLE: "one image"}
_INK = "0.55"


def draw_charts(rows: Sequence[dict[str, Any]]) -> None:
    """Draws the mean Dice of each entry, and Dice by lesion size of the first trained one."""
    figure = Figure(figsize=(12, 0.32 * len(rows) + 2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.2, 1))
    _draw_entries(left, rows)
    if trained := first_trained(rows):
        _draw_sizes(right, str(trained["entry"]), str(trained["mode"]))
    else:
        right.set_axis_off()
    _save(figure, CHARTS)


def _draw_entries(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    for number, row in enumerate(rows):
        color = _MODE_COLORS[str(row["mode"])]
        _draw_interval(ax, (row.get("dice_mean_low"), row.get("dice_mean_high")), (number,) * 2, color)
        ax.plot(row["dice_mean"], number, "o", **_marker(color, row["folds"]))
    ax.set_yticks(range(len(rows)), [_label(row) for row in rows])
    ax.invert_yaxis()
    ax.set(xlabel="mean Dice of test images, 95 % interval by patient", title="Networks")


def _draw_interval(ax: Any, x: Sequence[float | None], y: Sequence[float | None], color: str) -> None:
    if None not in (*x, *y):
        ax.plot(x, y, color=color, linewidth=2)


def _marker(color: str, folds: int) -> dict[str, Any]:
    """A hollow one where folds are missing: they differ by up to 0.1, so a mean of some may be above that of a better network."""
    return {"color": color, "markerfacecolor": color if folds == COUNT else "white", "markersize": 7}


def _label(row: dict[str, Any]) -> str:
    part = "" if row["folds"] == COUNT else f", {row['folds']} of {COUNT} folds"
    return f"{row['entry']}, {_MODE_NAMES[str(row['mode'])]}{part}"


def _draw_sizes(ax: Any, entry: str, mode: str) -> None:
    """Dice of each test image by its lesion pixels, and the mean of each tenth of the images."""
    images = records.read_originals(entry, mode).dropna(subset="dice").sort_values("truth_px")
    ax.plot(images["truth_px"], images["dice"], "o", color=SERIES[0], markersize=3, alpha=0.5)
    tenths = [images.iloc[part] for part in np.array_split(np.arange(len(images)), 10) if len(part)]
    ax.plot(
        [tenth["truth_px"].median() for tenth in tenths],
        [tenth["dice"].mean() for tenth in tenths],
        "o-",
        color=SERIES[1],
        label="mean of each tenth",
    )
    ax.set_xscale("log")
    ticks = [tick for tick in (300, 1000, 3000, 10_000, 30_000, 100_000) if tick <= images["truth_px"].max()]
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.minorticks_off()
    ax.legend(frameon=False, loc="lower right")
    ax.set(
        xlabel="lesion pixels of the image, of 512 × 512",
        ylabel="Dice",
        title=f"{entry}, {_MODE_NAMES[mode]}",
        ylim=(-0.02, 1.02),
    )


def draw_curve(points: Sequence[Point]) -> None:
    """Draws the mean Dice against the number of training patients, one line for each input."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    ax = figure.subplots()
    for (mode, color), aside in zip(_MODE_COLORS.items(), (1, 1.03), strict=True):  # so that no interval hides another
        shown = [point for point in points if point.mode == mode]
        places = [aside * point.patients for point in shown]
        ax.plot(places, [point.dice.value for point in shown], color=color, label=_MODE_NAMES[mode])
        for place, point in zip(places, shown, strict=True):
            _draw_interval(ax, (place, place), (point.dice.low, point.dice.high), color)
            ax.plot(place, point.dice.value, "o", **_marker(color, point.folds))
    ticks = sorted({round(point.patients) for point in points})
    ax.set_xscale("log")
    ax.set_xticks(ticks, list(map(str, ticks)))
    ax.minorticks_off()
    figure.legend(frameon=False, loc="outside upper center", ncols=len(_MODE_COLORS))
    ax.set(xlabel="training patients of a round", ylabel="mean Dice, 95 % interval by patient")
    _save(figure, CURVE)


def draw_outlines(data: DataSet, entry: str, mode: str, columns: int = 6, rows: int = 2) -> None:
    """Draws test images as contours: breast, annotated lesions, prediction; from the worst Dice to the best in equal steps.

    Args:
      data: of the benchmark, with the runs of the entry, whose evaluations hold the predicted masks.
    """
    images = records.read_originals(entry, mode).dropna(subset="dice").sort_values("dice", kind="stable")
    shown = images.iloc[np.linspace(0, len(images) - 1, columns * rows).round().astype(int)]
    figure = Figure(figsize=(1.9 * columns, 2.2 * rows), layout="constrained")
    axes = np.ravel(figure.subplots(rows, columns))
    for ax, (_, image) in zip(axes, shown.iterrows(), strict=True):
        _draw_outline(ax, data, entry, mode, image)
    for color, name in (GROUND_TRUTH_COLOR, "annotated"), (PREDICTION_COLOR, "predicted"):
        axes[0].plot([], [], color=color, label=name)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    _save(figure, OUTLINES)


def _draw_outline(ax: Any, data: DataSet, entry: str, mode: str, image: pd.Series) -> None:
    view = data.in_fold(int(image["fold"]))
    (sample,) = [sample for sample in view.split("test") if sample.name == image["sample"]]
    evaluation = evaluation_of(open_run(data.folder, run_name(entry, view.fold)), "test", mode)
    breast, mask = find_breast(read_gray(sample.image)), read_gray(sample.mask) > 127
    predicted = read_gray(mask_file(evaluation, sample)) > 127
    # Of the breast the outer contour alone: dark specks in it are noise of the threshold.
    for drawn, which, color in (
        (breast.mask, cv2.RETR_EXTERNAL, _INK),
        (mask, cv2.RETR_CCOMP, GROUND_TRUTH_COLOR),
        (predicted, cv2.RETR_CCOMP, PREDICTION_COLOR),
    ):
        for contour in cv2.findContours(drawn.astype(np.uint8), which, cv2.CHAIN_APPROX_NONE)[0]:
            ax.fill(*contour[:, 0].T, fill=False, edgecolor=color, linewidth=1.2)
    left, top, right, bottom = breast.box
    ax.set(xlim=(left - 5, right + 5), ylim=(bottom + 5, top - 5), aspect="equal")
    ax.set_axis_off()
    ax.set_title(f"Dice {image['dice']:.2f}", fontsize=9)


def _save(figure: Figure, path: Path) -> None:
    for ax in figure.axes:
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    print(f"{path}: drawn", flush=True)
