"""Reads COCO annotations and results as masks, with the highest score of each pixel as its probability.

Source: "Data format" and "Results format" of cocodataset.org.
"""

from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.contract import MOST_PIXELS
from pipeline.files import InputError, parse_json, read_regular, require
from pipeline.sources import stem_of

_REMEDY = "export it again as COCO annotations or results"
_MOST = 1e6  # a coordinate beyond it is an error, and pycocotools would count up to it


@dataclass(frozen=True)
class _Image:
    id: int | str
    file_name: str
    width: int
    height: int


@dataclass(frozen=True)
class Region:
    """One annotation or result; annotations have no score, which counts as 1."""

    image_id: int | str
    segmentation: Any
    category_id: int = 1
    score: float = 1.0


@dataclass(frozen=True)
class _Category:
    id: int
    name: str


@dataclass(frozen=True)
class _Table:
    images: list[_Image]
    annotations: list[Region] = field(default_factory=list)
    categories: list[_Category] = field(default_factory=list)


@dataclass(frozen=True)
class Drawn:
    """The regions of one image.

    Attributes:
      size: height and width of the image; None where no table of images gives it.
      categories: the names of the categories by id; empty where no file lists them.
    """

    origin: str
    regions: Sequence[Region]
    size: tuple[int, int] | None
    categories: Mapping[int, str]


