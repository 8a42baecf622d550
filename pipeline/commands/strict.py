"""What --strict asks for."""

from pipeline.contract import find_reason
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError, read_csv
from pipeline.indexing.tables import REJECT_COLUMNS


def check_strict(folder: DatasetFolder, strict: bool) -> None:
    """With `strict`, raises an InputError that names the first rejected source image; what a recipe leaves out is none."""
    if not strict:
        return
    rejected = [row for row in read_csv(folder.rejects, REJECT_COLUMNS) if not find_reason(row["reason"]).left_out]
    if rejected:
        first = rejected[0]
        raise InputError(
            f"{folder.rejects}: {len(rejected)} source images were rejected, and --strict accepts none; the first: "
            f"{first['image']}, {first['reason']}, {first['where']}: {first['words']}"
        )
