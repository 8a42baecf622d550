"""Reads COCO's JSON of instances: polygons, run lengths and boxes, one entry of `images` per image.

Source: the data format of COCO (Lin et al., ECCV 2014, 10.1007/978-3-319-10602-1_48). Its coordinates count from the
corner of the first pixel, ours from its centre: half a pixel is subtracted.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.annotations.contents import AnnotatedImage, Annotations, DrawnRegion
from pipeline.annotations.format import AnnotationFile, AnnotationFormat, add_images
from pipeline.drawing.regions import MOST_PIXELS, RegionError, are_fractions, bitmap_attributes, box_attributes, decode_runs
from pipeline.files import InputError, require
from pipeline.recipe import Layout

Size = tuple[int, int]


def add_coco(annotations: Annotations, file: AnnotationFile, layout: Layout) -> bool:
    """Adds the regions of a COCO file; returns False for any other file, which need not even be valid JSON."""
    marked = file.suffix == ".json" and b'"images"' in file.data and b'"annotations"' in file.data
    return marked and is_coco(file.content) and add_images(annotations, file, read_coco(file.path, file.content), layout)


def is_coco(content: object) -> bool:
    """Whether parsed JSON is COCO's, by its two lists."""
    return isinstance(content, Mapping) and all(isinstance(content.get(key), list) for key in ("images", "annotations"))


def read_coco(path: Path, content: Mapping) -> Iterator[AnnotatedImage]:
    """Yields the images of a COCO file; a crowd is a region like any other, and each component of a polygon is its own region.

    An image whose id another image has too gets a fault in place of its regions.

    Args:
      path: the file, for messages.
      content: its JSON.

    Raises:
      InputError: an image has no id, name or size, an annotation refers to no image of the file, or runs are compressed and
        pycocotools is not installed.
    """
    labels = {_id(category.get("id")): str(category.get("name", "")) for category in _entries(path, content, "categories")}
    images: dict[str, list[Mapping]] = defaultdict(list)
    for image in _entries(path, content, "images"):
        images[_id(image.get("id"))].append(image)
    drawn: dict[str, list[DrawnRegion]] = {number: [] for number in images}
    for entry in _entries(path, content, "annotations"):
        number, where = _id(entry.get("image_id")), f"{path.name} annotation {_id(entry.get('id'))}"
        if number not in images:
            raise InputError(f"{path}: {where} refers to image {number}, which is not listed in images; correct its image_id")
        drawn[number] += _read_annotation(
            entry, _size(path, images[number][0]), where, labels.get(_id(entry.get("category_id")), "")
        )
    for number, entries in images.items():
        for image in entries:
            if not isinstance(image.get("file_name"), str):
                raise InputError(f"{path}: image {number} has no file_name; it has {', '.join(map(str, image))}")
            yield image["file_name"], None, _shared_id(path, number, entries) if len(entries) > 1 else drawn[number]


def _shared_id(path: Path, number: str, images: Sequence[Mapping]) -> list[DrawnRegion]:
    fault = f"{len(images)} images of {path.name} have the id {number}, so that nobody knows which one is annotated"
    return [DrawnRegion(None, path.name, fault, reason="annotation-ambiguous")]


