"""Pictures of a data set: counts and strata of each split, lesion sizes, contact sheets.

`draw_stats` writes them as files; the data set's page shows the same figures and sheets."""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from pipeline.contract import GROUPS, SPLITS, MaskError, SourceError, cut_levels
from pipeline.files import write_buffered
from pipeline.page import GROUND_TRUTH_COLOR, SERIES, WIDTH, add_legend, new_figure, new_panels, rgb, set_log_axis
from pipeline.sources import read_image, read_mask

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]

SPLIT_COLORS = {"train": "#4477aa", "valid": "#ddaa33", "test": "#bb5566"}  # distinct for the color-blind too
# A black edge makes light bars legible on white and dark ones on black.
_EDGE: dict = {"edgecolor": "black", "linewidth": 0.6}
_COUNTED = {"samples": "sample", "source images": "image_id", "patients": "patient"}
_CELL, _GAP, _CAPTION = 220, 6, 32
_TITLE_FONT, _CAPTION_FONT, _SMALLEST_FONT = 30, 24, 8  # height of the letters, in pixels of a sheet some 2000 px wide


def draw_stats(folder: Path, rows: Rows, out: Path) -> list[Path]:
    """Draws every picture of a data set into `out`.

    Args:
      folder: the data set's.
      rows: of its manifest.
      out: the folder for the PNG files.

    Returns:
      The pictures, the most informative first.
    """
    sheets = [out / f"contact_sheet_{split}.png" for split in SPLITS]
    for split, path in zip(SPLITS, sheets, strict=True):
        # Of this level sheets are smaller than Pillow's optimized ones, and take a fifth of the time.
        write_buffered(path, functools.partial(contact_sheet(folder, rows, split).save, format="PNG", compress_level=3))
    charts = {"counts": _counts_figure(rows), "lesion_sizes": draw_lesion_sizes(rows, 7), "strata": _strata_figure(rows)}
    for name, figure in charts.items():
        # No software version and no date in the file: the same data set gives the same bytes.
        save = functools.partial(figure.savefig, format="png", dpi=120, metadata={"Software": None})
        write_buffered(out / f"{name}.png", save)
    return sheets + [out / f"{name}.png" for name in charts]


def _counts_figure(rows: Rows) -> "Figure":
    figure, axes = new_figure(9, 3.2, 1, 3)
    _fill_counts(list(axes), rows)
    return figure


def draw_counts(rows: Rows) -> list["Figure"]:
    """Draws the numbers of samples, source images and patients of each split, a panel for each."""
    panels, axes = new_panels(len(_COUNTED))
    _fill_counts(axes, rows)
    return panels


def _fill_counts(axes: Sequence, rows: Rows) -> None:
    for ax, (title, column) in zip(axes, _COUNTED.items(), strict=True):
        counts = [len({row[column] for row in rows if row["split"] == split}) for split in SPLITS]
        bars = ax.bar(SPLITS, counts, color=[SPLIT_COLORS[split] for split in SPLITS], **_EDGE)
        total = len({row[column] for row in rows})
        ax.bar_label(bars, [f"{count}\n{count / total:.0%}" for count in counts], fontsize=9)
        ax.set_title(f"{total} {title}", fontsize=11)
        ax.margins(y=0.22)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)


def draw_lesion_sizes(rows: Rows, width: float = WIDTH) -> "Figure":
    """Draws the lesion areas of the source images of each split, as a share of the square, on a logarithmic axis."""
    figure, (ax,) = new_figure(width, 3.6)
    shares = {split: lesion_shares(rows, split=split) for split in SPLITS}
    every = [share for values in shares.values() for share in values]
    if not every:
        ax.set_axis_off()
        ax.text(0.5, 0.5, "No image of this data set has a lesion.", ha="center", va="center", fontsize=11)
        return figure
    bins = np.geomspace(min(every) * 0.9, max(every) * 1.1, 25)
    splits = [split for split in SPLITS if shares[split]]
    colors = [SPLIT_COLORS[split] for split in splits]
    ax.hist([shares[split] for split in splits], bins, stacked=True, color=colors, label=splits, **_EDGE)
    set_log_axis(ax, "x", every)
    ax.set_xlabel("lesion area, % of the square image")
    ax.set_ylabel("source images")
    ax.set_title(f"Lesion area per source image (median {np.median(lesion_shares(rows)):.2g} %)", fontsize=11)
    ax.legend(frameon=False)
    return figure


