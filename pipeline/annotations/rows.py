"""Header and rows of CSV files and workbooks, as lists of text."""

import csv
from pathlib import Path

from pipeline.files import InputError

SHEET = "all"  # the only one of the nine sheets in CDD-CESM's workbook that holds the whole table


def read_rows(path: Path, delimiter: str = ",") -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV file; an empty file has neither."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = list(csv.reader(file, delimiter=delimiter)) or [[]]
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
    except Exception as error:  # openpyxl raises whatever its unzipping and its XML parser raise
        raise InputError(f"{path}: cannot be read as xlsx ({error}); save it again, or give the CSV instead") from error
    return [str(name) for name in table.columns], table.to_numpy().tolist()
