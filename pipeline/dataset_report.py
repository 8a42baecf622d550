"""report.html of a data set: what its card says, with charts, contact sheets and the pairs that leak, in one file."""

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from pipeline.audit import MEANINGS
from pipeline.card import CITATIONS, LICENCE, PHANTOM, count_reasons, read_audit, tell_regions
from pipeline.files import dump_toml, sha256, write_text
from pipeline.folder import DatasetFolder, digest_of
from pipeline.manifest import read_manifest
from pipeline.page import chart, picture, render
from pipeline.recipe import SPLITS
from pipeline.stats import (
    STRATA,
    Rows,
    contact_sheet,
    draw_counts,
    draw_lesion_boxes,
    draw_lesion_sizes,
    draw_reasons,
    draw_strata,
    lesion_shares,
)

_SCHEMA = 1  # of the page: another number makes it be written again
_PAIR_SIDE = 384
_PACKAGES = ("cesm-segmentation", "numpy", "pillow", "matplotlib")


def report_identity(folder: DatasetFolder) -> str:
    """SHA-256 of what the page is made from: the same, and the page need not be written again.

    The audit and the card must be of the folder's manifest.
    """
    files = (folder.manifest, folder.recipe, folder.rejects, folder.audit, folder.card)
    return digest_of(_SCHEMA, [sha256(path) for path in files], _versions())


def write_report(folder: DatasetFolder) -> None:
    """Writes `report.html` into the folder of a complete data set whose audit and card are of its manifest."""
    rows = read_manifest(folder.manifest)
    originals = [row for row in rows if row["variant"] == "original"]
    recipe, state, audit = folder.load_recipe(), folder.read_state(folder.index_state), read_audit(folder)
    reasons = count_reasons(folder)
    text = render(
        "pipeline",
        "dataset.html",
        recipe=recipe,
        recipe_text=dump_toml(recipe),
        phantom=PHANTOM.replace("**", "") if state.get("phantom") else "",
        key_figures=_key_figures(rows, originals, audit),
        named=state.get("summary", {}).get("named", 0),
        reasons=reasons,
        regions=tell_regions(folder),
        splits=_count_groups(rows, originals, "split", SPLITS),
        folds=_count_groups(rows, originals, "fold", sorted({row["fold"] for row in originals}, key=int)),
        strata=_count_strata(originals),
        sheets=[(split, _sheet(folder.root, originals, split)) for split in SPLITS],
        findings=[_show_finding(folder.root, finding, audit["expected"]) for finding in audit["findings"]],
        charts=_draw_charts(rows, originals, reasons),
        hashes=[(path.name, sha256(path)) for path in (folder.manifest, folder.recipe, folder.assignment)],
        versions=_versions(),
        licence=LICENCE,
        citations=[" ".join(citation.split()) for citation in CITATIONS.removeprefix("- ").split("\n- ")],
    )
    write_text(folder.report, text)


def _versions() -> list[tuple[str, str]]:
    """What wrote the page: names and versions."""
    # OpenCV is asked itself: it comes in distributions of several names.
    known = [("python", platform.python_version()), ("opencv", cv2.__version__)]
    return known + [(name, metadata.version(name)) for name in _PACKAGES]


def _key_figures(rows: Rows, originals: Rows, audit: Mapping) -> list[tuple[str, str, str]]:
    """Value, name and small print of each."""
    shares = lesion_shares(originals)
    unexpected = sum(finding["code"] not in audit["expected"] for finding in audit["findings"])
    asked = len(audit["findings"]) - unexpected
    return [
        (str(len({row["patient"] for row in rows})), "patients", ""),
        (str(len({row["image_id"] for row in rows})), "source images", _tell_classes(originals)),
        (str(len(rows)), "samples", f"{len({row['variant'] for row in rows})} variants of each source image"),
        (f"{np.median(shares):.2g} %" if shares else "none", "median lesion area", "of the square image"),
        (str(unexpected), "findings of the audit", f"and {asked} that the recipe asks for" if asked else "none asked for"),
    ]


def _tell_classes(originals: Rows) -> str:
    classes = sorted({row["class"] for row in originals})
    return ", ".join(f"{sum(row['class'] == name for row in originals)} {name}" for name in classes)


def _count_groups(rows: Rows, originals: Rows, column: str, values: Sequence[str]) -> list[list[str]]:
    """Lines of a table: the group, its patients, source images and samples, and the quartiles of its lesion areas."""
    lines = []
    for value in values:
        inside = [row for row in rows if row[column] == value]
        counts = [len({row[name] for row in inside}) for name in ("patient", "image_id", "sample")]
        shares = lesion_shares(originals, **{column: value})
        quartiles = [f"{quartile:.2g}" for quartile in np.percentile(shares, (25, 50, 75))] if shares else ["none"] * 3
        lines.append([value, *map(str, counts), *quartiles])
    return lines


def _count_strata(originals: Rows) -> list[list[str]]:
    """Lines of a table: the stratum, and how many source images of each split are in it."""
    lines = []
    for column, title in STRATA:
        for value in sorted({row[column] for row in originals}, key=lambda value: (not value, value)):
            inside = [row["split"] for row in originals if row[column] == value]
            lines.append([f"{title}: {value or 'unknown'}", *(str(inside.count(split)) for split in SPLITS)])
    return lines


def _draw_charts(rows: Rows, originals: Rows, reasons: Sequence[tuple[str, int, str]]) -> dict:
    """The charts by name, each with words for those who do not see it; none of reasons where nothing was dropped."""
    charts = {
        "counts": chart(
            draw_counts(rows), "Bars: samples, source images and patients of each split; the numbers are tabled below"
        ),
        "strata": chart(draw_strata(originals), "Bars: shares of classes, kinds, views and densities within each split"),
        "sizes": chart(draw_lesion_sizes(originals), "Histogram of lesion areas, coloured by split"),
        "boxes": chart(draw_lesion_boxes(originals), "Boxes: quartiles of lesion areas of each split and of each fold"),
    }
    if reasons:
        words = ", ".join(f"{reason} {count}" for reason, count, _ in reasons)
        charts["reasons"] = chart(draw_reasons(reasons), f"Bars: dropped source images by reason: {words}")
    return charts


def _sheet(root: Path, originals: Rows, split: str) -> str:
    """The contact sheet of a split as a `data:` address."""
    sheet: PIL.Image.Image = contact_sheet(root, originals, split)
    return picture(np.asarray(sheet)[:, :, ::-1], quality=80)


def _show_finding(root: Path, finding: Mapping, expected: Sequence[str]) -> dict:
    """A finding of audit.json with what it means, and its examples with the pictures of each one's pair."""
    pairs = finding["pairs"] or [()] * len(finding["examples"])
    return {
        "code": finding["code"],
        "count": finding["count"],
        "meaning": MEANINGS[finding["code"]],
        "asked": finding["code"] in expected,
        "examples": [
            (words, [_show_image(root, path) for path in pair]) for words, pair in zip(finding["examples"], pairs, strict=True)
        ],
    }


def _show_image(root: Path, path: str) -> dict:
    """An image of a leaking pair: its place in words, and its picture, empty where the file is missing or broken."""
    split, _, name = path.split("/", 2)
    file = root / path
    data = np.frombuffer(file.read_bytes(), np.uint8) if file.is_file() else np.zeros(0, np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
    if pixels is None:
        return {"place": f"{split}: {Path(name).stem}", "picture": ""}
    shrink = min(1.0, _PAIR_SIDE / max(pixels.shape))
    small = cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return {"place": f"{split}: {Path(name).stem}", "picture": picture(small)}
