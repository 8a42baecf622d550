"""Finds and reads the annotation files: the table of images (CSV or xlsx) and the hand-drawn regions (VIA CSV or JSON)."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.files import InputError
from pipeline.names import clean_name
from pipeline.sources import find_files

SUFFIXES = {".csv", ".xlsx", ".json"}
SHEET = "all"  # of the workbook's nine sheets the only one that holds the whole table

# Our word for a column, and how its header begins once case, spaces and signs are taken out.
_COLUMNS = {
    "image": "imagename",
    "class": "pathologyclassification",
    "density": "breastdensity",
    "birads": "birads",
    "findings": "findings",
    "machine": "machine",
}
_REQUIRED = ("image", "class")
_VIA_COLUMNS = ("file_size", "region_shape_attributes")


@dataclass(frozen=True)
class TableRow:
    """One image's row of the annotation table; cells without stray spaces, `_` and absent columns are empty."""

    written: str  # the name as the table spells it
    cells: dict[str, str]
    where: str


@dataclass(frozen=True)
class DrawnRegion:
    """One region as the annotation file has it: its shape attributes, or what is wrong with them."""

    attributes: object
    where: str
    fault: str = ""


@dataclass
class Annotations:
    """All that the annotation files say, by cleaned image name.

    Attributes:
      files: the files that were used.
      rows: the table.
      regions: the drawn regions; an image that the file names without a region has an empty list.
      file_sizes: bytes of the image that was annotated.
    """

    files: list[Path] = field(default_factory=list)
    rows: dict[str, TableRow] = field(default_factory=dict)
    regions: dict[str, list[DrawnRegion]] = field(default_factory=dict)
    file_sizes: dict[str, int] = field(default_factory=dict)


def find_annotations(place: Path) -> list[Path]:
    """Files below a folder that may hold annotations (or the one file given), sorted.

    Raises:
      InputError: there is no such folder or file.
    """
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise InputError(f"{place}: no such folder; ANNOTATIONS names the folder with the annotation files")
    return find_files(place, SUFFIXES)


def read_annotations(paths: Iterable[Path]) -> Annotations:
    """Reads every file that holds an annotation table or VIA regions and passes over the others.

    Two files with the same rows are one.

    Raises:
      InputError: a file lacks a column or is broken, or two files contradict each other.
    """
    found = Annotations()
    for path in paths:
        if path.suffix.lower() == ".json":
            used = _add_regions(found, path, _read_via_json(path))
        else:
            header, rows = _read_xlsx(path) if path.suffix.lower() == ".xlsx" else _read_rows(path)
            if "region_shape_attributes" in header or "#filename" in header:
                used = _add_regions(found, path, _read_via_csv(path, header, rows))
            else:
                used = _add_table(found, path, header, rows)
        if used:
            found.files.append(path)
    return found


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error}); save it again as UTF-8 CSV, or move it away") from error
    return header, rows


def _read_xlsx(path: Path) -> tuple[list[str], list[list[str]]]:
    import pandas

    try:
        with pandas.ExcelFile(path) as book:
            if SHEET not in book.sheet_names:
                return [], []
            table = pandas.read_excel(book, sheet_name=SHEET, dtype=str, keep_default_na=False)
    except Exception as error:  # openpyxl raises what its unzipping and its XML parser happen to meet
        raise InputError(f"{path}: cannot be read as xlsx ({error}); save it again, or give the CSV instead") from error
    return [str(name) for name in table.columns], table.to_numpy().tolist()


def _add_table(found: Annotations, path: Path, header: list[str], rows: list[list[str]]) -> bool:
    """Adds an annotation table's rows; False where the file is no such table."""
    places = {}
    for index, name in enumerate(header):
        plain = re.sub(r"[^a-z]", "", name.lower())
        places.update({ours: index for ours, start in _COLUMNS.items() if plain.startswith(start) and ours not in places})
    if len(places) < 2 or not set(_REQUIRED) & set(places):
        return False
    if missing := [column for column in _REQUIRED if column not in places]:
        wanted = {"image": "Image_name", "class": "Pathology Classification/ Follow up"}[missing[0]]
        raise InputError(f"{path}: has no column {wanted!r}; it has {', '.join(header)}")
    for number, row in enumerate(rows, 2):
        padded = row + [""] * (len(header) - len(row))
        if not padded[places["image"]].strip():
            continue
        cells = {column: _cell(padded[index]) for column, index in places.items() if column != "image"}
        _add_row(found, TableRow(padded[places["image"]], cells, f"{path.name} row {number}"))
    return True


def _cell(text: str) -> str:
    text = " ".join(text.split())
    return "" if text == "_" else text


def _add_row(found: Annotations, row: TableRow) -> None:
    name = clean_name(row.written)
    known = found.rows.setdefault(name, row)
    for column in known.cells.keys() & row.cells.keys():
        if known.cells[column] != row.cells[column]:
            raise InputError(
                f"{name}: {column} is {known.cells[column]!r} in {known.where} but {row.cells[column]!r} in "
                f"{row.where}; correct or remove one of them"
            )


ViaImage = tuple[str, int | None, list[DrawnRegion]]


def _read_via_csv(path: Path, header: list[str], rows: list[list[str]]) -> Iterator[ViaImage]:
    name_column = "#filename" if "#filename" in header else "filename"
    if missing := [column for column in (name_column, *_VIA_COLUMNS) if column not in header]:
        raise InputError(f"{path}: has no column {missing[0]!r}; it has {', '.join(header)}")
    at_name, at_size, at_shape = (header.index(column) for column in (name_column, *_VIA_COLUMNS))
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
        return DrawnRegion(None, where, f"region_shape_attributes is no JSON ({error}): {cell[:40]}")


def _size(value: object) -> int | None:
    return int(str(value)) if str(value).isdigit() and int(str(value)) else None


def _read_via_json(path: Path) -> Iterator[ViaImage]:
    text = path.read_bytes()
    if b"shape_attributes" not in text:
        return
    try:
        project = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: is no valid JSON ({error}); export it again from VIA") from error
    entries = project.get("_via_img_metadata", project) if isinstance(project, Mapping) else None
    if not isinstance(entries, Mapping):
        raise InputError(f"{path}: holds shape_attributes but is no VIA 2 project or annotation export")
    for key, entry in entries.items():
        if not isinstance(entry, Mapping) or "filename" not in entry:
            raise InputError(f"{path}: entry {key!r} has no filename; export it again from VIA 2 as JSON")
        regions = entry.get("regions") or []
        regions = list(regions.values()) if isinstance(regions, Mapping) else regions
        drawn = [
            DrawnRegion(
                region.get("shape_attributes") if isinstance(region, Mapping) else region, f"{path.name} {key} region {number}"
            )
            for number, region in enumerate(regions)
        ]
        yield str(entry["filename"]), _size(entry.get("size")), drawn


def _add_regions(found: Annotations, path: Path, images: Iterable[ViaImage]) -> bool:
    used = False
    for written, size, regions in images:
        used = True
        name = clean_name(written)
        known = found.regions.setdefault(name, regions)
        if known is not regions and _shapes(known) != _shapes(regions):
            raise InputError(f"{name}: its regions in {path.name} are not those in {_file_of(known)}; remove one of the files")
        if size is not None:
            found.file_sizes.setdefault(name, size)
    return used


def _shapes(regions: list[DrawnRegion]) -> list[str]:
    return sorted(json.dumps(region.attributes, sort_keys=True) for region in regions)


def _file_of(regions: list[DrawnRegion]) -> str:
    return regions[0].where.split(" ")[0] if regions else "the other file"
