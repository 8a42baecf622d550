"""Tables that anybody saved: CSV with any usual delimiter and encoding, and the sheets of workbooks.

Our own tables are read strictly, by `pipeline.files.tables`.
"""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.files.program import InputError
from pipeline.files.reading import read_regular
from pipeline.files.zips import refuse_zip_bomb

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".xlsx"})
MOST_CELLS = 10_000_000  # of a table or sheet; that of a million regions has seven million
MOST_TITLES = 20  # rows of a table among which its header is looked for
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 2**16  # characters from which the delimiter is found
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*?(?:\r\n|\n|\r|$)', re.IGNORECASE)  # Excel's first line


@dataclass(frozen=True)
class Table:
    """A table as somebody saved it.

    Attributes:
      path: the file.
      header: names of columns, without stray spaces.
      rows: each with its number in the file, counted from 1, and its cells as they are; blank rows are left out, and so
        are empty cells beyond the header.
      sheet: its name in a workbook; empty for CSV.
      header_row: the number of the header in the file; 0 in an empty table.
      above: blank rows and titles before the header.
      raw: all rows that are not blank, as they are in the file.
    """

    path: Path
    header: list[str]
    rows: list[tuple[int, list[str]]]
    sheet: str = ""
    header_row: int = 0
    above: int = 0
    raw: Sequence[tuple[int, list[str]]] = field(default=(), repr=False, compare=False)

    def with_header(self, fits: Callable[["Table"], bool]) -> "Table | None":
        """This table if it fits, else with the one of its first rows as header with which it does; None where none does.

        Spreadsheets often have titles above the header.

        Args:
          fits: whether a table has the columns that are needed; it is also given tables of a header alone.

        Raises:
          InputError: it fits with several rows as header.
        """
        if fits(self):
            return self
        headers = [index for index in range(1, min(MOST_TITLES, len(self.raw))) if fits(self._from_row(index, index + 1))]
        if len(headers) > 1:
            rows = " and ".join(str(self.raw[index][0]) for index in headers[:2])
            raise InputError(f"{self.path}: the rows {rows} both look like the header; remove what does not belong to the table")
        return self._from_row(headers[0]) if headers else None

    def _from_row(self, index: int, end: int | None = None) -> "Table":
        """The table whose header is the row of that index in `raw`; without the rows from `end` on."""
        table = _as_table(self.path, self.raw[index:end], self.sheet)
        return replace(table, above=table.header_row - self.header_row)

    def column(self, name: str) -> int | None:
        """The position of a column, whatever the case and spaces of its header; None if there is none.

        Raises:
          InputError: several columns have the name.
        """
        plain = plain_header(name)
        positions = [position for position, header in enumerate(self.header) if plain_header(header) == plain]
        if len(positions) > 1:
            raise InputError(f"{self.path}: has {len(positions)} columns {name!r}; keep one of them")
        return positions[0] if positions else None

    def records(self, columns: Sequence[str], optional: Sequence[str] = ()) -> list[tuple[int, dict[str, str]]]:
        """The rows as numbers and cells by column, without stray spaces; cells that a row lacks are empty.

        Args:
          columns: that the table must have.
          optional: that it may have.

        Raises:
          InputError: one of `columns` is missing, or one occurs several times.
        """
        positions = {name: self.column(name) for name in (*columns, *optional)}
        if missing := [name for name in columns if positions[name] is None]:
            raise InputError(
                f"{self.path}: has the columns {', '.join(self.header) or 'none'}; expected {', '.join(missing)} too"
            )
        return [(number, {name: _cell(row, position) for name, position in positions.items()}) for number, row in self.rows]


def _cell(row: Sequence[str], position: int | None) -> str:
    return row[position].strip() if position is not None and position < len(row) else ""


def plain_header(name: str) -> str:
    """A column's name as names are compared: in lower case, with single spaces.

    Example:
      >>> plain_header(" Image  View")
      'image view'
    """
    return " ".join(name.replace("\ufeff", "").split()).casefold()


def read_number(text: str) -> float | None:
    """Reads a number with a decimal point or comma; None for anything else, and where a comma may also group thousands.

    Example:
      >>> read_number(" 12,5"), read_number("1e3"), read_number("1,234"), read_number("inf")
      (12.5, 1000.0, None, None)
    """
    text = text.strip()
    if not re.fullmatch(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)(e[+-]?[0-9]{1,3})?", text, re.IGNORECASE):
        return None
    if re.fullmatch(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}", text):
        return None
    number = float(text.replace(",", "."))
    return number if math.isfinite(number) else None


def read_table(path: Path, columns: Sequence[str] = (), delimiter: str = ",") -> Table:
    """Reads a table: a CSV file, or the one sheet of a workbook that has the columns.

    Args:
      path: the file; a name that ends in .xlsx is a workbook's.
      columns: by which a sheet is chosen.
      delimiter: the one to prefer where several fit.

    Raises:
      InputError: it cannot be read, or several sheets have the columns.
    """
    if path.suffix.lower() != ".xlsx":
        return read_csv_table(path, delimiter)
    sheets = [sheet for sheet in read_sheets(path) if all(sheet.column(name) is not None for name in columns)]
    if len(sheets) != 1:
        names = " and ".join(repr(sheet.sheet) for sheet in sheets[:2]) or "none"
        raise InputError(f"{path}: expected one sheet with the columns {', '.join(columns)}; found {names}")
    return sheets[0]