def draw_lesion_boxes(rows: Rows) -> list["Figure"]:
    """Draws lesion areas by split and by fold as boxes: quartiles, and whiskers that reach up to 1.5 times their distance."""
    folds = sorted({row["fold"] for row in rows})
    panels, axes = new_panels(2, WIDTH, 3.6)
    for ax, column, values in zip(axes, ("split", "fold"), (SPLITS, folds), strict=True):
        colors = [SPLIT_COLORS.get(value, SERIES[0]) for value in values]
        boxes = ax.boxplot(
            [lesion_shares(rows, **{column: value}) for value in values],
            tick_labels=values,
            widths=0.6,
            patch_artist=True,
            medianprops={"color": "black", "linewidth": 2},
            flierprops={"marker": ".", "markeredgecolor": SERIES[0]},
        )
        for box, color in zip(boxes["boxes"], colors, strict=True):
            box.set_facecolor(color)
        set_log_axis(ax, "y", lesion_shares(rows) or [1.0])
        ax.set_xlabel(column)
        ax.set_ylabel("lesion area, % of the square image")
    return panels


def source_images(rows: Rows, **where: Any) -> list[Mapping[str, Any]]:
    """Returns one row per source image among the rows whose columns have the given values.

    It is the original where that is among them; else a turned copy, which has the same lesion: a set that was split by
    sample may have the original elsewhere.
    """
    chosen: dict[str, Mapping[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["variant"] != "original"):
        if all(row[column] == value for column, value in where.items()):
            chosen.setdefault(row["image_id"], row)
    return list(chosen.values())


def lesion_shares(rows: Rows, **where: Any) -> list[float]:
    """Returns lesion areas in percent of the square, of the source images with lesions whose columns have the given values."""
    return [lesion_share(row) for row in source_images(rows, **where) if row["lesion_px"]]


def lesion_share(row: Mapping[str, Any]) -> float:
    """Returns the lesion area of a sample, in percent of the square."""
    side = row["scale"] * max(row["source_width"], row["source_height"])
    return 100 * row["lesion_px"] / round(side) ** 2


def _strata_figure(rows: Rows) -> "Figure":
    rows_of_panels = -(-len(GROUPS) // 2)
    figure, axes = new_figure(10, 3 * rows_of_panels, rows_of_panels, 2)
    for ax in axes[len(GROUPS) :]:
        ax.remove()
    _fill_strata(list(axes)[: len(GROUPS)], rows)
    figure.suptitle("Source images; the number on a bar is their count", fontsize=11)
    return figure


def draw_strata(rows: Rows) -> list["Figure"]:
    """Draws the shares of classes, kinds, views and the other groups of the manifest within each split, a panel for each."""
    panels, axes = new_panels(len(GROUPS), WIDTH, 2.8)
    _fill_strata(axes, rows)
    return panels


def _fill_strata(axes: Sequence, rows: Rows) -> None:
    images = {split: source_images(rows, split=split) for split in SPLITS}
    for ax, (column, title) in zip(axes, GROUPS.items(), strict=True):
        values = sorted({row[column] or "unknown" for row in rows}, key=lambda value: (value == "unknown", value))
        for number, split in enumerate(SPLITS):
            counts = Counter(row[column] or "unknown" for row in images[split])
            total = max(1, sum(counts.values()))
            positions = np.arange(len(values)) + (number - 1) * 0.27
            heights = [100 * counts[value] / total for value in values]
            bars = ax.bar(positions, heights, 0.25, color=SPLIT_COLORS[split], label=split, **_EDGE)
            ax.bar_label(bars, [str(counts[value]) for value in values], fontsize=9)
        ax.set_xticks(np.arange(len(values)), values)
        ax.set_title(title, fontsize=10)
        ax.set_ylabel("% of the split")
        ax.margins(y=0.12)
    add_legend(axes, fontsize=9)


def draw_reasons(reasons: Sequence[tuple[str, int, str]]) -> "Figure":
    """Draws the numbers of dropped source images; each reason is (reason, count, meaning)."""
    figure, (ax,) = new_figure(WIDTH, 0.7 + 0.4 * len(reasons))
    names = [reason for reason, _, _ in reasons][::-1]
    counts = [count for _, count, _ in reasons][::-1]
    bars = ax.barh(names, counts, 0.7, color=SERIES[0], **_EDGE)
    ax.bar_label(bars, padding=3, fontsize=9)
    ax.set_xlabel("source images")
    return figure


def contact_sheet(folder: Path, every: Rows, split: str, columns: int = 3, most: int = 15) -> PIL.Image.Image:
    """Shows up to `most` source images of a split, evenly spread over lesion size, as image, mask and contour on the image."""
    rows = source_images(every, split=split)
    ordered = sorted(rows, key=lambda row: (row["lesion_px"], row["sample"]))
    count = min(most, len(ordered))
    chosen = [ordered[index] for index in np.linspace(0, len(ordered) - 1, count).astype(int)]
    cell_width, cell_height = 3 * _CELL + _GAP * 2, _CELL + _CAPTION + _GAP
    lines = max(1, -(-len(chosen) // columns))
    sheet = PIL.Image.new("RGB", (columns * (cell_width + _GAP) + _GAP, lines * cell_height + 2 * _CAPTION), "white")
    pen = PIL.ImageDraw.Draw(sheet)
    _write_title(pen, f"{split}: image, mask, contour ({len(chosen)} of {len(rows)} source images, by lesion size)")
    for number, row in enumerate(chosen):
        left = _GAP + number % columns * (cell_width + _GAP)
        top = 2 * _CAPTION + number // columns * cell_height
        tiles = _tiles(folder, row)
        state = f"{row['class']}, lesion {lesion_share(row):.2g} %" if tiles else "missing, or cannot be read"
        caption = f"{row['sample']}   {state}"
        pen.text((left, top - 2), caption, "black", _fitting_font(caption, cell_width))
        for offset, tile in enumerate(tiles):
            sheet.paste(PIL.Image.fromarray(tile), (left + offset * (_CELL + 2), top + _CAPTION - 2))
    return sheet


def _write_title(pen: PIL.ImageDraw.ImageDraw, title: str) -> None:
    """Writes the title of a sheet and the legend of its contours."""
    font = PIL.ImageFont.load_default(_TITLE_FONT)
    pen.text((_GAP, _GAP), title, "black", font)
    left, middle = _GAP + font.getlength(title) + 2 * _TITLE_FONT, _GAP + 0.6 * _TITLE_FONT
    pen.line([(left, middle), (left + 2 * _TITLE_FONT, middle)], rgb(GROUND_TRUTH_COLOR), width=6)
    pen.text((left + 2.5 * _TITLE_FONT, _GAP), "ground truth", "black", font)


def _fitting_font(text: str, width: int) -> PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont:
    """Returns the caption font, or a smaller one for a text that would be wider than `width` pixels."""
    for size in range(_CAPTION_FONT, _SMALLEST_FONT, -1):
        if (font := PIL.ImageFont.load_default(size)).getlength(text) <= width:
            return font
    return PIL.ImageFont.load_default(_SMALLEST_FONT)


def _tiles(folder: Path, row: Mapping[str, Any]) -> list[np.ndarray]:
    """Makes image, mask and contour on the image of a sample, each (_CELL, _CELL, 3) uint8 RGB; none where a file is broken."""
    try:
        image, mask = read_image(folder / row["image"]), read_mask((folder / row["mask"]).read_bytes(), None)
    except (OSError, MaskError, SourceError):  # the audit names the file
        return []
    small = cv2.cvtColor(cv2.resize(image, (_CELL, _CELL), interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2RGB)
    shown = cv2.resize(np.sign(mask) * 255, (_CELL, _CELL), interpolation=cv2.INTER_AREA)
    contours, _ = cv2.findContours(cut_levels(shown), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    outlined = cv2.drawContours(small.copy(), contours, -1, rgb(GROUND_TRUTH_COLOR), 1)
    return [small, cv2.cvtColor(shown, cv2.COLOR_GRAY2RGB), outlined]
