"""The declaration of an annotation format, and the file that it reads."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.annotations.contents import AnnotatedImage, Annotations, DrawnRegion, add_regions
from pipeline.files import InputError, Table, parse_json, read_csv_table, read_regular, read_sheets
from pipeline.indexing.layout import image_key
from pipeline.recipe import Layout

ALL = "all"  # the only one of the nine sheets in CDD-CESM's workbook that holds the whole table


class AnnotationFile:
    """A file that may hold annotations; content that several formats inspect is read once."""

    def __init__(self, path: Path):
        self.path = path
        self.header_below = 0  # the row of the header of the table that was found, where other rows are above it
        self._read: dict[str, list[Table]] = {}

    @property
    def suffix(self) -> str:
        """In lower case, with the dot."""
        return self.path.suffix.lower()

    @cached_property
    def data(self) -> bytes:
        """Its bytes; those of JSON are UTF-8, whatever the file's are.

        Raises:
          InputError: it cannot be read, or is larger than any annotation file.
        """
        try:
            data = read_regular(self.path)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror}); correct it, or move it away") from error
        if self.suffix == ".json" and data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return data.decode("utf-16", "replace").encode()
        return data

    @cached_property
    def content(self) -> Any:
        """Its parsed JSON.

        Raises:
          InputError: it is not valid JSON, or nested deeply.
        """
        return parse_json(self.data, object, str(self.path), "export it again")

    def find_table(self, fits: Callable[[Table], bool], delimiter: str = ",") -> Table | None:
        """The table of a CSV file, or the sheet of a workbook, that fits, also below titles; None where none does.

        Args:
          fits: whether a table has the columns that are needed.
          delimiter: of CSV, the one to prefer where several are possible.

        Raises:
          InputError: it cannot be read as a table, several rows could be its header, or several sheets fit and none of them
            is called `all`.
        """
        tables = [found for table in self._tables(delimiter) if (found := table.with_header(fits))]
        if tables and tables[0].sheet.casefold() != ALL:  # a sheet that describes the columns may name them below a title
            tables = [table for table in tables if not table.above] or tables
        if len(tables) > 1 and tables[0].sheet.casefold() != ALL:
            raise InputError(
                f"{self.path}: the sheets {tables[0].sheet!r} and {tables[1].sheet!r} both hold the table; remove one of them, "
                f"or call the one to use {ALL!r}"
            )
        if tables:
            self.header_below = tables[0].header_row if tables[0].above else 0
        return tables[0] if tables else None

    def _tables(self, delimiter: str) -> list[Table]:
        if self.suffix == ".json":
            return []
        if delimiter not in self._read:
            tables = read_sheets(self.path) if self.suffix == ".xlsx" else [read_csv_table(self.path, delimiter, self.data)]
            self._read[delimiter] = list(tables)
        return self._read[delimiter]


@dataclass(frozen=True)
class AnnotationFormat:
    """One format of annotation files.

    Attributes:
      add: adds a file's contents to the annotations, by the recipe's layout; returns False if the file has another format or
        names no image. Raises InputError if it has this format and is broken.
      suffixes: of files that may have the format, in lower case; empty for DICOM, whose files may have any name.
      is_dicom: whether a DICOM file has the format.
      has_regions: whether its files hold regions, which somebody drew.
    """

    add: Callable[[Annotations, AnnotationFile, Layout], bool]
    suffixes: frozenset[str] = frozenset()
    is_dicom: Callable[[Path], bool] | None = None
    has_regions: bool = True


def add_images(annotations: Annotations, file: AnnotationFile, images: Iterable[AnnotatedImage], layout: Layout) -> bool:
    """Adds a file's images by the layout's keys of their names; returns False if there are none.

    Of several entries for one image nobody knows which belongs to it: it gets none, but one fault.

    Raises:
      InputError: another file has other regions for an image.
    """
    by_key: dict[str, AnnotatedImage] = {}
    for name, size, regions in images:
        key = image_key(name, layout)
        if key in by_key:
            fault = f"{file.path.name} has several entries for {key}; keep the one that belongs to the image"
            by_key[key] = (key, None, [DrawnRegion(None, file.path.name, fault, reason="annotation-ambiguous")])
        else:
            by_key[key] = (key, size, regions)
    return add_regions(annotations, file.path.name, by_key.values())
