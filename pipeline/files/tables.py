"""CSV tables with a header, in UTF-8, read and written whole.

A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@` or a tab as a formula, and a name from outside may begin so.
Such a text is written with an apostrophe before it, which spreadsheets show as text, and is read back without it.
"""

import contextlib
import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.files.program import InputError
from pipeline.files.reading import read_regular, stamp_of
from pipeline.files.writing import write_text

# A bitmap with many runs is longer than the 128 KiB that the reader takes for a cell; the writer has no limit.
csv.field_size_limit(2**31 - 1)
MOST_BYTES = 2**30
MOST_CELLS = 50_000_000  # a manifest of 1,200,000 samples has 36 million; in memory a cell takes up to forty times its bytes
_SHARED_LENGTH = 20  # cells that are not longer occur many times: classes, patients, numbers
_FIRST = frozenset("'=+-@\t\r")  # most cells begin with none of them, which is quicker to see than to match
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-](inf|nan)")


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Returns rows as CSV with a header, in the order given; None becomes an empty cell.

    Example:
      >>> csv_text(["sample", "fold"], [{"sample": "P1_L_DM_CC", "fold": None}]).splitlines()
      ['sample,fold', 'P1_L_DM_CC,']
      >>> csv_text(["sample", "shift"], [{"sample": "=1+1", "shift": "-3"}]).splitlines()
      ['sample,shift', "'=1+1,-3"]
    """
    text, known = io.StringIO(), set(columns)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        if not row.keys() <= known:
            raise ValueError(f"columns are {', '.join(columns)}, and not {', '.join(row.keys() - known)}")
        writer.writerow([quote_formula(row.get(column)) for column in columns])
    return text.getvalue()


def quote_formula(value: object) -> object:
    """A cell as it is written: a text that a spreadsheet would run as a formula has an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in _FIRST and _is_formula(value) else value


def unquote_formula(cell: str) -> str:
    """A cell as it was before `quote_formula`."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell[1:]) else cell


def _is_formula(text: str) -> bool:
    return bool(_FORMULA.match(text)) and not _NUMBER.fullmatch(text.lstrip("'"))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> bool:
    """Writes rows as a whole CSV file, or nothing; returns whether the file has changed."""
    return write_text(path, csv_text(columns, rows))


def read_csv(path: Path, columns: Sequence[str] = (), data: bytes | None = None) -> list[dict[str, str]]:
    """Reads a CSV with a header; the rows are dictionaries of strings. Arguments and errors as for `read_header_and_rows`."""
    return read_header_and_rows(path, columns, data)[1]


def read_header_and_rows(
    path: Path, columns: Sequence[str] = (), data: bytes | None = None
) -> tuple[list[str], list[dict[str, str]]]:
    """Reads a CSV with a header, whose names matter where there is no row; arguments and errors as for `iterate_csv`."""
    header, rows = iterate_csv(path, columns, data)
    return header, list(rows)


def iterate_csv(path: Path, columns: Sequence[str] = (), data: bytes | None = None) -> tuple[list[str], Iterator[dict[str, str]]]:
    """Reads a CSV with a header; the rows are made one by one, since those of a large table take several times its bytes.

    Args:
      path: the file.
      columns: that it must have.
      data: its bytes where the caller has read them already.

    Raises:
      InputError: it is not UTF-8 text, is too large, one of `columns` is missing, two have one name, or a row has not the
        number of cells that the header has.
    """
    try:
        if (size := stamp_of(path)[0] if data is None else len(data)) > MOST_BYTES:
            raise InputError(f"{path}: has {size} bytes; expected at most {MOST_BYTES}")
        text = (read_regular(path) if data is None else data).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error})") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    with _csv_errors(path, reader):
        header = next(reader, [])
        if missing := [column for column in columns if column not in header]:
            raise InputError(f"{path}: has the columns {', '.join(header)[:200] or 'none'}; expected {', '.join(missing)} too")
        if twice := [column for column in header if column and header.count(column) > 1][:1]:
            raise InputError(f"{path}: has two columns {twice[0]}; remove one")
        return header, _read_rows(path, reader, header)


@contextlib.contextmanager
def _csv_errors(path: Path, reader) -> Iterator[None]:
    try:
        yield
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num} cannot be read as CSV ({error})") from error


def _read_rows(path: Path, reader: Iterable[list[str]], header: list[str]) -> Iterator[dict[str, str]]:
    with _csv_errors(path, reader):
        yield from _checked_rows(path, reader, header)


def _checked_rows(path: Path, reader: Iterable[list[str]], header: list[str]) -> Iterator[dict[str, str]]:
    shared: dict[str, str] = {}
    for number, row in enumerate(filter(None, reader), 2):
        if len(row) != len(header):
            raise InputError(
                f"{path}: row {number} has {len(row)} cells, and the header has {len(header)}; is the file cut off or edited?"
            )
        if number * len(header) > MOST_CELLS:
            raise InputError(f"{path}: has more than {MOST_CELLS} cells; expected fewer")
        cells = [shared.setdefault(cell, cell) if len(cell) <= _SHARED_LENGTH else cell for cell in map(unquote_formula, row)]
        yield dict(zip(header, cells, strict=True))
