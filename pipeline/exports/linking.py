"""Files of a data set in an export, as hard links where the file system has them, so that they take no space."""

import os
import shutil
from pathlib import Path

from pipeline.files import InputError


def link(source: Path, target: Path) -> None:
    """Links a file of the data set into an export, or copies it where the disk cannot link.

    Raises:
      InputError: the file is missing.
    """
    if not source.is_file():
        raise InputError(f"{source}: is in the manifest but missing; make the data set again")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(source, target)
