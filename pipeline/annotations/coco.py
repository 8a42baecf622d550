"""Reads COCO's JSON of instances: polygons and run lengths, one entry of `images` per image.

Source: the data format of COCO (Lin et al., ECCV 2014, 10.1007/978-3-319-10602-1_48). Its coordinates count from the
corner of the first pixel, ours from its centre: half a pixel is subtracted.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from pipeline.annotations.contents import AnnotatedImage, Annotations, DrawnRegion
from pipeline.annotations.format import AnnotationFile, AnnotationFormat, add_images
from pipeline.drawing.regions import MOST_PIXELS, RegionError, bitmap_attributes, decode_runs
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

    Args:
      path: the file, for messages.
      content: its JSON.

    Raises:
      InputError: an image has no id, name or size, an annotation refers to no image of the file, or runs are compressed and
        pycocotools is not installed.
    """
    # By the text of their ids: a file may hold anything, and a list cannot be a key.
    labels = {str(category.get("id")): str(category.get("name", "")) for category in _entries(path, content, "categories")}
    images = {str(image.get("id")): image for image in _entries(path, content, "images")}
    drawn: dict[str, list[DrawnRegion]] = {number: [] for number in images}
    for entry in _entries(path, content, "annotations"):
        number = str(entry.get("image_id"))
        if number not in images:
            raise InputError(f"{path}: annotation {entry.get('id')} refers to image {number}, which is not listed in images")
        where, label = f"{path.name} annotation {entry.get('id')}", labels.get(str(entry.get("category_id")), "")
        drawn[number] += _read_segmentation(entry.get("segmentation"), _size(path, images[number]), where, label)
    for number, image in images.items():
        if not isinstance(image.get("file_name"), str):
            raise InputError(f"{path}: image {number} has no file_name; it has {', '.join(image)}")
        yield image["file_name"], None, drawn[number]


def _entries(path: Path, content: Mapping, key: str) -> list[Mapping]:
    entries = content.get(key) or []
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise InputError(f"{path}: {key} is not a list of objects; export it again as COCO instances")
    return entries


def _size(path: Path, image: Mapping) -> Size:
    size = image.get("width"), image.get("height")
    if not all(type(length) is int and length > 0 for length in size):
        raise InputError(f"{path}: image {image.get('id')} has {size[0]!r} x {size[1]!r} pixels; expected its width and height")
    return size  # type: ignore[return-value]


def _read_segmentation(segmentation: object, size: Size, where: str, label: str) -> list[DrawnRegion]:
    """The regions of one annotation; if it cannot be read, one region with a fault."""
    try:
        if isinstance(segmentation, Mapping):
            mask = _read_runs(segmentation, size)
            # An annotation without a pixel is not a region: some exporters write one for an empty mask.
            shapes = [bitmap_attributes(mask)] if mask.any() else []
        elif isinstance(segmentation, list):
            shapes = [_polygon(component) for component in segmentation]
        else:
            raise RegionError(f"segmentation is {str(segmentation)[:40]}; expected polygons or run lengths")
    except RegionError as error:
        return [DrawnRegion(None, where, str(error), label, size)]
    return [DrawnRegion(shape, where, "", label, size) for shape in shapes]


def _polygon(numbers: object) -> dict:
    if not isinstance(numbers, list) or len(numbers) % 2 or not {type(number) for number in numbers} <= {int, float}:
        raise RegionError(f"polygon is {str(numbers)[:40]}; expected a list x, y, x, y, ... of numbers")
    shifted = [number - 0.5 for number in numbers]
    return {"name": "polygon", "all_points_x": shifted[::2], "all_points_y": shifted[1::2]}


def _read_runs(runs: Mapping, size: Size) -> np.ndarray:
    """Decodes run lengths to a mask, (height, width) uint8 of 0 and 1."""
    width, height = size
    counts = runs.get("counts")
    if runs.get("size") != [height, width]:
        raise RegionError(
            f"run lengths have the size {runs.get('size')}; expected the image's height and width, {[height, width]}"
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