def read_csv_table(path: Path, delimiter: str = ",", data: bytes | None = None) -> Table:
    """Reads a CSV file with commas, semicolons, tabs or bars, in UTF-8, UTF-16 or Windows-1252.

    Args:
      path: the file.
      delimiter: the one to prefer where several fit.
      data: its bytes where the caller has read them already.

    Raises:
      InputError: it is not text, or a quotation mark is never closed.
    """
    remedy = "save it again as UTF-8 CSV, or move it away"
    try:
        text = decode_text(read_regular(path) if data is None else data)
    except (OSError, UnicodeError) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error}); {remedy}") from error
    start = 0
    if stated := _SEPARATOR.match(text):
        delimiter, start = stated[1], stated.end()
    else:
        delimiter = _find_delimiter(text[:_SAMPLE], delimiter)
    try:
        records = _limited_cells(path, _records(text[start:], delimiter))
    except csv.Error as error:
        raise InputError(f"{path}: cannot be read as CSV ({error}); {remedy}") from error
    return _as_table(path, _numbered(records, first=2 if start else 1))


def decode_text(data: bytes) -> str:
    """Decodes text by its byte order mark, else as UTF-8, else as Windows-1252.

    Raises:
      UnicodeError: it is not text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding)
    if b"\0" in data:
        raise UnicodeError("it holds bytes of zero, which no text does")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252")


def _find_delimiter(sample: str, preferred: str) -> str:
    """The delimiter with which the largest share of rows is of one width, of these the one with the most cells.

    All rows count, also titles: divided at the commas in its numbers, a table would have a header alone of another width.
    """

    def fit(delimiter: str) -> tuple[bool, float, int]:
        try:
            rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if any(row)]
        except csv.Error:
            return False, 0, 0
        widths = [len(row) for row in rows[: MOST_TITLES + 100]]
        ((usual, _),) = Counter(width for width in widths if width > 1).most_common(1) or [(0, 0)]
        return usual > 1, widths.count(usual) / max(len(widths), 1), usual

    return max((preferred, *_DELIMITERS), key=fit)


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        yield from list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):  # the rest of the file would be one cell
            raise
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _limited_cells(path: Path, rows: Iterable[list[str]]) -> list[list[str]]:
    """Collects the rows of a table; raises an InputError as soon as they hold more cells than any annotation file has."""
    collected, cells = [], 0
    for row in rows:
        cells += len(row) + 1
        if cells > MOST_CELLS:
            raise InputError(f"{path}: has more than {MOST_CELLS} cells; expected fewer")
        collected.append(row)
    return collected


def _numbered(records: Sequence[list[str]], first: int = 1) -> list[tuple[int, list[str]]]:
    """The rows that are not blank, with their numbers in the file."""
    return [(number, cells) for number, cells in enumerate(records, first) if any(cell.strip() for cell in cells)]


def _as_table(path: Path, numbered: Sequence[tuple[int, list[str]]], sheet: str = "") -> Table:
    if not numbered:
        return Table(path, [], [], sheet)
    (header_row, header), *rows = numbered
    names = _trimmed([name.replace("\ufeff", "").strip() for name in header], 0)
    filling = len(names) if sheet else 0  # a sheet's rows end where its last cell is
    trimmed = [(number, _trimmed(cells, len(names))) for number, cells in rows]
    filled = [(number, cells + [""] * (filling - len(cells))) for number, cells in trimmed]
    return Table(path, names, filled, sheet, header_row, raw=numbered)


def _trimmed(cells: list[str], least: int) -> list[str]:
    """The cells without empty ones at the end, but at least as many as there are or `least`."""
    stop = len(cells)
    while stop > least and not cells[stop - 1].strip():
        stop -= 1
    return cells[:stop]


def read_sheets(path: Path) -> Iterator[Table]:
    """Yields the sheets of a workbook, one named `all` first; numbers are written as Excel shows whole ones, without a point.

    Raises:
      InputError: it cannot be read as a workbook.
    """
    import openpyxl

    refuse_zip_bomb(path, "save it again, or give the CSV instead")
    try:
        book = openpyxl.load_workbook(io.BytesIO(read_regular(path)), read_only=True, data_only=True)
        sheets = sorted(book.worksheets, key=lambda sheet: sheet.title.strip().casefold() != "all")
        for sheet in sheets:
            sheet.reset_dimensions()  # other programs state them wrongly
            rows = ([_text(value) for value in row] for row in sheet.iter_rows(values_only=True))
            yield _as_table(path, _numbered(_limited_cells(path, rows)), sheet.title)
    except InputError:
        raise
    except Exception as error:  # openpyxl raises whatever its unzipping and its XML parser raise
        raise InputError(f"{path}: cannot be read as xlsx ({error}); save it again, or give the CSV instead") from error


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)
