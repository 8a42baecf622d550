"""What --strict asks for."""

from pipeline.contract import find_reason
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError


def check_strict(folder: DatasetFolder, strict: bool) -> None:
    """With `strict`, raises an InputError that names the first rejected source image; what a recipe leaves out is none."""
    if not strict:
        return
    rejected = [reject for reject in folder.read_rejects() if not find_reason(reject.reason).left_out]
    if rejected:
        first = rejected[0]
        raise InputError(
            f"{folder.rejects}: {len(rejected)} source images were rejected, and --strict accepts none; the first: "
            f"{first.image}, {first.reason}, {first.where}: {first.message}"
        )
