"""Example images of an evaluation: best, median and worst, missed lesions, false positives on images without lesion."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.files import InputError
from pipeline.page import contour_path, picture
from segmenter.data.ground_truth import read_gray, read_ground_truth
from segmenter.evaluation.formatting import counted, format_number
from segmenter.pictures import lesion_colors
from segmenter.report.labels import KINDS
from segmenter.report.results import RunResults

OF_EACH, MOST = 3, 6
_SIZE_PX = 512  # the side of a picture in the page; larger ones are shrunk
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One image with contours.

    Attributes:
      source: the image as a `data:` address.
      size_px: height and width of the image and the contours.
      contours: for each `ground-truth` or `prediction`, SVG path data, and a color; empty for the default color.
      description: for readers who cannot see the picture.
    """

    source: str
    size_px: int
    contours: Sequence[tuple[str, str, str]]
    description: str
    caption: str


def by_dice(results: RunResults) -> dict[str, list[Case]]:
    """The best, median and worst images with lesions by Dice; each image is in one group, and the worst are chosen first."""
    rows = _records(results.images[results.images["empty_truth"] == 0])
    rows.sort(key=lambda row: (row["dice"], row["sample"]))
    worst, rest = rows[:OF_EACH], rows[OF_EACH:]
    best, rest = rest[::-1][:OF_EACH], rest[:-OF_EACH]
    start = max(0, (len(rest) - OF_EACH) // 2)
    chosen = {"Best": best, "Median": rest[start : start + OF_EACH], "Worst": worst}
    return {name: [_draw(results, row, _dice_caption(results, row)) for row in rows] for name, rows in chosen.items() if rows}


def missed(results: RunResults) -> list[Case]:
    """The images with the largest lesions that were not detected, largest first."""
    lesions = results.lesions[results.lesions["detected"] == 0].sort_values(["area_px", "sample"], ascending=[False, True])
    largest = lesions.drop_duplicates("sample").head(MOST)
    rows = {row["sample"]: row for row in _records(results.images)}
    cases = []
    for lesion in _records(largest):
        row = rows[lesion["sample"]]
        lesion_text = f"missed: a {lesion['size']} lesion of {lesion['area_px']:,} px, IoU {format_number(lesion['iou'], 2)}"
        cases.append(_draw(results, row, f"{row['sample']}; {lesion_text}; {counted(row['lesions'], 'lesion')} in the image"))
    return cases


def false_alarms(results: RunResults) -> list[Case]:
    """The images without lesion that have the largest predicted area, largest first."""
    predicted = results.images[(results.images["empty_truth"] == 1) & (results.images["predicted_px"] > 0)]
    rows = _records(predicted.sort_values(["predicted_px", "sample"], ascending=[False, True]).head(MOST))
    return [
        _draw(
            results,
            row,
            f"{row['sample']}; {_describe_image(row)}; no lesion, predicted {row['predicted_px']:,} px in "
            f"{counted(row['false_positives'], 'component')}",
        )
        for row in rows
    ]


def _records(table) -> list[Row]:
    return table.to_dict("records")


def _describe_image(row: Mapping) -> str:
    return ", ".join(str(part) for part in (row["class"], KINDS.get(row["kind"], ""), row["view"]) if part) or "class unknown"


def _dice_caption(results: RunResults, row: Mapping) -> str:
    classes = [f"{name} {format_number(row[f'dice_{name}'], 2)}" for name in results.class_names if results.has_classes]
    dice = f"Dice {format_number(row['dice'], 2)}" + (f" of any class ({', '.join(classes)})" if classes else "")
    parts = [row["sample"], _describe_image(row), dice, f"HD95 {format_number(row['hd95_px'], 1)} px"]
    size = f", largest {row['size']}" if row["size"] else ""
    return "; ".join([*parts, f"{counted(row['lesions'], 'lesion')} of {row['truth_px']:,} px{size}"])


def _description(row: Mapping) -> str:
    name = [f"Mammogram {row['sample']}", *(part for part in (KINDS.get(row["kind"], ""), row["view"]) if part)]
    counts = f"{counted(row['lesions'], 'annotated lesion')}, {row['detected'] + row['false_positives']} predicted"
    dice = "" if row["empty_truth"] else f", Dice {format_number(row['dice'], 2)}"
    return f"{', '.join(name)}: {counts}{dice}"


def _draw(results: RunResults, row: Mapping, caption: str) -> Case:
    sample = results.sample(row["sample"])
    image, ground_truth = read_gray(sample.image), read_ground_truth(sample.mask, results.configuration)
    predicted = _read_prediction(results.mask_file(row), ground_truth.shape)
    size_px = min(_SIZE_PX, len(image))
    if size_px < len(image):
        shape = (size_px, size_px)
        image = cv2.resize(image, shape, interpolation=cv2.INTER_AREA)
        # An average would change class indices.
        masks = (ground_truth, predicted)
        ground_truth, predicted = (cv2.resize(mask, shape, interpolation=cv2.INTER_NEAREST_EXACT) for mask in masks)
    contours = [*_contours("ground-truth", ground_truth, results), *_contours("prediction", predicted, results)]
    return Case(picture(image), size_px, contours, _description(row), caption)


def _read_prediction(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    predicted = read_gray(path)
    if predicted.shape != shape:
        raise InputError(
            f"{path}: is {predicted.shape[1]} x {predicted.shape[0]} px, but its ground truth is {shape[1]} x {shape[0]} px; "
            "evaluate the run again"
        )
    return predicted


def _contours(kind: str, mask: np.ndarray, results: RunResults) -> Iterable[tuple[str, str, str]]:
    """The contours of each lesion class, in the class's color where there are several."""
    colors = class_colors(results)
    classes = [(mask == index, color) for index, color in enumerate(colors.values(), 1)] or [(mask != 0, "")]
    return [(kind, contour_path(class_mask), color) for class_mask, color in classes if class_mask.any()]


def class_colors(results: RunResults) -> dict[str, str]:
    """The colors of several lesion classes by name, as `#rrggbb`; empty where there is one class."""
    if not results.has_classes:
        return {}
    names = results.class_names
    colors = lesion_colors(results.configuration.infer.mask_colors, len(names))
    return {name: "#" + bytes(color).hex() for name, color in zip(names, colors, strict=True)}
