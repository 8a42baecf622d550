"""Pictures of a data set: counts and strata a split, lesion sizes, contact sheets. Made to be looked at."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from pipeline.files import replacing
from pipeline.manifest import read_manifest
from pipeline.recipe import SPLITS
from pipeline.sources import read_image

Rows = Sequence[Mapping[str, str]]

SPLIT_COLORS = {"train": "#4477aa", "valid": "#ddaa33", "test": "#bb5566"}  # told apart by the colour-blind too
_STRATA = (
    ("class", "class"),
    ("kind", "kind (DM low energy, CM subtracted)"),
    ("view", "view"),
    ("density", "breast density (ACR)"),
)
_OUTLINE = (255, 200, 0)
_CELL, _GAP, _CAPTION = 220, 6, 18


def draw_stats(folder: Path, out: Path) -> list[Path]:
    """Draws every picture of a data set into `out`.

    Args:
      folder: a data set with a manifest.
      out: the folder for the PNG files.

    Returns:
      The pictures, most telling first.
    """
    rows = read_manifest(folder / "manifest.csv")
    originals = [row for row in rows if row["variant"] == "original"]
    sheets = [out / f"contact_sheet_{split}.png" for split in SPLITS]
    for split, path in zip(SPLITS, sheets, strict=True):
        _contact_sheet(folder, [row for row in originals if row["split"] == split], f"{split}: image, mask, outline", path)
    charts = [out / "counts.png", out / "lesion_sizes.png", out / "strata.png"]
    _counts(rows, charts[0])
    _lesion_sizes(originals, charts[1])
    _strata(originals, charts[2])
    return sheets + charts


def _figure(width: float, height: float, rows: int = 1, columns: int = 1):
    # The object interface: pyplot takes half a second longer to import and looks for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure, path: Path) -> None:
    with replacing(path) as beside:
        # No software version and no date in the file: the same data set gives the same bytes.
        figure.savefig(beside, dpi=120, metadata={"Software": None})


def _counts(rows: Rows, path: Path) -> None:
    """Samples, source images and patients a split."""
    figure, axes = _figure(9, 3.2, 1, 3)
    for ax, (title, column) in zip(
        axes, (("samples", "sample"), ("source images", "image_id"), ("patients", "patient")), strict=True
    ):
        counts = [len({row[column] for row in rows if row["split"] == split}) for split in SPLITS]
        bars = ax.bar(SPLITS, counts, color=[SPLIT_COLORS[split] for split in SPLITS])
        total = len({row[column] for row in rows})
        ax.bar_label(bars, [f"{count}\n{count / total:.0%}" for count in counts], fontsize=9)
        ax.set_title(f"{total} {title}", fontsize=11)
        ax.margins(y=0.22)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    _save(figure, path)


def _lesion_sizes(originals: Rows, path: Path) -> None:
    """Lesion area of each source image, as a share of the square, on a logarithmic axis."""
    figure, (ax,) = _figure(7, 3.6)
    shares = {split: [_share(row) for row in originals if row["split"] == split and int(row["lesion_px"])] for split in SPLITS}
    every = [share for values in shares.values() for share in values] or [1.0]
    bins = np.geomspace(min(every) * 0.9, max(every) * 1.1, 25)
    drawn = [split for split in SPLITS if shares[split]]
    ax.hist([shares[split] for split in drawn], bins, stacked=True, color=[SPLIT_COLORS[split] for split in drawn], label=drawn)
    ax.set_xscale("log")
    ax.set_xlabel("lesion area, % of the square image")
    ax.set_ylabel("source images")
    ax.set_title(f"Lesion area a source image (median {np.median(every):.2g} %)", fontsize=11)
    ax.legend(frameon=False)
    _save(figure, path)


def _share(row: Mapping[str, str]) -> float:
    side = float(row["scale"]) * max(int(row["source_width"]), int(row["source_height"]))
    return 100 * int(row["lesion_px"]) / round(side) ** 2


def _strata(originals: Rows, path: Path) -> None:
    """Shares of classes, kinds, views and densities within each split."""
    figure, axes = _figure(10, 6, 2, 2)
    for ax, (column, title) in zip(axes, _STRATA, strict=True):
        values = sorted({row[column] or "unknown" for row in originals}, key=lambda value: (value == "unknown", value))
        for number, split in enumerate(SPLITS):
            counts = Counter(row[column] or "unknown" for row in originals if row["split"] == split)
            total = max(1, sum(counts.values()))
            places = np.arange(len(values)) + (number - 1) * 0.27
            heights = [100 * counts[value] / total for value in values]
            bars = ax.bar(places, heights, 0.25, color=SPLIT_COLORS[split], label=split)
            ax.bar_label(bars, [str(counts[value]) for value in values], fontsize=7)
        ax.set_xticks(np.arange(len(values)), values)
        ax.set_title(title, fontsize=10)
        ax.set_ylabel("% of the split")
        ax.margins(y=0.12)
    figure.suptitle("Source images; the number on a bar counts them", fontsize=11)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=3, frameon=False, fontsize=9)
    _save(figure, path)


def _contact_sheet(folder: Path, rows: Rows, title: str, path: Path, columns: int = 3, most: int = 15) -> None:
    """Up to `most` samples, evenly spread over lesion size, each as image, mask and outline over image."""
    ordered = sorted(rows, key=lambda row: (int(row["lesion_px"]), row["sample"]))
    count = min(most, len(ordered))
    chosen = [ordered[index] for index in np.linspace(0, len(ordered) - 1, count).astype(int)]
    cell_width, cell_height = 3 * _CELL + _GAP * 2, _CELL + _CAPTION + _GAP
    lines = max(1, -(-len(chosen) // columns))
    sheet = PIL.Image.new("RGB", (columns * (cell_width + _GAP) + _GAP, lines * cell_height + 2 * _CAPTION), "white")
    pen, font = PIL.ImageDraw.Draw(sheet), PIL.ImageFont.load_default(13)
    pen.text((_GAP, 4), f"{title} ({len(chosen)} of {len(rows)} source images, by lesion size)", "black", font)
    for number, row in enumerate(chosen):
        left = _GAP + number % columns * (cell_width + _GAP)
        top = 2 * _CAPTION + number // columns * cell_height
        pen.text((left, top - 2), f"{row['sample']}   {row['class']}, lesion {_share(row):.2g} %", "black", font)
        for offset, tile in enumerate(_tiles(folder, row)):
            sheet.paste(PIL.Image.fromarray(tile), (left + offset * (_CELL + 2), top + _CAPTION - 2))
    with replacing(path) as beside:
        sheet.save(beside, optimize=True)


def _tiles(folder: Path, row: Mapping[str, str]) -> list[np.ndarray]:
    """Image, mask and outline over image of one sample, each (_CELL, _CELL, 3) uint8 in RGB."""
    image, mask = read_image(folder / row["image"]), read_image(folder / row["mask"])
    lesion = np.greater_equal(mask, 128 if mask.max() > 2 else 1).astype(np.uint8)
    small = cv2.cvtColor(cv2.resize(image, (_CELL, _CELL), interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2RGB)
    shown = cv2.resize(lesion * 255, (_CELL, _CELL), interpolation=cv2.INTER_AREA)
    outlines, _ = cv2.findContours(np.greater_equal(shown, 128).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    outlined = cv2.drawContours(small.copy(), outlines, -1, _OUTLINE, 1)
    return [small, cv2.cvtColor(shown, cv2.COLOR_GRAY2RGB), outlined]
