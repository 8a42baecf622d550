"""Writes a difference into a folder: a table, pictures of changed masks, a contact sheet and a page."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from pipeline.contract import MaskError, SourceError
from pipeline.diff.changes import CHANGE_COLUMNS, KINDS, Difference, SampleChange
from pipeline.files import InputError, progress, read_regular, write_buffered, write_csv, write_text
from pipeline.page import GROUND_TRUTH_COLOR, PREDICTION_COLOR, contour_path, picture, render, require_templates, rgb
from pipeline.sources import read_image, read_mask

MOST_PICTURES = 60
_MOST_ON_PAGE, _MOST_ROWS = 24, 500
_CELL, _COLUMNS, _CAPTION = 300, 4, 24  # of the contact sheet, in pixels


class _Case(NamedTuple):
    """A sample whose mask changed: its image, (height, width) uint8, and both masks, (height, width) uint8 of classes."""

    change: SampleChange
    image: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @property
    def caption(self) -> str:
        iou = "" if self.change.iou is None else f", IoU {self.change.iou:.3f}"
        return f"{self.change.sample}{iou}, {self.change.lesion_px[0]} -> {self.change.lesion_px[1]} px"


def write_difference(difference: Difference, out: Path) -> list[str]:
    """Writes diff.csv, diff.json, pictures of the masks that changed most, contact_sheet.png and diff.html.

    Args:
      difference: as `compare_sets` returned it.
      out: a folder that is new or empty.

    Returns:
      What was written, as lines to print.

    Raises:
      InputError: the folder is not empty, or the template library is not installed.
    """
    check_output(out)
    require_templates()
    write_csv(out / "diff.csv", CHANGE_COLUMNS, (change.to_row() for change in difference.changes))
    write_text(out / "diff.json", json.dumps(difference.to_json(), indent=1) + "\n")
    changed = difference.masks_by_iou()
    cases = _read_cases(changed[:MOST_PICTURES])
    for number, case in enumerate(cases, 1):
        _save(out / "pictures" / f"{number:02d}_{case.change.sample}.png", PIL.Image.fromarray(_draw(case)))
    if cases:
        _save(out / "contact_sheet.png", _contact_sheet(cases))
    write_text(out / "diff.html", _page(difference, cases, len(changed)))
    pictures = f"{len(cases)} of {len(changed)} images with changed masks in pictures, the smallest IoU first"
    return [*([pictures] if changed else []), str(out / "diff.html")]


def check_output(out: Path) -> None:
    """Raises an InputError unless the folder is new or empty."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; --out expects a new or empty folder")
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out}: is not empty; --out expects a new or empty folder")


def _save(path: Path, image: PIL.Image.Image) -> None:
    write_buffered(path, functools.partial(image.save, format="PNG", compress_level=3))


def _read_cases(changes: Sequence[SampleChange]) -> list[_Case]:
    """Reads the pixels of samples; those whose files cannot be read or have different sizes are left out."""
    cases = []
    for change in progress(changes, len(changes), "diff", "pictures"):
        before, after = change.files
        try:
            image = read_image(after["image"])
            masks = [read_mask(read_regular(files["mask"]), None) for files in (before, after)]
        except (OSError, KeyError, SourceError, MaskError):  # the table has the sample
            continue
        if image.shape == masks[0].shape == masks[1].shape:
            cases.append(_Case(change, image, *masks))
    return cases


def _draw(case: _Case) -> np.ndarray:
    """Draws the contours of both masks on the image, (height, width, 3) uint8 RGB."""
    drawn = cv2.cvtColor(case.image, cv2.COLOR_GRAY2RGB)
    for mask, color in ((case.before, GROUND_TRUTH_COLOR), (case.after, PREDICTION_COLOR)):
        contours, _ = cv2.findContours((mask > 0).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, contours, -1, rgb(color), 1)
    return drawn


def _contact_sheet(cases: Sequence[_Case]) -> PIL.Image.Image:
    rows = -(-len(cases) // _COLUMNS)
    sheet = PIL.Image.new("RGB", (_COLUMNS * _CELL, (rows + 1) * _CAPTION + rows * _CELL), "white")
    pen, font = PIL.ImageDraw.Draw(sheet), PIL.ImageFont.load_default(12)
    pen.text((4, 4), "before", GROUND_TRUTH_COLOR, font)
    pen.text((60, 4), "after", PREDICTION_COLOR, font)
    for number, case in enumerate(cases):
        left, top = number % _COLUMNS * _CELL, _CAPTION + number // _COLUMNS * (_CELL + _CAPTION)
        pen.text((left + 4, top + 4), case.caption, "black", font)
        small = cv2.resize(_draw(case), (_CELL - 4, _CELL - 4), interpolation=cv2.INTER_AREA)
        sheet.paste(PIL.Image.fromarray(small), (left + 2, top + _CAPTION))
    return sheet


def _page(difference: Difference, cases: Sequence[_Case], changed: int) -> str:
    rows = [[row[name] if row[name] is not None else "" for name in CHANGE_COLUMNS] for row in _rows(difference)]
    return render(
        "pipeline.report",
        "diff.html",
        folders=difference.folders,
        samples=difference.samples,
        equal=difference.is_equal,
        counts=[(kind, count, KINDS[kind]) for kind, count in difference.counts.items()],
        recipe=[(key, *pair) for key, pair in difference.recipe.items()],
        annotation_files=difference.annotation_files,
        annotators=difference.annotators,
        regions=difference.regions,
        not_compared=difference.not_compared,
        columns=CHANGE_COLUMNS,
        rows=rows,
        total=len(difference.changes),
        cases=[_show(case) for case in cases[:_MOST_ON_PAGE]],
        changed=changed,
    )


def _rows(difference: Difference) -> list[dict]:
    return [change.to_row() for change in difference.changes[:_MOST_ROWS]]


def _show(case: _Case) -> dict:
    """Prepares a case for the page."""
    contours = [("ground-truth", contour_path(case.before), ""), ("prediction", contour_path(case.after), "")]
    return {"picture": picture(case.image), "size_px": case.image.shape[0], "contours": contours, "caption": case.caption}
