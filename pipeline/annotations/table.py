"""Reads CDD-CESM's table of images: a CSV file, or a sheet of a workbook."""

import re

from pipeline.annotations.contents import Annotations, TableRow, add_row
from pipeline.annotations.format import AnnotationFile, AnnotationFormat
from pipeline.contract import COLUMNS, LESION_CLASSES, clean_name
from pipeline.files import TABLE_SUFFIXES, InputError, Table, plain_header
from pipeline.recipe import Layout

# Our name for a column, and the start of its header, reduced to letters in lower case.
_HEADERS = {"image": "imagename"} | {column.name: column.header for column in COLUMNS if column.header}
_REQUIRED = {"image", "class"}
UNNAMED = "has a lesion and no image; write the image into each row, also where cells were merged, and formulas as values"


def add_table(annotations: Annotations, file: AnnotationFile, layout: Layout) -> bool:
    """Adds the rows of CDD-CESM's table; returns False for any other file, or if the layout names another table's columns.

    Raises:
      InputError: the table lacks a column, or has one twice; a row has too many cells, or a class and no image.
    """
    if layout.table.columns:
        return False
    table = file.find_table(lambda table: _columns(table) >= _REQUIRED) or file.find_table(_marks)
    if table is None:
        return False
    positions = _positions(table)
    if missing := [column for column in ("image", "class") if column not in positions]:
        expected = {"image": "Image_name", "class": "Pathology Classification/ Follow up"}[missing[0]]
        raise InputError(f"{table.path}: has no column {expected!r}; it has {', '.join(table.header)}")
    for number, row in table.rows:
        if len(row) > len(table.header):
            raise InputError(f"{table.path}: row {number} has {len(row)} cells; the header has {len(table.header)}")
        padded = row + [""] * (len(table.header) - len(row))
        written = padded[positions["image"]]
        cells = {column: read_cell(padded[position]) for column, position in positions.items() if column != "image"}
        if not written.strip() and cells["class"].lower() in LESION_CLASSES:
            raise InputError(f"{table.path}: row {number} {UNNAMED}")
        if written.strip():
            add_row(annotations, clean_name(written), TableRow(written, cells, f"{table.path.name} row {number}"))
    return True


def _columns(table: Table) -> set[str]:
    return {ours for name in table.header for ours, start in _HEADERS.items() if _letters(name).startswith(start)}


def _marks(table: Table) -> bool:
    """Whether a table has two of CDD-CESM's columns, the image or the class among them, so that it is meant to be its table."""
    return len(_columns(table)) >= 2 and bool(_columns(table) & _REQUIRED)


def _positions(table: Table) -> dict[str, int]:
    """The positions of CDD-CESM's columns; each is the first whose header begins as it should."""
    positions: dict[str, int] = {}
    for position, name in enumerate(table.header):
        for ours, start in _HEADERS.items():
            if _letters(name).startswith(start) and positions.setdefault(ours, position) != position:
                first = table.header[positions[ours]]
                if plain_header(first) == plain_header(name):
                    raise InputError(f"{table.path}: has two columns {name!r}; keep one of them")
    return positions


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def read_cell(text: str) -> str:
    """A cell's text without stray spaces; empty for `_`, which CDD-CESM writes where nothing is known."""
    text = " ".join(text.split())
    return "" if text == "_" else text


CDD_CESM_TABLE = AnnotationFormat(add_table, TABLE_SUFFIXES, has_regions=False)
