"""The charts of a report. Each comes with a description for readers who cannot see it."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.page import SERIES, WIDTH, add_legend, chart, new_figure, new_panels, set_log_axis
from segmenter.evaluation.aggregation import GROUPS
from segmenter.evaluation.formatting import counted, format_number, row_interval
from segmenter.report.labels import CRITERIA, KINDS, group_name

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup

_INK = "#000000"  # `chart` turns black into the color of the page's text
_MARKERS, _DASHES = ("o", "s", "^", "D"), ("-", "--", "-.", ":")
_QUIET = "0.55"  # gray that is visible on white and on black
_GRID = {"color": _QUIET, "alpha": 0.25, "linewidth": 0.8}
_FEWEST = 0.125  # false positives per image; below it a curve's axis is linear


def training_chart(history: Sequence[Mapping[str, float]], best_epoch: int | None) -> "Markup":
    """Loss and metrics of training and validation over the epochs.

    Args:
      history: one row per epoch with `epoch`, and for each metric a column with its name and one with `val_` before it.
    """
    names = [name for name in history[0] if f"val_{name}" in history[0]]
    panels, axes = new_panels(len(names))
    epochs = [row["epoch"] for row in history]
    for ax, name in zip(axes, names, strict=True):
        for number, (column, label) in enumerate(((name, "train"), (f"val_{name}", "valid"))):
            values = [row.get(column, math.nan) for row in history]
            ax.plot(epochs, values, _DASHES[number], color=SERIES[number], marker=_MARKERS[number], markersize=3, label=label)
        if best_epoch:
            ax.axvline(best_epoch, color=_QUIET, linestyle=":", label=f"best, epoch {best_epoch}")
        ax.set_title(name.replace("_", " "), fontsize=11)
        ax.set_xlabel("epoch")
        ax.grid(axis="y", **_GRID)
        ax.xaxis.get_major_locator().set_params(integer=True)
    add_legend(axes, fontsize=9, columnspacing=1)
    return chart(panels, _training_description(history, names, best_epoch))


def _training_description(history: Sequence[Mapping[str, float]], names: Sequence[str], best_epoch: int | None) -> str:
    shown = next((row for row in history if row["epoch"] == best_epoch), history[-1])
    metrics = ", ".join(
        f"{name} {format_number(shown[name])} and on valid {format_number(shown[f'val_{name}'])}" for name in names
    )
    epoch = f"in epoch {shown['epoch']:.0f}{', the best' if best_epoch else ''}"
    return f"Training over {counted(len(history), 'epoch')}: {epoch}, {metrics}."


def froc_chart(curve: "pd.DataFrame", points: Mapping[str, tuple[float, float]]) -> "Markup":
    """Detection rate of all lesions against false positives per image, with the interval as a band, for both criteria.

    Args:
      curve: froc_curve.csv.
      points: by criterion, false positives per image and detection rate as evaluated, where the curve ends.
    """
    figure, (ax,) = new_figure(WIDTH, 4)
    shown = curve[curve["size"] == "all"]
    for number, (criterion, name) in enumerate(CRITERIA.items()):
        _draw_curve(ax, shown[shown["criterion"] == criterion], number, name, band=True)
        if criterion in points:
            ax.plot(*points[criterion], "*", color=SERIES[number], markersize=17, clip_on=False, zorder=5)
    ax.plot([], [], "*", color=_QUIET, markersize=13, label="as evaluated")
    _finish_froc(ax, shown)
    descriptions = [
        f"{CRITERIA[criterion]} finds {rate:.0%} of the lesions at {format_number(false_positives, 2)} false positives per image"
        for criterion, (false_positives, rate) in points.items()
    ]
    return chart(figure, f"FROC curve. As evaluated, {' and '.join(descriptions) or 'no point is known'}.")


def froc_by_size_chart(curve: "pd.DataFrame") -> "Markup":
    """The FROC curve by IoU for each size of lesion."""
    figure, (ax,) = new_figure(WIDTH, 4)
    shown = curve[(curve["criterion"] == "iou") & (curve["size"] != "all")]
    descriptions = []
    for number, size in enumerate(("small", "medium", "large")):
        rows = shown[shown["size"] == size]
        if len(rows):
            lesions, highest = int(rows["lesions"].iloc[0]), rows["detection_rate"].max()
            _draw_curve(ax, rows, number, f"{size}, {counted(lesions, 'lesion')}")
            descriptions.append(f"{highest:.0%} of {counted(lesions, f'{size} lesion')}")
    _finish_froc(ax, shown)
    return chart(figure, f"FROC curves by lesion size (IoU > 0.1). Found as evaluated: {', '.join(descriptions)}.")


def _draw_curve(ax: Any, rows: "pd.DataFrame", number: int, label: str, *, band: bool = False) -> None:
    """Draws a curve from no candidate to all of them; it rises and falls nowhere, and so do the ends of its band."""
    rows = rows.sort_values("threshold", ascending=False)
    x, rate, low, high = (
        np.concatenate([[0.0], rows[name]]) for name in ("false_positives_per_image", "detection_rate", "low", "high")
    )
    color, markers = SERIES[number], {"marker": _MARKERS[number], "markersize": 4, "markevery": slice(1, None)}
    ax.plot(x, rate, _DASHES[number], color=color, drawstyle="steps-post", label=label, **markers)
    if band and not np.isnan(low).any():
        ax.fill_between(x, low, high, step="post", color=color, alpha=0.18, linewidth=0)


def _finish_froc(ax: Any, shown: "pd.DataFrame") -> None:
    # Logarithmic, as usual for FROC curves, but with room for zero false positives.
    furthest = max(shown["false_positives_per_image"].max(), 1)
    ax.set_xscale("symlog", base=2, linthresh=_FEWEST, linscale=1)
    ticks = [0, *(_FEWEST * 2**power for power in range(12) if _FEWEST * 2**power <= furthest)]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlim(-0.01, 1.1 * furthest)
    ax.set(xlabel="false positives per image (log scale)", ylabel="lesions found", ylim=(0, 1.04))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.grid(**_GRID)
    # Outside, because a marker of a legend inside the axes looks like a data point.
    ax.get_figure().legend(loc="outside upper center", ncols=3, frameon=False)


def strata_chart(metrics: "pd.DataFrame", dice: str) -> "Markup":
    """Mean Dice and its interval for each value of each group.

    Args:
      metrics: metrics.csv.
      dice: the name of Dice in the chart.
    """
    rows = _strata_rows(metrics)
    groups = list(dict.fromkeys(row["group"] for row in rows))
    figure, (ax,) = new_figure(WIDTH, 0.9 + 0.25 * len(rows) + 0.18 * len(groups))
    positions, labels, position = [], [], 0.0
    for number, group in enumerate(groups):
        group_rows = [row for row in rows if row["group"] == group]
        heights = [position + step for step in range(len(group_rows))]
        means = np.array([row["mean"] for row in group_rows])
        _draw_intervals(ax, group_rows, means, heights, SERIES[number % 2])
        positions += heights
        labels += [f"{group_name(group)} {_short(row['value'])} ({row['images']}; {row['patients']})" for row in group_rows]
        position = heights[-1] + 1.7
    ax.set_yticks(positions, labels, fontsize=9)
    ax.invert_yaxis()
    ax.set_xlim(-0.01, 1.01)
    ax.set_xlabel(f"mean {dice}, 95 % interval")  # the caption explains the numbers in parentheses
    ax.grid(axis="x", **_GRID)
    values = "; ".join(f"{group_name(row['group'])} {row['value']} {format_number(row['mean'], 2)}" for row in rows)
    return chart(figure, f"Mean {dice} by group: {values}.")


def _short(value: object, most: int = 24) -> str:
    """A value that leaves room for the axes."""
    text = str(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _strata_rows(metrics: "pd.DataFrame") -> list[dict]:
    dice = metrics[metrics["metric"] == "dice"]
    return [row for group in GROUPS for row in dice[dice["group"] == group].to_dict("records")]


def _draw_intervals(ax: Any, rows: Sequence[Mapping], means: np.ndarray, heights: Sequence[float], color: str) -> None:
    for row, mean, height in zip(rows, means, heights, strict=True):
        if row_interval(row):
            ax.plot([row["mean_low"], row["mean_high"]], [height, height], color=color, linewidth=2, solid_capstyle="butt")
        ax.plot(mean, height, "o", color=color, markersize=6)


def size_chart(images: "pd.DataFrame", detection: Sequence[Mapping]) -> "Markup":
    """Dice against lesion area, and the detection rate of small, medium and large lesions.

    Args:
      images: per_image.csv.
      detection: rows of metrics.csv, one per size.
    """
    panels, (left, right) = new_panels(2, WIDTH, 3.6)
    annotated = images[images["empty_truth"] == 0]
    kinds = sorted(annotated["kind"].unique())
    for number, kind in enumerate(kinds):
        rows = annotated[annotated["kind"] == kind]
        label = f"{kind}, {KINDS[kind]}" if kind in KINDS else kind or "kind unknown"
        style = {"color": SERIES[number % len(SERIES)], "s": 22, "alpha": 0.8}
        left.scatter(rows["truth_px"], rows["dice"], marker=_MARKERS[number % len(_MARKERS)], label=label, **style)
    set_log_axis(left, "x", annotated["truth_px"].tolist())
    left.set(xlabel="lesion area of the image, px (log scale)", ylabel="Dice", ylim=(-0.03, 1.03))
    left.grid(**_GRID)
    left.get_figure().legend(loc="outside upper left", ncols=2, frameon=False)
    _draw_detection(right, detection)
    return chart(panels, _size_description(annotated, detection))


def _size_description(annotated: "pd.DataFrame", detection: Sequence[Mapping]) -> str:
    median = annotated["truth_px"].median()
    is_small = annotated["truth_px"] <= median
    small, large = (format_number(annotated.loc[chosen, "dice"].mean(), 2) for chosen in (is_small, ~is_small))
    dice = f"Mean Dice is {small} up to the median lesion area of {median:,.0f} px and {large} above it"
    return "; ".join([dice, *(f"{row['mean']:.0%} of the {row['value']} lesions were found" for row in detection)]) + "."


def _draw_detection(ax: Any, rows: Sequence[Mapping]) -> None:
    for number, row in enumerate(rows):
        ax.bar(number, row["mean"], 0.6, color=SERIES[number], edgecolor=SERIES[number])
        if row_interval(row):
            ax.plot([number, number], [row["mean_low"], row["mean_high"]], color=_INK, linewidth=1.5)
    ax.set_xticks(range(len(rows)), [row["value"] for row in rows])
    ax.set(xlabel="lesion size", ylabel="lesions found (IoU > 0.1)", ylim=(0, 1.04), xlim=(-0.6, max(len(rows), 1) - 0.4))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.grid(axis="y", **_GRID)


def folds_chart(folds: Sequence[Mapping[str, str]]) -> "Markup":
    """Mean Dice, NSD and detection rate of each fold of a cross-validation."""
    names = {"dice_mean": "mean Dice", "nsd": "NSD", "detection_rate": "detection rate"}
    figure, (ax,) = new_figure(WIDTH, 3.4)
    positions = np.arange(len(folds))
    for number, (column, label) in enumerate(names.items()):
        values = [float(row[column]) if row[column] else math.nan for row in folds]
        ax.plot(positions, values, _MARKERS[number], color=SERIES[number], markersize=8, label=label)
    ax.set_xticks(positions, [f"fold {row['fold']}" for row in folds])
    ax.set(ylim=(0, 1.04), xlim=(-0.5, len(folds) - 0.5))
    ax.grid(axis="y", **_GRID)
    ax.get_figure().legend(loc="outside upper center", ncols=3, frameon=False)
    dices = ", ".join(f"fold {row['fold']} {row['dice_mean'] or 'none'}" for row in folds)
    return chart(figure, f"Mean Dice by fold: {dices}.")
