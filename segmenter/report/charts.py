"""The charts of a report. Each comes with words that tell those who do not see it what it shows."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.page import SERIES, chart, new_figure, set_log_axis
from segmenter.report.labels import CRITERIA, GROUP_NAMES, KINDS, counted, interval, told

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup

_INK = "#000000"  # `chart` turns black into the colour of the page's text
_MARKERS, _DASHES = ("o", "s", "^", "D"), ("-", "--", "-.", ":")
_QUIET = "0.55"  # gray that is seen on white and on black
_GRID = {"color": _QUIET, "alpha": 0.25, "linewidth": 0.8}
_PANELS = 3  # side by side
_FEWEST = 0.125  # false positives an image; below it a curve's axis is linear


def training_chart(history: Sequence[Mapping[str, float]], best_epoch: int | None) -> "Markup":
    """Loss and metrics of training and validation over the epochs.

    Args:
      history: a row an epoch with `epoch`, and for each figure its name and `val_` before it.
    """
    names = [name for name in history[0] if f"val_{name}" in history[0]]
    columns = min(_PANELS, len(names))
    rows = math.ceil(len(names) / columns)
    figure, axes = new_figure(3.1 * columns, 2.5 * rows + 0.3, rows, columns)
    epochs = [row["epoch"] for row in history]
    for ax, name in zip(axes, names, strict=False):
        for number, (column, label) in enumerate(((name, "train"), (f"val_{name}", "valid"))):
            values = [row.get(column, math.nan) for row in history]
            ax.plot(epochs, values, _DASHES[number], color=SERIES[number], marker=_MARKERS[number], markersize=3, label=label)
        if best_epoch:
            ax.axvline(best_epoch, color=_QUIET, linestyle=":", label=f"best, epoch {best_epoch}")
        ax.set_title(name.replace("_", " "), fontsize=11)
        ax.set_xlabel("epoch")
        ax.grid(axis="y", **_GRID)
        ax.xaxis.get_major_locator().set_params(integer=True)
    for ax in axes[len(names) :]:
        ax.remove()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return chart(figure, _training_words(history, names, best_epoch))


def _training_words(history: Sequence[Mapping[str, float]], names: Sequence[str], best_epoch: int | None) -> str:
    shown = next((row for row in history if row["epoch"] == best_epoch), history[-1])
    figures = ", ".join(f"{name} {told(shown[name])} and on valid {told(shown[f'val_{name}'])}" for name in names)
    epoch = f"in epoch {shown['epoch']:.0f}{', the best' if best_epoch else ''}"
    return f"Training over {counted(len(history), 'epoch')}: {epoch}, {figures}."


def froc_chart(curve: "pd.DataFrame", points: Mapping[str, tuple[float, float]]) -> "Markup":
    """Detection rate of all lesions against false positives an image, with the interval as a band, for both criteria.

    Args:
      curve: froc_curve.csv.
      points: by criterion, false positives an image and detection rate as evaluated.
    """
    figure, (ax,) = new_figure(7.2, 4)
    shown = curve[curve["size"] == "all"]
    for number, (criterion, name) in enumerate(CRITERIA.items()):
        part = shown[shown["criterion"] == criterion].sort_values("threshold")
        _draw_curve(ax, part, number, name, band=True)
        if criterion in points:
            ax.plot(*points[criterion], "*", color=SERIES[number], markersize=17, clip_on=False, zorder=5)
    ax.plot([], [], "*", color=_QUIET, markersize=13, label="as evaluated")
    _finish_froc(ax, shown)
    words = [
        f"{CRITERIA[criterion]} finds {rate:.0%} of the lesions at {told(false_positives, 2)} false positives an image"
        for criterion, (false_positives, rate) in points.items()
    ]
    return chart(figure, f"FROC curve. As evaluated, {' and '.join(words) or 'no point is known'}.")


def froc_by_size_chart(curve: "pd.DataFrame") -> "Markup":
    """The same curve by the size of the lesions, by IoU."""
    figure, (ax,) = new_figure(7.2, 4)
    shown = curve[(curve["criterion"] == "iou") & (curve["size"] != "all")]
    told_sizes = []
    for number, size in enumerate(("small", "medium", "large")):
        part = shown[shown["size"] == size].sort_values("threshold")
        if len(part):
            lesions, highest = int(part["lesions"].iloc[0]), part["detection_rate"].max()
            _draw_curve(ax, part, number, f"{size}, {counted(lesions, 'lesion')}")
            told_sizes.append(f"at most {highest:.0%} of {counted(lesions, f'{size} lesion')}")
    _finish_froc(ax, shown)
    return chart(figure, f"FROC curves by lesion size (IoU > 0.1): over all thresholds, found are {', '.join(told_sizes)}.")


def _draw_curve(ax: Any, part: "pd.DataFrame", number: int, label: str, *, band: bool = False) -> None:
    x, color = part["false_positives_per_image"], SERIES[number]
    ax.plot(x, part["detection_rate"], _DASHES[number], color=color, marker=_MARKERS[number], markersize=4, label=label)
    if band and part["low"].notna().any():
        ax.fill_between(x, part["low"], part["high"], color=color, alpha=0.18, linewidth=0)


def _finish_froc(ax: Any, shown: "pd.DataFrame") -> None:
    # Logarithmic, as FROC curves are drawn, but with a place for no false positive at all.
    furthest = max(shown["false_positives_per_image"].max(), 1)
    ax.set_xscale("symlog", base=2, linthresh=_FEWEST, linscale=1)
    ticks = [0, *(_FEWEST * 2**power for power in range(12) if _FEWEST * 2**power <= furthest)]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlim(-0.01, 1.1 * furthest)
    ax.set(xlabel="false positives an image (log scale)", ylabel="lesions found", ylim=(0, 1.04))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.grid(**_GRID)
    # Outside: a star or marker of a legend inside reads as a point of the data.
    ax.get_figure().legend(loc="outside upper center", ncols=3, frameon=False)


def strata_chart(figures: "pd.DataFrame", dice: str) -> "Markup":
    """Mean Dice of each group's values with its interval.

    Args:
      figures: figures.csv.
      dice: what Dice is called.
    """
    rows = _strata_rows(figures)
    groups = list(dict.fromkeys(row["group"] for row in rows))
    figure, (ax,) = new_figure(7.2, 0.9 + 0.25 * len(rows) + 0.18 * len(groups))
    places, labels, place = [], [], 0.0
    for number, group in enumerate(groups):
        part = [row for row in rows if row["group"] == group]
        heights = [place + step for step in range(len(part))]
        means = np.array([row["mean"] for row in part])
        _draw_intervals(ax, part, means, heights, SERIES[number % 2])
        places += heights
        labels += [f"{GROUP_NAMES[group]} {row['value']} ({row['images']}; {row['patients']})" for row in part]
        place = heights[-1] + 1.7
    ax.set_yticks(places, labels)
    ax.invert_yaxis()
    ax.set_xlim(-0.01, 1.01)
    ax.set_xlabel(f"mean {dice}, 95 % interval (images with lesions; their patients)")
    ax.grid(axis="x", **_GRID)
    words = "; ".join(f"{GROUP_NAMES[row['group']]} {row['value']} {told(row['mean'], 2)}" for row in rows)
    return chart(figure, f"Mean {dice} by group: {words}.")


def _strata_rows(figures: "pd.DataFrame") -> list[dict]:
    dice = figures[figures["metric"] == "dice"]
    return [row for group in GROUP_NAMES for row in dice[dice["group"] == group].to_dict("records")]


def _draw_intervals(ax: Any, rows: Sequence[Mapping], means: np.ndarray, heights: Sequence[float], color: str) -> None:
    for row, mean, height in zip(rows, means, heights, strict=True):
        if interval(row):
            ax.plot([row["mean_low"], row["mean_high"]], [height, height], color=color, linewidth=2, solid_capstyle="butt")
        ax.plot(mean, height, "o", color=color, markersize=6)


def size_chart(images: "pd.DataFrame", detection: Sequence[Mapping]) -> "Markup":
    """Dice against lesion area, and the share of small, medium and large lesions that was found.

    Args:
      images: per_image.csv.
      detection: rows of figures.csv, one a size.
    """
    figure, (left, right) = new_figure(9, 3.6, 1, 2)
    annotated = images[images["empty_truth"] == 0]
    kinds = sorted(annotated["kind"].unique())
    for number, kind in enumerate(kinds):
        part = annotated[annotated["kind"] == kind]
        label = f"{kind}, {KINDS[kind]}" if kind in KINDS else kind or "kind unknown"
        style = {"color": SERIES[number % len(SERIES)], "s": 22, "alpha": 0.8}
        left.scatter(part["truth_px"], part["dice"], marker=_MARKERS[number % len(_MARKERS)], label=label, **style)
    set_log_axis(left, "x", annotated["truth_px"].tolist())
    left.set(xlabel="lesion area of the image, px (log scale)", ylabel="Dice", ylim=(-0.03, 1.03))
    left.grid(**_GRID)
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    _draw_detection(right, detection)
    return chart(figure, _size_words(annotated, detection))


def _size_words(annotated: "pd.DataFrame", detection: Sequence[Mapping]) -> str:
    middle = annotated["truth_px"].median()
    is_small = annotated["truth_px"] <= middle
    small, large = (told(annotated.loc[chosen, "dice"].mean(), 2) for chosen in (is_small, ~is_small))
    dice = f"Mean Dice is {small} up to the median lesion area of {middle:,.0f} px and {large} above it"
    return "; ".join([dice, *(f"found are {row['mean']:.0%} of the {row['value']} lesions" for row in detection)]) + "."


def _draw_detection(ax: Any, rows: Sequence[Mapping]) -> None:
    for place, row in enumerate(rows):
        ax.bar(place, row["mean"], 0.6, color=SERIES[place], edgecolor=SERIES[place])
        if interval(row):
            ax.plot([place, place], [row["mean_low"], row["mean_high"]], color=_INK, linewidth=1.5)
    ax.set_xticks(range(len(rows)), [row["value"] for row in rows])
    ax.set(xlabel="lesion size", ylabel="lesions found (IoU > 0.1)", ylim=(0, 1.04), xlim=(-0.6, max(len(rows), 1) - 0.4))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.grid(axis="y", **_GRID)


def folds_chart(folds: Sequence[Mapping[str, str]]) -> "Markup":
    """Mean Dice, NSD and detection rate of each fold of a cross-validation."""
    names = {"dice_mean": "mean Dice", "nsd": "NSD", "detection_rate": "detection rate"}
    figure, (ax,) = new_figure(7.2, 3.4)
    places = np.arange(len(folds))
    for number, (column, label) in enumerate(names.items()):
        values = [float(row[column]) if row[column] else math.nan for row in folds]
        ax.plot(places, values, _MARKERS[number], color=SERIES[number], markersize=8, label=label)
    ax.set_xticks(places, [f"fold {row['fold']}" for row in folds])
    ax.set(ylim=(0, 1.04), xlim=(-0.5, len(folds) - 0.5))
    ax.grid(axis="y", **_GRID)
    ax.get_figure().legend(loc="outside upper center", ncols=3, frameon=False)
    words = ", ".join(f"fold {row['fold']} {row['dice_mean'] or 'none'}" for row in folds)
    return chart(figure, f"Mean Dice by fold: {words}.")
