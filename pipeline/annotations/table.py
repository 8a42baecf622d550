"""Reads the table of images: CDD-CESM's (a CSV file, or the workbook's sheet `all`), or another one by its headers."""

import re
from dataclasses import replace

from pipeline.annotations.contents import Annotations, TableRow, add_row
from pipeline.annotations.format import AnnotationFile, AnnotationFormat
from pipeline.annotations.rows import read_rows
from pipeline.contract import COLUMNS, WORST_FIRST, clean_name
from pipeline.files import InputError
from pipeline.indexing.layout import image_key
from pipeline.recipe import Layout

# Our name for a column, and the start of its header, reduced to letters in lower case.
_HEADERS = {"image": "imagename"} | {column.name: column.header for column in COLUMNS if column.header}
_REQUIRED = ("image", "class")


def add_table(annotations: Annotations, file: AnnotationFile, layout: Layout) -> bool:
    """Adds the rows of CDD-CESM's table; returns False for any other file, or if the layout names another table's columns."""
    if layout.table.columns:
        return False
    (header, rows), path = file.rows, file.path
    indices = {}
    for index, name in enumerate(header):
        plain = re.sub(r"[^a-z]", "", name.lower())
        indices.update({ours: index for ours, start in _HEADERS.items() if plain.startswith(start) and ours not in indices})
    if len(indices) < 2 or not set(_REQUIRED) & set(indices):
        return False
    if missing := [column for column in _REQUIRED if column not in indices]:
        expected = {"image": "Image_name", "class": "Pathology Classification/ Follow up"}[missing[0]]
        raise InputError(f"{path}: has no column {expected!r}; it has {', '.join(header)}")
    for number, row in enumerate(rows, 2):
        padded = row + [""] * (len(header) - len(row))
        if not padded[indices["image"]].strip():
            continue
        cells = {column: _cell(padded[index]) for column, index in indices.items() if column != "image"}
        written = padded[indices["image"]]
        add_row(annotations, clean_name(written), TableRow(written, cells, f"{path.name} row {number}"))
    return True


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
    path, delimiter = file.path, layout.table.delimiter
    header, rows = read_rows(path, delimiter) if file.suffix == ".csv" and delimiter != "," else file.rows
    columns = {ours: theirs.strip() for ours, theirs in layout.table.columns.items()}
    plain = [name.strip() for name in header]
    if not {columns["image"], columns["class"]} <= set(plain):
        return False
    if missing := [name for name in columns.values() if name not in plain]:
        raise InputError(f"{path}: has no column {missing[0]!r}, which [layout.table] names; it has {', '.join(plain)}")
    indices = {ours: plain.index(theirs) for ours, theirs in columns.items()}
    images: dict[str, list[TableRow]] = {}
    for number, row in enumerate(rows, 2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise InputError(f"{path}: row {number} has {len(row)} cells; the header has {len(header)}")
        cells: dict[str, str] = {ours: _cell(row[index]) for ours, index in indices.items()}
        if not (written := cells.pop("image")):
            continue
        cells["class"] = read_class(cells["class"], layout)
        images.setdefault(image_key(written, layout), []).append(TableRow(written, cells, f"{path.name} row {number}"))
    for key, image_rows in images.items():
        add_row(annotations, key, _united(image_rows))
    return True


def read_class(text: str, layout: Layout) -> str:
    """The class that a text stands for, by the layout's `classes` in any case; the text in lower case if it is not among them."""
    classes = {theirs.lower(): ours for theirs, ours in layout.table.classes.items()}
    return classes.get(text.strip().lower(), text.strip().lower())


def _united(rows: list[TableRow]) -> TableRow:
    cells = {column: "$".join(dict.fromkeys(filter(None, (row.cells[column] for row in rows)))) for column in rows[0].cells}
    # Worst first; a text that is not a class goes before all, so that the index rejects the image and reports the text.
    classes = sorted(
        (row.cells["class"] for row in rows), key=lambda name: WORST_FIRST.index(name) if name in WORST_FIRST else -1
    )
    return replace(rows[0], cells=cells | {"class": classes[0]})


_SUFFIXES = frozenset({".csv", ".xlsx"})
CDD_CESM_TABLE = AnnotationFormat(add_table, _SUFFIXES)
LISTED_TABLE = AnnotationFormat(add_listed, _SUFFIXES)
