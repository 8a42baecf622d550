"""What --strict asks for."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.files import InputError

if TYPE_CHECKING:
    from pipeline.indexing.tables import Reject


def check_strict(file: Path, rejects: "Iterable[Reject]", strict: bool) -> None:
    """With `strict`, raises an InputError that names the first rejected source image; what a recipe leaves out does not count.

    Args:
      file: rejects.csv, for the message.
      rejects: its rows.
      strict: whether --strict was given.
    """
    from pipeline.contract import find_reason

    rejected = [reject for reject in rejects if not find_reason(reject.reason).left_out]
    if strict and rejected:
        first = rejected[0]
        raise InputError(
            f"{file}: {len(rejected)} source images were rejected, and --strict accepts none; the first: "
            f"{first.image}, {first.reason}, {first.where}: {first.message}"
        )
