"""Reads the files of VGG Image Annotator 2: the CSV of regions, the annotation export and the project (both JSON)."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.annotations.contents import AnnotatedImage, Annotations, DrawnRegion
from pipeline.annotations.format import AnnotationFile, AnnotationFormat, add_images
from pipeline.annotations.labels import find_label_or_image_class
from pipeline.files import TABLE_SUFFIXES, InputError, Table, parse_json, plain_header
from pipeline.recipe import Layout

_SHAPE, _ATTRIBUTES, _SIZE, _OF_IMAGE = "region_shape_attributes", "region_attributes", "file_size", "file_attributes"
_MARKS = {_SHAPE, "#filename"}


def add_via_csv(annotations: Annotations, file: AnnotationFile, layout: Layout) -> bool:
    """Adds the regions of a CSV export; returns False for any other file."""
    table = file.find_table(lambda table: bool(_MARKS & set(map(plain_header, table.header))))
    return table is not None and add_images(annotations, file, read_via_csv(table, layout), layout)


def add_via_json(annotations: Annotations, file: AnnotationFile, layout: Layout) -> bool:
    """Adds the regions of a project or an annotation export; returns False for any other file."""
    marked = file.suffix == ".json" and (b"shape_attributes" in file.data or b"_via_img_metadata" in file.data)
    return marked and add_images(annotations, file, read_via_json(file.path, file.content, layout), layout)


def read_via_csv(table: Table, layout: Layout) -> Iterator[AnnotatedImage]:
    """Yields the images of a CSV export; rows of one name and one file size belong to one image.

    Raises:
      InputError: a column is missing, a row lacks cells, or a region has no image.
    """
    path, name_column = table.path, "#filename" if table.column("#filename") is not None else "filename"
    positions = {name: table.column(name) for name in (name_column, _SIZE, _SHAPE, _ATTRIBUTES, _OF_IMAGE)}
    if missing := [name for name in (name_column, _SIZE, _SHAPE) if positions[name] is None]:
        raise InputError(f"{path}: has no column {missing[0]!r}; it has {', '.join(table.header)}")
    images: dict[tuple[str, int | None], list[DrawnRegion]] = {}
    for number, row in table.rows:
        if len(row) != len(table.header):
            raise InputError(f"{path}: row {number} has {len(row)} cells; the header has {len(table.header)}")
        name, size, shape, attributes, of_image = ("" if at is None else row[at].strip() for at in positions.values())
        is_drawn = shape not in ("", "{}")  # VIA writes {} for an image without regions
        if not name:
            if is_drawn:
                raise InputError(f"{path}: row {number} has a region and no {name_column}; name its image, or remove the row")
            continue
        regions = images.setdefault((name, _size(size)), [])
        if is_drawn:
            regions.append(_parse_row(shape, attributes, of_image, f"{path.name} row {number}", layout))
    yield from ((name, size, regions) for (name, size), regions in images.items())


def _parse_row(shape: str, attributes: str, of_image: str, where: str, layout: Layout) -> DrawnRegion:
    try:
        parsed = parse_json(shape, object, _SHAPE, shape[:40])
        described = parse_json(attributes or "{}", object, _ATTRIBUTES, attributes[:40])
        image = parse_json(of_image or "{}", object, _OF_IMAGE, of_image[:40])
    except InputError as error:
        return DrawnRegion(None, where, str(error))
    return DrawnRegion(parsed, where, label=find_label_or_image_class(described, image, layout))


def _size(value: object) -> int | None:
    """The size of a file in bytes; None where it is unknown, which VIA writes as -1."""
    match = re.fullmatch(r"([1-9][0-9]{0,14})(\.0*)?", str(value).strip()) if isinstance(value, str | int | float) else None
    return int(match[1]) if match else None


def read_via_json(path: Path, project: object, layout: Layout) -> Iterator[AnnotatedImage]:
    """Yields the images of a project or an annotation export.

    Args:
      path: the file, for messages.
      project: its JSON.
      layout: by whose classes labels are recognised.

    Raises:
      InputError: it is neither.
    """
    entries = project.get("_via_img_metadata", project) if isinstance(project, Mapping) else None
    if not isinstance(entries, Mapping):
        raise InputError(f"{path}: holds shape_attributes but is not a project or annotation export of VIA 2; export it again")
    for key, entry in entries.items():
        if not isinstance(entry, Mapping) or not isinstance(entry.get("filename"), str) or not entry["filename"].strip():
            raise InputError(f"{path}: entry {key[:80]!r} has no filename; export it again from VIA 2 as JSON")
        regions = entry.get("regions") or []
        regions = list(regions.values()) if isinstance(regions, Mapping) else regions
        if not isinstance(regions, list):
            shown = str(regions)[:80]
            raise InputError(f"{path}: regions of entry {key[:80]!r} are {shown!r}; expected a list or an object")
        of_image, where = entry.get(_OF_IMAGE), f"{path.name} {key[:80]}"
        drawn = [_read_region(region, of_image, f"{where} region {number}", layout) for number, region in enumerate(regions)]
        yield entry["filename"], _size(entry.get("size")), drawn


def _read_region(region: object, of_image: object, where: str, layout: Layout) -> DrawnRegion:
    if not isinstance(region, Mapping):
        return DrawnRegion(region, where)
    label = find_label_or_image_class(region.get("region_attributes"), of_image, layout)
    return DrawnRegion(region.get("shape_attributes"), where, label=label)


VIA_CSV = AnnotationFormat(add_via_csv, TABLE_SUFFIXES)
VIA_JSON = AnnotationFormat(add_via_json, frozenset({".json"}))
