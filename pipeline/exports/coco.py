"""COCO: instances_train.json, instances_valid.json and instances_test.json; one annotation per connected component.

Source: "Data format" of cocodataset.org, and `maskApi.c` of pycocotools for run lengths and how a polygon is filled.
COCO counts coordinates from the corner of the first pixel: pixel x reaches from x to x + 1.
"""

import json
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.contract import COLUMNS, SPLITS
from pipeline.dataset.folder import DatasetFolder
from pipeline.exports.format import Rows
from pipeline.exports.lesions import Part, class_names, find_parts, outline, read_mask
from pipeline.files import progress, require, write_text


def write(folder: DatasetFolder, rows: Rows, out: Path, *, shape: str = "rle") -> list[str]:
    """Writes one file per split; `file_name` is relative to the data set's folder, and no image is copied.

    Args:
      folder: the data set.
      rows: of its manifest.
      out: the folder to write to.
      shape: `rle`, which is exact, or `polygon`, which cannot hold holes: they are filled.

    Returns:
      What was written, as lines to print.

    Raises:
      InputError: a mask cannot be read, or pycocotools is missing.
    """
    recipe = folder.load_recipe()
    names = class_names(recipe)
    describe = _load_rle() if shape == "rle" else _polygon
    categories = [{"id": index, "name": name, "supercategory": "lesion"} for index, name in enumerate(names, 1)]
    annotation_ids = count(1)  # from 1: pycocotools takes 0 for "no match"
    images: dict[str, list[dict]] = {split: [] for split in SPLITS}
    annotations: dict[str, list[dict]] = {split: [] for split in SPLITS}
    with_holes = 0
    for image_id, row in enumerate(progress(rows, len(rows), "export", "samples"), 1):
        mask = read_mask(folder.root / row["mask"], names)
        parts = find_parts(mask)
        images[row["split"]].append(_image(image_id, row, mask))
        annotations[row["split"]] += [
            {"id": next(annotation_ids), "image_id": image_id, **describe(part, mask.shape)} for part in parts
        ]
        with_holes += sum(part.has_hole for part in parts)
    for split in SPLITS:
        content = {
            "info": {"description": recipe.title},
            "images": images[split],
            "annotations": annotations[split],
            "categories": categories,
        }
        write_text(out / f"instances_{split}.json", json.dumps(content) + "\n")
    lines = [", ".join(f"{split} {len(images[split])} images with {len(annotations[split])} lesions" for split in SPLITS)]
    if shape == "polygon" and with_holes:
        lines.append(f"{with_holes} lesions have holes, which a polygon cannot hold: they were filled; --shape rle keeps them")
    return lines


def _image(image_id: int, row: Mapping[str, Any], mask: np.ndarray) -> dict[str, Any]:
    height, width = mask.shape
    columns = {column.name: row[column.name] for column in COLUMNS if column.exported}  # COCO has no keys for them
    return {"id": image_id, "file_name": row["image"], "width": width, "height": height, **columns}


def _annotation(part: Part, area: int, segmentation: object) -> dict[str, Any]:
    height, width = part.pixels.shape
    box = [part.left, part.top, width, height]
    return {"category_id": part.class_index, "segmentation": segmentation, "area": area, "bbox": box, "iscrowd": 0}


def _load_rle() -> Callable[[Part, tuple[int, ...]], dict[str, Any]]:
    """Returns a function that describes a component by run lengths."""
    require("pycocotools", "to write COCO's run lengths", otherwise=", or choose --shape polygon")
    from pycocotools.mask import encode

    def rle(part: Part, shape: tuple[int, ...]) -> dict[str, Any]:
        height, width = part.pixels.shape
        whole = np.zeros(shape, np.uint8, order="F")
        whole[part.top : part.top + height, part.left : part.left + width] = part.pixels
        runs = encode(whole)
        counts = runs["counts"].decode("ascii")  # JSON holds no bytes
        return _annotation(part, int(part.pixels.sum()), {"size": [int(side) for side in runs["size"]], "counts": counts})

    return rle


def _polygon(part: Part, _: tuple[int, ...]) -> dict[str, Any]:
    """Describes a component by its outline, half-way between the centres of its border pixels and their outer edges.

    Through the centres, rounding would settle which border pixels belong to it, and a line of pixels would have no area.
    """
    filled = part.filled
    halves = outline(np.kron(filled, np.ones((2, 2), np.uint8)))
    points = (halves + 0.5) / 2 + (part.left, part.top)
    return _annotation(part, int(filled.sum()), [points.ravel().tolist()])
