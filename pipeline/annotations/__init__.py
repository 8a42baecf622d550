"""Finds and reads the annotation files: the table of images, and the regions in any format that has a module here."""

import json
from collections.abc import Iterable
from pathlib import Path

from pipeline.annotations.coco import is_coco, read_coco
from pipeline.annotations.contents import AnnotatedImage, Annotations, DrawnRegion, SegReference, TableRow, add_regions
from pipeline.annotations.seg import SUFFIXES as SEG_SUFFIXES
from pipeline.annotations.seg import add_seg, check_reference, is_seg
from pipeline.annotations.table import add_table, read_rows, read_xlsx
from pipeline.annotations.via import read_via_csv, read_via_json
from pipeline.files import InputError
from pipeline.sources import find_files

__all__ = ["Annotations", "DrawnRegion", "SegReference", "TableRow", "check_reference", "find_annotations", "read_annotations"]

SUFFIXES = {".csv", ".xlsx", ".json"}


def find_annotations(place: Path) -> list[Path]:
    """Files below a folder that may hold annotations (or the one file given), sorted.

    Raises:
      InputError: there is no such folder or file.
    """
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise InputError(f"{place}: no such folder; ANNOTATIONS names the folder with the annotation files")
    return sorted([*find_files(place, SUFFIXES), *filter(is_seg, find_files(place, SEG_SUFFIXES))])


def read_annotations(paths: Iterable[Path]) -> Annotations:
    """Reads every file that holds an annotation table or regions and passes over the others.

    Two files with the same rows are one.

    Raises:
      InputError: a file lacks a column or is broken, or two files contradict each other.
    """
    found = Annotations()
    for path in paths:
        if path.suffix.lower() in SEG_SUFFIXES:
            used = True
            add_seg(found, path)
        elif path.suffix.lower() == ".json":
            used = add_regions(found, path, _read_json(path))
        else:
            header, rows = read_xlsx(path) if path.suffix.lower() == ".xlsx" else read_rows(path)
            if "region_shape_attributes" in header or "#filename" in header:
                used = add_regions(found, path, read_via_csv(path, header, rows))
            else:
                used = add_table(found, path, header, rows)
        if used:
            found.files.append(path)
    return found


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
