"""report.html of a data set: the content of its card with charts, contact sheets and the leaking pairs, in one file."""

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image

from pipeline.contract import GROUPS, SPLITS, SourceError
from pipeline.dataset.card import read_audit
from pipeline.dataset.description import PHANTOM, describe_regions, read_description
from pipeline.dataset.doubtful import describe_doubtful
from pipeline.dataset.folder import DatasetFolder, digest_of
from pipeline.files import dump_toml, path_below, sha256, write_text
from pipeline.page import chart, picture, render
from pipeline.report.charts import (
    Rows,
    contact_sheet,
    draw_counts,
    draw_lesion_boxes,
    draw_lesion_sizes,
    draw_reasons,
    draw_strata,
    lesion_shares,
    source_images,
)
from pipeline.sources import read_image

_SCHEMA = 3  # of the page, which is written again with another number
_PAIR_SIDE = 384
_LEAKS = ("image-in-splits", "patient-in-splits")
_PACKAGES = ("cesm-segmentation", "numpy", "pillow", "matplotlib")


def report_identity(folder: DatasetFolder) -> str:
    """Returns the SHA-256 of what the page is made from; while it stays the same, the page need not be written again.

    The audit and the card must belong to the folder's manifest.
    """
    files = (folder.manifest, folder.recipe, folder.rejects, folder.audit, folder.card)
    return digest_of(_SCHEMA, [sha256(path) for path in files], _versions())


def write_report(folder: DatasetFolder) -> None:
    """Writes `report.html` into the folder of a complete data set whose audit and card belong to its manifest."""
    rows = folder.read_manifest()
    recipe, description, audit = folder.load_recipe(), read_description(folder.description), read_audit(folder)
    reasons = [(dropped["reason"], dropped["images"], dropped["meaning"]) for dropped in description["dropped"]]
    splits = _count_groups(rows, "split", SPLITS)
    folds = _count_groups(rows, "fold", sorted({row["fold"] for row in rows}))
    text = render(
        "pipeline.report",
        "dataset.html",
        recipe=recipe,
        recipe_text=dump_toml(recipe),
        phantom=PHANTOM if description["phantom"] else "",
        key_values=_key_values(rows, audit) + _count_partners(description.get("partners")),
        named=description["named"],
        reasons=reasons,
        regions=describe_regions(description["regions"]),
        doubtful=describe_doubtful(description.get("doubtful")),
        contradicted=[tuple(image.values()) for image in (description.get("doubtful") or {}).get("contradicted", [])],
        splits=splits,
        folds=folds,
        strata=_list_groups(description["groups"]),
        sheets=[(split, _sheet(folder.root, rows, split)) for split in SPLITS],
        leaks=[finding for finding in audit["findings"] if finding["code"] in _LEAKS],
        findings=[_show_finding(folder.root, finding, audit["expected"]) for finding in audit["findings"]],
        charts=_draw_charts(rows, reasons, splits, folds),
        hashes=[(path.name, sha256(path)) for path in (folder.manifest, folder.recipe, folder.assignment)],
        versions=_versions(),
        licence=description["licence"],
        citations=description["citations"],
    )
    write_text(folder.report, text)


def _versions() -> list[tuple[str, str]]:
    """Lists name and version of the packages that write the page."""
    # OpenCV reports its own version, because its distributions have several names.
    versions = [("python", platform.python_version()), ("opencv", cv2.__version__)]
    return versions + [(name, metadata.version(name)) for name in _PACKAGES]


def _key_values(rows: Rows, audit: Mapping) -> list[tuple[str, str, str]]:
    """Lists the values at the top of the page, each with its name and a note."""
    shares = lesion_shares(rows)
    return [
        (str(len({row["patient"] for row in rows})), "patients", ""),
        (str(len({row["image_id"] for row in rows})), "source images", _count_classes(source_images(rows))),
        (str(len(rows)), "samples", f"{len({row['variant'] for row in rows})} variants of each source image"),
        (f"{np.median(shares):.2g} %" if shares else "none", "median lesion area", "of the square image"),
        (str(len(audit["findings"])), "findings of the audit", _describe_expected(audit)),
    ]


def _count_partners(partners: Mapping | None) -> list[tuple[str, str, str]]:
    if not partners:
        return []
    others = partners["missing"] + sum(partners["faults"].values())
    return [(str(partners["registered"]), "registered partners", f"images without one: {others}")]


