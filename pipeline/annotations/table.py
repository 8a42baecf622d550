"""Reads the table of images: CDD-CESM's (a CSV file, or a sheet of a workbook), or another one by its headers."""

import re
from dataclasses import replace

from pipeline.annotations.contents import Annotations, TableRow, add_row
from pipeline.annotations.format import AnnotationFile, AnnotationFormat
from pipeline.annotations.labels import read_class
from pipeline.contract import COLUMNS, WORST_FIRST, clean_name
from pipeline.files import TABLE_SUFFIXES, InputError, Table, plain_header
from pipeline.indexing.layout import image_key
from pipeline.recipe import Layout

# Our name for a column, and the start of its header, reduced to letters in lower case.
_HEADERS = {"image": "imagename"} | {column.name: column.header for column in COLUMNS if column.header}
_REQUIRED = {"image", "class"}


def add_table(annotations: Annotations, file: AnnotationFile, layout: Layout) -> bool:
    """Adds the rows of CDD-CESM's table; returns False for any other file, or if the layout names another table's columns.

    Raises:
      InputError: the table lacks a column, or has one twice.
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
        padded = row + [""] * (len(table.header) - len(row))
        written = padded[positions["image"]]
        if written.strip():
            cells = {column: _cell(padded[position]) for column, position in positions.items() if column != "image"}
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


def _cell(text: str) -> str:
    text = " ".join(text.split())
    return "" if text == "_" else text


def add_listed(annotations: Annotations, file: AnnotationFile, layout: Layout) -> bool:
    """Adds the rows of a table with the layout's headers; returns False for any other file, or if the layout names no headers.

    An image may have one row per finding: it then gets the worst class, and its other cells are joined by `$`.

    Raises:
      InputError: the table lacks a column, or a row lacks cells.
    """
    if not layout.table.columns:
        return False
    columns, path = layout.table.columns, file.path
    needed = {plain_header(columns["image"]), plain_header(columns["class"])}
    table = file.find_table(lambda table: needed <= set(map(plain_header, table.header)), layout.table.delimiter)
    if table is None:
        return False
    indices = {ours: position for ours, theirs in columns.items() if (position := table.column(theirs)) is not None}
    if missing := [theirs for ours, theirs in columns.items() if ours not in indices]:
        raise InputError(f"{path}: has no column {missing[0]!r}, which [layout.table] names; it has {', '.join(table.header)}")
    images: dict[str, list[TableRow]] = {}
    for number, row in table.rows:
        if len(row) != len(table.header):
            raise InputError(f"{path}: row {number} has {len(row)} cells; the header has {len(table.header)}")
        cells: dict[str, str] = {ours: _cell(row[index]) for ours, index in indices.items()}
        if not (written := cells.pop("image")):
            continue
        cells["class"] = read_class(cells["class"], layout)
        images.setdefault(image_key(written, layout), []).append(TableRow(written, cells, f"{path.name} row {number}"))
    for key, image_rows in images.items():
        add_row(annotations, key, _united(image_rows))
    return True


def _united(rows: list[TableRow]) -> TableRow:
    cells = {column: "$".join(dict.fromkeys(filter(None, (row.cells[column] for row in rows)))) for column in rows[0].cells}
    # Worst first; a text that is not a class goes before all, so that the index rejects the image and reports the text.
    classes = sorted(
        (row.cells["class"] for row in rows), key=lambda name: WORST_FIRST.index(name) if name in WORST_FIRST else -1
    )
    return replace(rows[0], cells=cells | {"class": classes[0]})


CDD_CESM_TABLE = AnnotationFormat(add_table, TABLE_SUFFIXES)
LISTED_TABLE = AnnotationFormat(add_listed, TABLE_SUFFIXES)