def _id(value: object) -> str:
    """The text of an id; a file may hold anything, a list cannot be a key, and tables turn 7 into 7.0."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)[:80]


def _entries(path: Path, content: Mapping, key: str) -> list[Mapping]:
    entries = content.get(key) or []
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise InputError(f"{path}: {key} is not a list of objects; export it again as COCO instances")
    return entries


def _size(path: Path, image: Mapping) -> Size:
    width, height = (_whole(image.get(key)) for key in ("width", "height"))
    if not width or not height:
        shown = " x ".join(str(image.get(key))[:40] for key in ("width", "height"))
        raise InputError(f"{path}: image {_id(image.get('id'))} has {shown} pixels; expected its width and height")
    return width, height


def _whole(length: object) -> int | None:
    """A length in pixels, which may be written as 512.0; None where it is not a whole number above 0."""
    is_length = type(length) in (int, float) and 0 < length < math.inf and length == int(length)  # type: ignore[operator, call-overload]
    return int(length) if is_length else None  # type: ignore[call-overload]


def _read_annotation(entry: Mapping, size: Size, where: str, label: str) -> list[DrawnRegion]:
    """The regions of one annotation; if it cannot be read, one region with a fault."""
    segmentation = entry.get("segmentation")
    components = [part for part in segmentation if part != []] if isinstance(segmentation, list) else segmentation
    try:
        if isinstance(components, Mapping) and components:
            mask = _read_runs(components, size)
            shapes = [bitmap_attributes(mask)] if mask.any() else []
        elif isinstance(components, list):
            shapes = [_polygon(component) for component in components]
        elif components:
            raise RegionError(f"segmentation is {str(components)[:40]}; expected polygons or run lengths")
        else:
            shapes = []
        if shapes:
            return [DrawnRegion(shape, where, "", label, size) for shape in shapes]
        if box := _box(entry.get("bbox")):
            return [DrawnRegion(box, where, "", label, size, box_only=True)]
        if isinstance(components, Mapping):  # some exporters write run lengths for an empty mask
            return [DrawnRegion(None, where, "", label, size, empty=True)]
        raise RegionError(
            f"segmentation is {str(segmentation)[:40]} and there is no box; expected polygons, run lengths or a box"
        )
    except RegionError as error:
        return [DrawnRegion(None, where, str(error), label, size)]


def _polygon(numbers: object) -> dict:
    if not isinstance(numbers, list) or len(numbers) % 2 or not _are_numbers(numbers):
        raise RegionError(f"polygon is {str(numbers)[:40]}; expected a list x, y, x, y, ... of numbers")
    if are_fractions(numbers):
        raise RegionError(f"polygon is {str(numbers)[:40]}, which are fractions of the image; expected pixels")
    shifted = [number - 0.5 for number in numbers]
    return {"name": "polygon", "all_points_x": shifted[::2], "all_points_y": shifted[1::2]}


def _are_numbers(values: Sequence[object]) -> bool:
    """Whether all are finite numbers; whole ones that exceed the range of floating point are not."""
    return all(type(value) in (int, float) and abs(value) < 1e300 for value in values)  # type: ignore[arg-type, operator]


def _box(bbox: object) -> dict | None:
    """The rectangle of the pixels in a box of left, top, width, height; None where it is absent or has no area."""
    if bbox is None or bbox == []:
        return None
    if not isinstance(bbox, list) or len(bbox) != 4 or not _are_numbers(bbox) or min(bbox[2:]) < 0:
        raise RegionError(f"box is {str(bbox)[:40]}; expected a list of left, top, width, height")
    if are_fractions(bbox):
        raise RegionError(f"box is {str(bbox)[:40]}, which are fractions of the image; expected pixels")
    left, top, width, height = bbox
    if not width or not height:
        return None
    return box_attributes(left, top, width, height)


def _read_runs(runs: Mapping, size: Size) -> np.ndarray:
    """Decodes run lengths to a mask, (height, width) uint8 of 0 and 1."""
    width, height = size
    counts = runs.get("counts")
    if runs.get("size") != [height, width]:
        raise RegionError(
            f"run lengths have the size {str(runs.get('size'))[:40]}; expected the image's height and width, {[height, width]}"
        )
    if not isinstance(counts, str):
        return decode_runs(counts, width, height)
    if not counts or width * height > MOST_PIXELS:  # pycocotools decodes an empty text to whatever memory holds
        raise RegionError(f"compressed run lengths of {width} x {height} pixels are {counts[:40]!r}, which cannot be unpacked")
    return _decompress(counts, size)


def _decompress(counts: str, size: Size) -> np.ndarray:
    require("pycocotools", "to read COCO's compressed run lengths")
    from pycocotools import mask as coco

    try:
        return coco.decode({"size": [size[1], size[0]], "counts": counts.encode("ascii")})
    except ValueError as error:
        raise RegionError(f"compressed run lengths cannot be unpacked ({error}): {counts[:40]}") from error


COCO = AnnotationFormat(add_coco, frozenset({".json"}))
