"""Zip files of others (workbooks, saved models): what they claim is checked before anything is unpacked."""

import zipfile
from pathlib import Path, PurePosixPath

from pipeline.files.below import shorten
from pipeline.files.program import InputError

MOST_BYTES = 2**28  # that members unpack to, where they are compressed more than tenfold
_MOST_MEMBERS = 10_000


def refuse_zip_bomb(path: Path, remedy: str) -> None:
    """Checks the members of a zip file by its directory; unpacks nothing.

    Args:
      path: of the file; one that is not a zip is left to its reader.
      remedy: what to do where it is refused.

    Raises:
      InputError: a member would lie outside of where it is unpacked, there are too many, or they would fill the memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return
    if len(members) > _MOST_MEMBERS:
        raise InputError(f"{path}: has {len(members)} members; expected at most {_MOST_MEMBERS}; {remedy}")
    for member in members:
        name = member.filename.replace("\\", "/")
        if name.startswith("/") or ".." in PurePosixPath(name).parts or name[1:2] == ":":
            raise InputError(f"{path}: its member {shorten(name)} leads outside of the file; {remedy}")
    size, packed = sum(member.file_size for member in members), sum(member.compress_size for member in members)
    if size > MOST_BYTES and size > 10 * packed:
        raise InputError(f"{path}: would unpack {packed} bytes to {size}; expected at most {MOST_BYTES}; {remedy}")
