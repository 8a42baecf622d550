"""COCO: instances_train.json and so on, or predictions.json; one annotation per connected component.

Source: "Data format" of cocodataset.org, and `maskApi.c` of pycocotools for run lengths and how a polygon is filled.
COCO counts coordinates from the corner of the first pixel: pixel x reaches from x to x + 1.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.contract import COLUMNS, SPLITS
from pipeline.dataset.folder import DatasetFolder
from pipeline.exports.format import Options, Rows
from pipeline.exports.lesions import Part, class_names, find_parts, outline, read_mask
from pipeline.exports.predictions import Prediction, are_given, identify_predictions, read_predictions
from pipeline.files import progress, require, write_text
from pipeline.recipe import Recipe


def write(
    folder: DatasetFolder,
    rows: Rows,
    out: Path,
    *,
    shape: str = "rle",
    predictions: Path | None = None,
    images: Path | None = None,
) -> list[str]:
    """Writes one file per split, or one of predictions; no image is copied.

    `file_name` is relative to the data set's folder; with predictions it is the name of the image that was predicted on.

    Args:
      folder: the data set.
      rows: of its manifest.
      out: the folder to write to.
      shape: `rle`, which is exact, or `polygon`, which cannot hold holes: they are filled.
      predictions, images: as for `read_predictions`; its masks are written instead of the ground truth.

    Returns:
      What was written, as lines to print.

    Raises:
      InputError: a mask cannot be read or does not fit its image, or pycocotools is missing.
    """
    recipe = folder.load_recipe()
    if predictions and images:
        return _write_predictions(out, read_predictions(predictions, images, recipe), recipe, shape)
    return _write_splits(folder, rows, out, recipe, shape)


def identify(folder: DatasetFolder, options: Options) -> dict[str, Any]:
    """Identifies ground truth by the options, and predictions by the contents of masks and list of images.

    Raises:
      InputError: one of the two folders is given without the other, or the first holds no mask.
    """
    own = {"options": {"shape": options["shape"]}}
    return own | identify_predictions(options) if are_given(options) else own


def _write_splits(folder: DatasetFolder, rows: Rows, out: Path, recipe: Recipe, shape: str) -> list[str]:
    names = class_names(recipe)
    describe = _load_rle() if shape == "rle" else _polygon
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
        _write_file(out / f"instances_{split}.json", recipe.title, images[split], annotations[split], names)
    lines = [", ".join(f"{split} {len(images[split])} images with {len(annotations[split])} lesions" for split in SPLITS)]
    return lines + _describe_holes(with_holes, shape)


def _write_predictions(out: Path, predictions: Iterable[Prediction], recipe: Recipe, shape: str) -> list[str]:
    """Writes predictions.json, in pixels of the images that were predicted on."""
    describe = _load_rle() if shape == "rle" else _polygon
    images: list[dict] = []
    annotations: list[dict] = []
    with_holes = 0
    for image_id, found in enumerate(predictions, 1):
        height, width = found.mask.shape
        images.append({"id": image_id, "file_name": found.image.name, "width": width, "height": height})
        entries = [{"image_id": image_id, **describe(part, found.mask.shape)} for part in found.parts]
        annotations += [{"id": number, **entry} for number, entry in enumerate(entries, len(annotations) + 1)]
        with_holes += sum(part.has_hole for part in found.parts)
    _write_file(out / "predictions.json", f"Predictions: {recipe.title}", images, annotations, class_names(recipe))
    return [f"{len(images)} images with {len(annotations)} predicted lesions", *_describe_holes(with_holes, shape)]


def _write_file(path: Path, title: str, images: list[dict], annotations: list[dict], names: Sequence[str]) -> None:
    categories = [{"id": index, "name": name, "supercategory": "lesion"} for index, name in enumerate(names, 1)]
    content = {"info": {"description": title}, "images": images, "annotations": annotations, "categories": categories}
    write_text(path, json.dumps(content) + "\n")


def _describe_holes(count: int, shape: str) -> list[str]:
    if shape != "polygon" or not count:
        return []
    return [f"{count} lesions have holes, which a polygon cannot hold: they were filled; --shape rle keeps them"]


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
