"""Finds and reads the annotation files: the table of images, and the regions in any format that has a module here."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.annotations.coco import is_coco, read_coco
from pipeline.annotations.contents import AnnotatedImage, Annotations, DrawnRegion, SegReference, TableRow, add_regions
from pipeline.annotations.joining import UNLISTED, class_unlisted, rename_images
from pipeline.annotations.masks import SUFFIXES as MASK_SUFFIXES
from pipeline.annotations.masks import find_masks, read_masks
from pipeline.annotations.seg import add_seg, check_reference, is_seg
from pipeline.annotations.table import add_listed, add_table, read_rows, read_xlsx
from pipeline.annotations.via import read_via_csv, read_via_json
from pipeline.files import InputError
from pipeline.indexing.layout import image_key
from pipeline.recipe import CDD_CESM, Layout
from pipeline.sources import find_files

__all__ = [
    "UNLISTED",
    "Annotations",
    "DrawnRegion",
    "SegReference",
    "TableRow",
    "check_reference",
    "class_unlisted",
    "find_annotations",
    "read_annotations",
    "rename_images",
]

SUFFIXES = {".csv", ".xlsx", ".json"}


def find_annotations(place: Path, layout: Layout = CDD_CESM) -> list[Path]:
    """Files below a folder that may hold annotations (or the one file given), sorted.

    Raises:
      InputError: there is no such folder or file.
    """
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise InputError(f"{place}: no such folder; ANNOTATIONS names the folder with the annotation files")
    segs = filter(is_seg, find_files(place, set(), dicom=True))
    return sorted([*find_files(place, SUFFIXES), *segs, *find_masks(place, layout)])


def read_annotations(paths: Sequence[Path], place: Path, layout: Layout = CDD_CESM) -> Annotations:
    """Reads every file that holds an annotation table or regions and passes over the others.

    Two files with the same rows are one.

    Args:
      paths: the files, as `find_annotations` gave them.
      place: the folder where they were found, or the one file.
      layout: of the recipe.

    Raises:
      InputError: a file lacks a column or is broken, or two files contradict each other.
    """
    masks = {path for path in paths if layout.mask and path.suffix.lower() in MASK_SUFFIXES}
    found = Annotations()
    for path in paths:
        if path not in masks and _add_file(found, path, layout):
            found.files.append(path)
    if masks:
        add_regions(found, "a mask", read_masks(sorted(masks), place, layout))
        found.files += sorted(masks)
    return found


def _add_file(found: Annotations, path: Path, layout: Layout) -> bool:
    """Adds what a file says; False where it says nothing."""
    suffix = path.suffix.lower()
    if is_seg(path):
        add_seg(found, path)
        return True
    if suffix == ".json":
        return add_regions(found, path.name, _keyed(_read_json(path), layout))
    header, rows = read_xlsx(path) if suffix == ".xlsx" else read_rows(path)
    if "region_shape_attributes" in header or "#filename" in header:
        return add_regions(found, path.name, _keyed(read_via_csv(path, header, rows), layout))
    if not layout.table.columns:
        return add_table(found, path, header, rows)
    if suffix == ".csv":
        header, rows = read_rows(path, layout.table.delimiter)
    return add_listed(found, path, header, rows, layout)


def _keyed(images: Iterable[AnnotatedImage], layout: Layout) -> Iterator[AnnotatedImage]:
    """The same by the images' keys instead of their names."""
    yield from ((image_key(name, layout), size, regions) for name, size, regions in images)


def _read_json(path: Path) -> Iterable[AnnotatedImage]:
    """Images of a file by VIA or of COCO; none where it is other JSON, which need not even be valid."""
    data = path.read_bytes()
    via = b"shape_attributes" in data or b"_via_img_metadata" in data
    if not via and not (b'"images"' in data and b'"annotations"' in data):
        return []
    try:
        content = json.loads(data)
    except ValueError as error:
        raise InputError(f"{path}: is no valid JSON ({error}); export it again") from error
    if is_coco(content):
        return read_coco(path, content)
    return read_via_json(path, content) if via else []