def _describe_expected(audit: Mapping) -> str:
    unexpected = sum(finding["code"] not in audit["expected"] for finding in audit["findings"])
    if not audit["findings"]:
        return ""
    return f"{unexpected} not asked for by the recipe" if unexpected else "all asked for by the recipe"


def _count_classes(images: Rows) -> str:
    classes = sorted({row["class"] for row in images})
    return ", ".join(f"{sum(row['class'] == name for row in images)} {name}" for name in classes)


def _count_groups(rows: Rows, column: str, values: Sequence[Any]) -> list[list[str]]:
    """Makes the rows of a table: the group, its patients, source images and samples, and the quartiles of its lesion areas."""
    lines = []
    for value in values:
        inside = [row for row in rows if row[column] == value]
        counts = [len({row[name] for row in inside}) for name in ("patient", "image_id", "sample")]
        shares = lesion_shares(rows, **{column: value})
        quartiles = [f"{quartile:.2g}" for quartile in np.percentile(shares, (25, 50, 75))] if shares else ["none"] * 3
        lines.append([str(value), *map(str, counts), *quartiles])
    return lines


def _list_groups(groups: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[list[str]]:
    """Makes the rows of a table: a value of a group, and the number of its source images in each split."""
    return [
        [f"{title}: {value or 'unknown'}", *(str(counts[split]) for split in SPLITS)]
        for column, title in GROUPS.items()
        for value, counts in groups.get(column, {}).items()
    ]


def _draw_charts(
    rows: Rows, reasons: Sequence[tuple[str, int, str]], splits: Sequence[Sequence[str]], folds: Sequence[Sequence[str]]
) -> dict:
    """Draws the charts by name, each with a description for readers who cannot see it.

    There is no chart of reasons where nothing was dropped.

    Args:
      splits, folds: rows of `_count_groups`.
    """
    of_splits, of_folds = (", ".join(f"{line[0]} {line[5]}" for line in lines) for lines in (splits, folds))
    charts = {
        "counts": chart(
            draw_counts(rows), "Bars: samples, source images and patients of each split; the table below has the counts"
        ),
        "strata": chart(
            draw_strata(rows),
            "Bars: shares of the groups within each split; the table below has the counts",
        ),
        "sizes": chart(draw_lesion_sizes(rows), f"Histogram of lesion areas by split; medians in % of the square: {of_splits}"),
        "boxes": chart(
            draw_lesion_boxes(rows), f"Boxes of lesion areas; medians in % of the square: {of_splits}; folds: {of_folds}"
        ),
    }
    if reasons:
        listed = ", ".join(f"{reason} {count}" for reason, count, _ in reasons)
        charts["reasons"] = chart(draw_reasons(reasons), f"Bars: dropped source images by reason: {listed}")
    return charts


def _sheet(root: Path, rows: Rows, split: str) -> str:
    """Draws the contact sheet of a split as a `data:` URL; empty where the split has no image."""
    if not source_images(rows, split=split):
        return ""
    sheet: PIL.Image.Image = contact_sheet(root, rows, split)
    return picture(np.asarray(sheet)[:, :, ::-1], quality=80)


def _show_finding(root: Path, finding: Mapping, expected: Sequence[str]) -> dict:
    """Prepares a finding of audit.json for the page, with the pictures of each example's pair."""
    pairs = finding["pairs"] or [()] * len(finding["examples"])
    return {
        "code": finding["code"],
        "count": finding["count"],
        "meaning": finding["meaning"],
        "asked": finding["code"] in expected,
        "examples": [
            (example, [_show_image(root, path_below(root, path, str(root / "audit.json"))) for path in pair])
            for example, pair in zip(finding["examples"], pairs, strict=False)
        ],
    }


def _show_image(root: Path, path: Path) -> dict:
    """Prepares an image of a leaking pair: its location and its picture, empty where the file is missing or broken."""
    split, name = path.relative_to(root).parts[0], path.name
    try:
        pixels = read_image(path)
    except SourceError:
        return {"location": f"{split}: {Path(name).stem}", "picture": ""}
    shrink = min(1.0, _PAIR_SIDE / max(pixels.shape))
    small = cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return {"location": f"{split}: {Path(name).stem}", "picture": picture(small)}