def read_coco(paths: Sequence[Path]) -> tuple[dict[str, Drawn], bool]:
    """Reads the regions of images by the names of their samples.

    Args:
      paths: files of annotations; or of results, whose image numbers are looked up in the files of annotations. Where there
        are results, the files of annotations only give the images and categories, because their annotations are the ground
        truth.

    Returns:
      For each image that is listed or has a region, what is drawn; and whether these are results, which have scores.

    Raises:
      InputError: a file cannot be read, a number is not that of an image, or a category has two names.
    """
    results, tables = {}, {}
    for path in paths:
        try:
            data = read_regular(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
        if data.removeprefix(BOM_UTF8).lstrip()[:1] == b"[":
            results[path] = parse_json(data, list[Region], str(path), _REMEDY)
        else:
            tables[path] = parse_json(data, _Table, str(path), _REMEDY)
    images = _images(tables)
    regions: dict[str, list[Region]] = {name: [] for name, _ in images.values()}
    sources = results or {path: table.annotations for path, table in tables.items()}
    for path, entries in sources.items():
        for region in entries:
            regions.setdefault(_name(path, region, images), []).append(region)
    sizes, origin, categories = dict(images.values()), ", ".join(map(str, sources)), _categories(tables)
    drawn = {name: Drawn(f"{origin}: {name}", regions[name], sizes.get(name), categories) for name in regions}
    return drawn, bool(results)


def _categories(tables: Mapping[Path, _Table]) -> dict[int, str]:
    """The name of the category of each number."""
    names: dict[int, str] = {}
    for path, table in tables.items():
        for category in table.categories:
            if (name := names.setdefault(category.id, category.name)) != category.name:
                raise InputError(
                    f"{path}: names the category {category.id} {category.name}, which is also {name}; use one id per name"
                )
    return names


def _images(tables: dict[Path, _Table]) -> dict[int | str, tuple[str, tuple[int, int]]]:
    """The name, and height and width, of the image of each number."""
    images: dict[int | str, tuple[str, tuple[int, int]]] = {}
    names: set[str] = set()
    for path, table in tables.items():
        for image in table.images:
            name = _stem(image.file_name)
            if image.id in images or name in names:
                raise InputError(f"{path}: lists the image {image.id}, {image.file_name}, twice; remove one of the entries")
            images[image.id] = name, (image.height, image.width)
            names.add(name)
    return images


def _name(path: Path, region: Region, images: dict[int | str, tuple[str, tuple[int, int]]]) -> str:
    if region.image_id in images:
        return images[region.image_id][0]
    if isinstance(region.image_id, str) and not images:
        return _stem(region.image_id)
    raise InputError(
        f"{path}: refers to image {region.image_id!r}, which no file of annotations lists; give that file to --masks, too"
    )


def _stem(file_name: str) -> str:
    return stem_of(Path(file_name.replace("\\", "/")))  # programs on Windows write their own separator


def draw(drawn: Drawn, classes: int, threshold: float, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Draws the regions of an image.

    Args:
      classes: how many there are, including the background; 1 separates lesion from background.
      threshold: regions of lower score are in no mask.
      names: that categories may have: those of the classes 1, 2, ...; or where all lesions are one class, all names of it. Where
        categories have no names, category_id is the class.

    Returns:
      (height, width) uint8 classes, those of a higher score on top, and (height, width) float32, the highest score.

    Raises:
      InputError: a region cannot be read, or is of another class or size.
    """
    require("pycocotools", "to read COCO's regions")
    size = drawn.size or next((_size_of(region) for region in drawn.regions), None)
    if not size or min(size) < 1 or size[0] * size[1] > MOST_PIXELS:
        raise InputError(f"{drawn.origin}: has no usable size; give the file of annotations that lists the image, too")
    mask, likely = np.zeros(size, np.uint8), np.zeros(size, np.float32)
    for region in sorted(drawn.regions, key=lambda region: region.score):
        index = _class_of(region, drawn, classes, names)
        if not 0 <= region.score <= 1:
            raise InputError(f"{drawn.origin}: has the score {region.score:g}; expected 0 to 1")
        pixels = _decode(region.segmentation, size, drawn.origin)
        likely[pixels] = region.score
        if region.score >= threshold:
            mask[pixels] = index
    return mask, likely


def _class_of(region: Region, drawn: Drawn, classes: int, names: Iterable[str]) -> int:
    number, folded = region.category_id, [name.casefold() for name in names]
    if not drawn.categories:
        if classes > 1 and not 1 <= number < classes:
            raise InputError(f"{drawn.origin}: has the category {number}; expected 1 to {classes - 1}")
        return number if classes > 1 else 1
    name = drawn.categories.get(number, "")
    if name.strip().casefold() not in folded:
        raise InputError(
            f"{drawn.origin}: has a region of the category {number}, {name or 'which has no name'}; expected {', '.join(names)}; "
            "rename the category, or remove its regions"
        )
    return folded.index(name.strip().casefold()) + 1 if classes > 1 else 1


def _size_of(region: Region) -> tuple[int, int] | None:
    size = region.segmentation.get("size") if isinstance(region.segmentation, dict) else None
    return tuple(size) if isinstance(size, list) and len(size) == 2 and all(type(side) is int for side in size) else None


def _decode(segmentation: Any, size: tuple[int, int], origin: str) -> np.ndarray:
    """The pixels of polygons or run lengths, (height, width) bool."""
    from pycocotools import mask as coco

    height, width = size
    try:
        if isinstance(segmentation, list) and segmentation and all(map(_is_polygon, segmentation)):
            _check_place(segmentation, size, origin)
            return coco.decode(coco.merge(coco.frPyObjects(segmentation, height, width))).astype(bool)
        if isinstance(segmentation, dict) and segmentation.get("size") == [height, width]:
            counts = segmentation.get("counts")
            if isinstance(counts, str) and counts:
                return coco.decode({"size": [height, width], "counts": counts.encode("ascii")}).astype(bool)
            if (
                isinstance(counts, list)
                and all(type(count) is int and count >= 0 for count in counts)
                and sum(counts) == height * width
            ):
                return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape((height, width), order="F")
    except ValueError as error:
        raise InputError(f"{origin}: has run lengths that cannot be unpacked ({error}); {_REMEDY}") from error
    raise InputError(
        f"{origin}: has the segmentation {str(segmentation)[:60]}; expected polygons, or run lengths of {width} x {height} pixels"
    )


def _check_place(polygons: Sequence[Sequence[float]], size: tuple[int, int], origin: str) -> None:
    """Refuses polygons that mark nothing, because their coordinates are not pixels of this image."""
    height, width = size
    if min(map(min, polygons)) >= 0 and max(map(max, polygons)) <= 1 < max(size):  # as YOLO writes coordinates
        raise InputError(f"{origin}: has the polygon {str(polygons[0])[:40]}, which are fractions of the image; expected pixels")
    for polygon in polygons:
        x, y = polygon[::2], polygon[1::2]
        if max(x) <= 0 or min(x) >= width or max(y) <= 0 or min(y) >= height:
            raise InputError(
                f"{origin}: has a polygon from x={min(x):g} y={min(y):g}, which misses the image of {width} x {height} pixels; "
                "is it of another image, or of another size?"
            )


def _is_polygon(numbers: Any) -> bool:
    return (
        isinstance(numbers, list)
        and len(numbers) >= 6
        and len(numbers) % 2 == 0
        and all(type(number) in (int, float) and abs(number) < _MOST for number in numbers)
    )
