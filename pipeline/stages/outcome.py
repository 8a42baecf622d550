"""What every stage returns."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What a stage did.

    Attributes:
      changed: False where everything was done already.
      summary: counts and paths to print.
    """

    changed: bool
    summary: dict[str, Any]
