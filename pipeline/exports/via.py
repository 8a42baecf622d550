"""VGG Image Annotator 2: a project of the drawn regions, or of predictions, that a reader opens, corrects and saves.

`pipeline.annotations` reads the saved project and gets the same regions back.

Source: `project_open_parse_json_file` and `project_save_confirmed` of `via.js` 2.0.11 (gitlab.com/vgg/via): a project has
the keys `_via_settings`, `_via_img_metadata` and `_via_attributes`; an image's key is its file name and size.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from pipeline.contract import LESION_CLASSES, clean_name
from pipeline.dataset.folder import DatasetFolder, digest_of
from pipeline.drawing.regions import RegionError, parse_region
from pipeline.exports.format import Options, Rows
from pipeline.exports.lesions import Part, class_names, find_parts, outline
from pipeline.exports.predictions import are_given, identify_predictions, read_predictions
from pipeline.files import InputError, sha256, write_text
from pipeline.indexing.tables import SourceImage, read_regions, read_shape
from pipeline.recipe import Recipe

# VIA shows a field for each of them, for every image; the index reads them back.
_FILE_ATTRIBUTES = {
    "annotator": {"type": "text", "description": "who drew or corrected the regions", "default_value": ""},
    "date": {"type": "text", "description": "when, as 2026-01-31", "default_value": ""},
}
# Regions of an image as VIA has them, and how many had holes that were filled.
_Regions = tuple[list[dict[str, Any]], int]


def write(
    folder: DatasetFolder, rows: Rows, out: Path, *, predictions: Path | None = None, images: Path | None = None
) -> list[str]:
    """Writes via.json, in pixels of the source images, or of the images that were predicted on.

    Args:
      folder: the data set.
      rows: of its manifest; regions are written for its source images.
      out: the folder to write to.
      predictions: a folder of `cesm-segmenter infer` whose masks are written instead of the ground truth.
      images: the folder with the images of the predictions.

    Returns:
      What was written, as lines to print.

    Raises:
      InputError: a mask and its image do not fit.
    """
    entries: dict[str, dict[str, Any]] = {}
    filled = 0
    recipe = folder.load_recipe()
    if predictions and images:
        images_with_regions = _predicted(predictions, images, recipe)
    else:
        images_with_regions = _drawn(folder, {row["image_id"] for row in rows})
    for name, size, (regions, holes) in images_with_regions:
        filled += holes
        entries[f"{name}{size}"] = {"filename": name, "size": size, "regions": regions, "file_attributes": {}}
    write_text(out / "via.json", json.dumps(_project(recipe, entries)) + "\n")
    count = sum(len(entry["regions"]) for entry in entries.values())
    warning = f"{filled} regions have holes, which a polygon cannot hold: they were filled"
    return [f"{count} regions of {len(entries)} images", *([warning] if filled else [])]


def identify(folder: DatasetFolder, options: Options) -> dict[str, Any]:
    """Identifies a project by the contents, not the paths, of index and regions, or of the predicted masks and list of images.

    Raises:
      InputError: one of the two folders is given without the other, or the first holds no mask.
    """
    if are_given(options):
        return {"options": {"truth": False}, **identify_predictions(options)}
    return {"options": {"truth": True}, "made_from": digest_of([sha256(path) for path in (folder.index, folder.regions)])}


def _project(recipe: Recipe, entries: Mapping[str, Mapping]) -> dict[str, Any]:
    options = dict.fromkeys((*class_names(recipe), *LESION_CLASSES), "")
    attribute = {"type": "dropdown", "description": "class of the lesion", "options": options}
    return {
        "_via_settings": {"project": {"name": f"cesm_{recipe.name}"}},
        "_via_img_metadata": entries,
        "_via_attributes": {"region": {"class": attribute}, "file": _FILE_ATTRIBUTES},
    }


def _region(shape: Mapping, class_name: str) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": {"class": class_name}}


def _drawn(folder: DatasetFolder, image_ids: set[str]) -> Iterator[tuple[str, int, _Regions]]:
    """Yields file name, size in bytes and regions of each source image of the data set."""
    shapes: dict[str, list[Mapping]] = defaultdict(list)
    for row in read_regions(folder.regions):
        shape = read_shape(row)
        try:
            parse_region(shape)
        except RegionError as error:
            raise InputError(f"{folder.regions}: a region of {row['image_id']}: {error}; run the index stage again") from error
        shapes[row["image_id"]].append(shape)
    for image in folder.read_images():
        if image.image_id in image_ids:
            yield _file_name(image), image.source_size, _as_drawn(shapes[image.image_id], image.image_class)


def _file_name(image: SourceImage) -> str:
    """Returns the source's file name where it names the image, as an import needs it; else one made from the image's name."""
    name = PurePath(image.source).name
    return name if clean_name(name) == image.image_id else f"{image.image_id}{PurePath(name).suffix}"


def _as_drawn(shapes: Iterable[Mapping], class_name: str) -> _Regions:
    """Returns the regions' own attributes; a bitmap, which VIA does not know, becomes polygons."""
    regions, filled = [], 0
    for shape in shapes:
        if shape["name"] != "bitmap":
            # VIA 2.0.9 and later draw nothing for an ellipse without theta, which CDD-CESM's older version did not write.
            turn = {"theta": 0} if shape["name"] == "ellipse" and "theta" not in shape else {}
            regions.append(_region({**shape, **turn}, class_name))
            continue
        parts = find_parts(_bitmap(shape))
        regions += [_region(_polygon(part, shape["x"], shape["y"]), class_name) for part in parts]
        filled += sum(part.has_hole for part in parts)
    return regions, filled


def _bitmap(shape: Mapping) -> np.ndarray:
    """Unpacks the pixels of a bitmap region, (height, width) uint8; its counts run down the columns, zeros first."""
    counts = shape["counts"]
    return np.repeat(np.arange(len(counts), dtype=np.uint8) % 2, counts).reshape(shape["width"], shape["height"]).T.copy()


def _polygon(part: Part, left: int = 0, top: int = 0) -> dict[str, Any]:
    """Returns a component's outline as shape attributes; the first pixel of its mask lies at `left` and `top`."""
    points = outline(part.pixels) + np.array([part.left + left, part.top + top])
    return {"name": "polygon", "all_points_x": points[:, 0].tolist(), "all_points_y": points[:, 1].tolist()}


def _predicted(predictions: Path, images: Path, recipe: Recipe) -> Iterator[tuple[str, int, _Regions]]:
    """Yields file name, size in bytes and regions of each image that has a predicted mask."""
    names = class_names(recipe)
    for found in read_predictions(predictions, images, recipe):
        regions = [_region(_polygon(part), names[part.class_index - 1]) for part in found.parts]
        yield found.image.name, found.image.stat().st_size, (regions, sum(part.has_hole for part in found.parts))
