"""Formats numbers and intervals for the tables of an evaluation, the terminal and reports."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

NONE = "–"  # where there is no number


def format_number(value: float | None, digits: int = 3, *, signed: bool = False, none: str = NONE) -> str:
    """A number with `digits` decimals and grouped thousands; `none` where there is no number."""
    return none if value is None or math.isnan(value) else f"{value:{'+' if signed else ''},.{digits}f}"


def format_interval(low: float | None, high: float | None, digits: int = 3, *, signed: bool = False) -> str:
    """An interval as `0.512 to 0.634`; empty where one of its ends is undefined.

    Example:
      >>> format_interval(-0.02, 0.5, 2, signed=True)
      '-0.02 to +0.50'
    """
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    return f"{format_number(low, digits, signed=signed)} to {format_number(high, digits, signed=signed)}"


def row_interval(row: Mapping, average: str = "mean", digits: int = 3) -> str:
    """The 95 % interval of a row of metrics.csv.

    Args:
      average: `mean` or `median`.
    """
    return format_interval(row[f"{average}_low"], row[f"{average}_high"], digits)


def format_estimate(row: Mapping, average: str = "mean", digits: int = 3) -> str:
    """A row of metrics.csv as `0.573 (0.512 to 0.634)`; a dash where it has no value."""
    interval = row_interval(row, average, digits)
    return format_number(row[average], digits) + (f" ({interval})" if interval else "")


def rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    """A table's row with its floats as text of four decimals."""
    return {name: f"{value:.4f}" if isinstance(value, float) else value for name, value in row.items()}


def counted(number: int, one: str, several: str = "") -> str:
    """A number with its noun.

    Example:
      >>> counted(1200, "lesion")
      '1,200 lesions'
    """
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def sentence(parts: Iterable[str]) -> str:
    """Joins the parts that are not empty to one sentence; empty where there is none.

    Example:
      >>> sentence(["loss bce_dice_loss", "", "optimizer Adam."])
      'Loss bce_dice_loss; optimizer Adam.'
    """
    text = "; ".join(part.rstrip(".") for part in parts if part)
    return f"{text[0].upper()}{text[1:]}." if text else ""
