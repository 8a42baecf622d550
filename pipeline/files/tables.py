"""CSV tables with a header, in UTF-8, read and written whole."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.files.program import InputError
from pipeline.files.writing import write_text

# A bitmap with many runs is longer than the 128 KiB that the reader takes for a cell; the writer has no limit.
csv.field_size_limit(2**31 - 1)


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Returns rows as CSV with a header, in the order given; None becomes an empty cell.

    Example:
      >>> csv_text(["sample", "fold"], [{"sample": "P1_L_DM_CC", "fold": None}]).splitlines()
      ['sample,fold', 'P1_L_DM_CC,']
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Writes rows as a whole CSV file, or nothing."""
    write_text(path, csv_text(columns, rows))


def read_csv(path: Path, columns: Sequence[str] = (), data: bytes | None = None) -> list[dict[str, str]]:
    """Reads a CSV with a header; the rows are dictionaries of strings.

    Args:
      path: the file.
      columns: that it must have.
      data: its bytes where the caller has read them already.

    Raises:
      InputError: it is not UTF-8 text, or one of `columns` is missing.
    """
    try:
        text = (path.read_bytes() if data is None else data).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        rows = list(reader)
        header = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error})") from error
    if missing := [column for column in columns if column not in header]:
        raise InputError(f"{path}: has the columns {', '.join(header) or 'none'}; expected {', '.join(missing)} too")
    return rows
