"""Reads the files of VGG Image Annotator 2: the CSV of regions, the annotation export and the project (both JSON)."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.annotations.contents import AnnotatedImage, Annotations, DrawnRegion
from pipeline.annotations.format import AnnotationFile, AnnotationFormat, add_images
from pipeline.files import InputError
from pipeline.recipe import Layout

_COLUMNS = ("file_size", "region_shape_attributes")


def add_via_csv(annotations: Annotations, file: AnnotationFile, layout: Layout) -> bool:
    """Adds the regions of a CSV export; returns False for any other file."""
    header, rows = file.rows
    marked = "region_shape_attributes" in header or "#filename" in header
    return marked and add_images(annotations, file, read_via_csv(file.path, header, rows), layout)


def add_via_json(annotations: Annotations, file: AnnotationFile, layout: Layout) -> bool:
    """Adds the regions of a project or an annotation export; returns False for any other file."""
    marked = file.suffix == ".json" and (b"shape_attributes" in file.data or b"_via_img_metadata" in file.data)
    return marked and add_images(annotations, file, read_via_json(file.path, file.content), layout)


def read_via_csv(path: Path, header: list[str], rows: list[list[str]]) -> Iterator[AnnotatedImage]:
    """Yields the images of a CSV export with this header and these rows."""
    name_column = "#filename" if "#filename" in header else "filename"
    if missing := [column for column in (name_column, *_COLUMNS) if column not in header]:
        raise InputError(f"{path}: has no column {missing[0]!r}; it has {', '.join(header)}")
    at_name, at_size, at_shape = (header.index(column) for column in (name_column, *_COLUMNS))
    images: dict[str, tuple[int | None, list[DrawnRegion]]] = {}
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        where = f"{path.name} row {number}"
        if len(row) != len(header):
            raise InputError(f"{path}: row {number} has {len(row)} cells; the header has {len(header)}")
        _, regions = images.setdefault(row[at_name], (_size(row[at_size]), []))
        if row[at_shape].strip() not in ("", "{}"):  # VIA writes {} for an image without regions
            regions.append(_parse_shape(row[at_shape], where))
    yield from ((name, size, regions) for name, (size, regions) in images.items())


def _parse_shape(cell: str, where: str) -> DrawnRegion:
    try:
        return DrawnRegion(json.loads(cell), where)
    except ValueError as error:
        return DrawnRegion(None, where, f"region_shape_attributes is not valid JSON ({error}): {cell[:40]}")


def _size(value: object) -> int | None:
    return int(str(value)) if str(value).isdigit() and int(str(value)) else None


def read_via_json(path: Path, project: object) -> Iterator[AnnotatedImage]:
    """Yields the images of a project or an annotation export.

    Args:
      path: the file, for messages.
      project: its JSON.

    Raises:
      InputError: it is neither.
    """
    entries = project.get("_via_img_metadata", project) if isinstance(project, Mapping) else None
    if not isinstance(entries, Mapping):
        raise InputError(f"{path}: holds shape_attributes but is not a project or annotation export of VIA 2; export it again")
    for key, entry in entries.items():
        if not isinstance(entry, Mapping) or "filename" not in entry:
            raise InputError(f"{path}: entry {key!r} has no filename; export it again from VIA 2 as JSON")
        regions = entry.get("regions") or []
        regions = list(regions.values()) if isinstance(regions, Mapping) else regions
        if not isinstance(regions, list):
            raise InputError(f"{path}: regions of entry {key!r} are {regions!r}; expected a list or an object")
        drawn = [
            DrawnRegion(
                region.get("shape_attributes") if isinstance(region, Mapping) else region, f"{path.name} {key} region {number}"
            )
            for number, region in enumerate(regions)
        ]
        yield str(entry["filename"]), _size(entry.get("size")), drawn


VIA_CSV = AnnotationFormat(add_via_csv, frozenset({".csv"}))
VIA_JSON = AnnotationFormat(add_via_json, frozenset({".json"}))
