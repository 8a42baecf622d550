"""The columns of manifest.csv, each declared once with how it is read and who uses it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Column:
    """One column of manifest.csv.

    Attributes:
      name: its header.
      type: the type of its values: str, int or float.
      optional: whether a cell may be empty, which means unknown and reads as an empty text, or None for a number.
      exported: whether exports that describe images carry it.
      group: the title under which charts, cards and evaluations group images by it; empty where they do not.
      header: the beginning of its header in the annotation table, in lowercase letters only; empty where it is not from there.
    """

    name: str
    type: type = str
    optional: bool = False
    exported: bool = False
    group: str = ""
    header: str = ""

    def read(self, cell: str) -> Any:
        """Converts a cell to its value; a number that is not known is None.

        Raises:
          ValueError: it is not of the column's type, or is a number beyond all measures.
        """
        value = None if not cell and self.type is not str else self.type(cell)
        if isinstance(value, int | float) and not abs(value) < 2**63:  # neither can NaN be one
            raise ValueError("a number out of range")
        return value


COLUMNS = (
    Column("schema", int),
    Column("sample", exported=True),
    Column("image_id", exported=True),
    Column("variant", exported=True),
    Column("split", exported=True),
    Column("fold", int, exported=True),
    Column("patient", exported=True),
    Column("class", exported=True, group="class", header="pathologyclassification"),
    Column("kind", exported=True, group="kind"),
    Column("side", exported=True, group="side"),
    Column("view", exported=True, group="view"),
    Column("density", optional=True, exported=True, group="density", header="breastdensity"),
    Column("birads", optional=True, exported=True, group="BI-RADS", header="birads"),
    Column("findings", optional=True, exported=True, header="findings"),
    Column("machine", optional=True, exported=True, group="machine", header="machine"),
    Column("regions", int),
    Column("lesion_px", int),
    Column("source"),
    Column("source_width", int),
    Column("source_height", int),
    Column("scale", float),
    Column("pad_left", int),
    Column("pad_top", int),
    Column("spacing_mm", float, optional=True),
    Column("image"),
    Column("mask"),
    Column("source_sha256"),
    Column("image_sha256"),
    Column("mask_sha256"),
)
COLUMN_NAMES = tuple(column.name for column in COLUMNS)
GROUPS = {column.name: column.group for column in COLUMNS if column.group}
# The columns that describe an image in addition to its class, and those of them that the annotation table has.
DESCRIPTIONS = tuple(column.name for column in COLUMNS if (column.group or column.header) and column.name != "class")
DETAILS = tuple(column.name for column in COLUMNS if column.header and column.name != "class")


def read_row(row: Mapping[str, str]) -> dict[str, Any]:
    """Converts a manifest's row to values by column; a column that a manifest made by hand lacks reads as an empty cell.

    Raises:
      ValueError: a cell is not of its column's type.

    Example:
      >>> row = read_row({"sample": "P1_L_DM_CC", "fold": "2", "scale": "0.25"})
      >>> row["fold"], row["scale"], row["spacing_mm"], row["findings"]
      (2, 0.25, None, '')
    """
    values = {}
    for column in COLUMNS:
        cell = row.get(column.name) or ""
        try:
            values[column.name] = column.read(cell)
        except ValueError as error:
            raise ValueError(f"{column.name} is {cell[:40]!r}; expected {column.type.__name__}") from error
    return values
