"""Images of an evaluation to look at: best, middling and worst, lesions that were missed, what was found where nothing is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.files import InputError
from pipeline.page import outline_path, picture
from segmenter.data.ground_truth import read_gray, read_ground_truth
from segmenter.pictures import lesion_colors
from segmenter.report.labels import KINDS, counted, told
from segmenter.report.results import Material

OF_EACH, MOST = 3, 6
_SIDE_PX = 512  # of a picture in the page; larger ones are shrunk
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One image with outlines.

    Attributes:
      source: the image as a `data:` address.
      side: of the image and the outlines, in pixels.
      outlines: `truth` or `prediction`, SVG path data, and a colour, which is empty where the kind's own is meant.
      words: what is to be seen, for those who do not see it.
    """

    source: str
    side: int
    outlines: Sequence[tuple[str, str, str]]
    words: str
    caption: str


def by_dice(material: Material) -> dict[str, list[Case]]:
    """The best, median and worst images with lesions by Dice; an image is in one group only, and the worst go first."""
    rows = _records(material.images[material.images["empty_truth"] == 0])
    rows.sort(key=lambda row: (row["dice"], row["sample"]))
    worst, rest = rows[:OF_EACH], rows[OF_EACH:]
    best, rest = rest[::-1][:OF_EACH], rest[:-OF_EACH]
    start = max(0, (len(rest) - OF_EACH) // 2)
    chosen = {"Best": best, "Median": rest[start : start + OF_EACH], "Worst": worst}
    return {name: [_draw(material, row, _dice_caption(material, row)) for row in part] for name, part in chosen.items() if part}


def missed(material: Material) -> list[Case]:
    """The images with the largest lesions that were not found, largest first."""
    lesions = material.lesions[material.lesions["detected"] == 0].sort_values(["area_px", "sample"], ascending=[False, True])
    largest = lesions.drop_duplicates("sample").head(MOST)
    rows = {row["sample"]: row for row in _records(material.images)}
    cases = []
    for lesion in _records(largest):
        row = rows[lesion["sample"]]
        words = f"missed: a {lesion['size']} lesion of {lesion['area_px']:,} px, IoU {told(lesion['iou'], 2)}"
        cases.append(_draw(material, row, f"{row['sample']}; {words}; {counted(row['lesions'], 'lesion')} in the image"))
    return cases


def false_alarms(material: Material) -> list[Case]:
    """The images without lesion in which most was found, most first."""
    found = material.images[(material.images["empty_truth"] == 1) & (material.images["predicted_px"] > 0)]
    rows = _records(found.sort_values(["predicted_px", "sample"], ascending=[False, True]).head(MOST))
    return [
        _draw(
            material,
            row,
            f"{row['sample']}; {_place(row)}; no lesion, found {row['predicted_px']:,} px in "
            f"{counted(row['false_positives'], 'part')}",
        )
        for row in rows
    ]


def _records(table) -> list[Row]:
    return table.to_dict("records")


def _place(row: Mapping) -> str:
    return ", ".join(str(part) for part in (row["class"], KINDS.get(row["kind"], ""), row["view"]) if part) or "class unknown"


def _dice_caption(material: Material, row: Mapping) -> str:
    classes = [f"{name} {told(row[f'dice_{name}'], 2)}" for name in material.class_names if material.has_classes]
    dice = f"Dice {told(row['dice'], 2)}" + (f" of any class ({', '.join(classes)})" if classes else "")
    parts = [row["sample"], _place(row), dice, f"HD95 {told(row['hd95_px'], 1)} px"]
    size = f", largest {row['size']}" if row["size"] else ""
    return "; ".join([*parts, f"{counted(row['lesions'], 'lesion')} of {row['truth_px']:,} px{size}"])


def _words(row: Mapping) -> str:
    where = [f"Mammogram {row['sample']}", *(part for part in (KINDS.get(row["kind"], ""), row["view"]) if part)]
    counts = f"{counted(row['lesions'], 'annotated lesion')}, {row['detected'] + row['false_positives']} predicted"
    dice = "" if row["empty_truth"] else f", Dice {told(row['dice'], 2)}"
    return f"{', '.join(where)}: {counts}{dice}"


def _draw(material: Material, row: Mapping, caption: str) -> Case:
    sample = material.sample(row["sample"])
    image, truth = read_gray(sample.image), read_ground_truth(sample.mask, material.configuration)
    predicted = _read_prediction(material.mask_file(row), truth.shape)
    side = min(_SIDE_PX, len(image))
    if side < len(image):
        image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        # Class indices must stay what they are, so no average.
        truth, predicted = (cv2.resize(mask, (side, side), interpolation=cv2.INTER_NEAREST_EXACT) for mask in (truth, predicted))
    outlines = [*_outlines("truth", truth, material), *_outlines("prediction", predicted, material)]
    return Case(picture(image), side, outlines, _words(row), caption)


def _read_prediction(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    predicted = read_gray(path)
    if predicted.shape != shape:
        raise InputError(
            f"{path}: is {predicted.shape[1]} x {predicted.shape[0]}, its truth {shape[1]} x {shape[0]}; evaluate the run again"
        )
    return predicted


def _outlines(kind: str, mask: np.ndarray, material: Material) -> Iterable[tuple[str, str, str]]:
    """The outlines of each lesion class, in the class's colour where there are several."""
    colors = class_colors(material)
    parts = [(mask == index, color) for index, color in enumerate(colors.values(), 1)] or [(mask != 0, "")]
    return [(kind, outline_path(part), color) for part, color in parts if part.any()]


def class_colors(material: Material) -> dict[str, str]:
    """The colours of several lesion classes by name, as `#rrggbb`; none where there is one class."""
    if not material.has_classes:
        return {}
    names = material.class_names
    colors = lesion_colors(material.configuration.infer.mask_colors, len(names))
    return {name: "#" + bytes(color).hex() for name, color in zip(names, colors, strict=True)}
