"""Reads the table of images: CSV, or the sheet `all` of the workbook (xlsx)."""

import csv
import re
from pathlib import Path

from pipeline.annotations.contents import Annotations, TableRow, add_row
from pipeline.files import InputError

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


def read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV file; an empty file has neither."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error}); save it again as UTF-8 CSV, or move it away") from error
    return header, rows


def read_xlsx(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the workbook's sheet `all`; a workbook without it has neither."""
    import pandas

    try:
        with pandas.ExcelFile(path) as book:
            if SHEET not in book.sheet_names:
                return [], []
            table = pandas.read_excel(book, sheet_name=SHEET, dtype=str, keep_default_na=False)
    except Exception as error:  # openpyxl raises what its unzipping and its XML parser happen to meet
        raise InputError(f"{path}: cannot be read as xlsx ({error}); save it again, or give the CSV instead") from error
    return [str(name) for name in table.columns], table.to_numpy().tolist()


def add_table(found: Annotations, path: Path, header: list[str], rows: list[list[str]]) -> bool:
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
        add_row(found, TableRow(padded[places["image"]], cells, f"{path.name} row {number}"))
    return True


def _cell(text: str) -> str:
    text = " ".join(text.split())
    return "" if text == "_" else text
