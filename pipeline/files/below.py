"""Paths that a file of a folder stores: they are followed only where they lie below that folder."""

import os
import re
from pathlib import Path

from pipeline.files.program import InputError

_LONGEST_NAME = 255
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SEPARATORS = re.compile(r"[/\\]")


def path_below(root: Path, stored: object, where: str, *, follow_links: bool = False) -> Path:
    """Returns the path of a file that another file names, if it lies below a folder.

    The name may be anybody's: what is read, written, linked or deleted under it must not lie elsewhere.

    Args:
      root: the folder that the stored path is relative to.
      stored: the path as the file has it, with `/`.
      where: its location for the error, such as a file and a row.
      follow_links: accept links that lead outside, where they are the user's own and not the stored path's author's.

    Returns:
      `root / stored`; it need not exist.

    Raises:
      InputError: it is not text, is empty, absolute or of another drive, climbs with `..`, holds a control character, or
        passes through a link that leads outside.

    Example:
      >>> path_below(Path("v2"), "test/images/P1_L_DM_CC.jpg", "manifest.csv row 2").as_posix()
      'v2/test/images/P1_L_DM_CC.jpg'
    """
    return PathsBelow(root, follow_links=follow_links).path(stored, where)


class PathsBelow:
    """Checks many paths that one file stores, as `path_below` does; the folders on their way are looked at once.

    Args:
      root: the folder that the paths are relative to.
      follow_links: as for `path_below`.
    """

    def __init__(self, root: Path, *, follow_links: bool = False):
        self.root, self._follow_links = root, follow_links
        self._folders: set[str] = set()  # in root, and no links

    def check(self, stored: object, where: str) -> None:
        """Raises an InputError as `path_below` does."""
        if problem := _problem(stored) or ("" if self._follow_links else self._links_outside(str(stored))):
            raise InputError(
                f"{where}: {shorten(stored)} {problem}; expected the relative path of a file inside {self.root}; "
                "correct it, or make the folder again"
            )

    def path(self, stored: object, where: str) -> Path:
        """Arguments, result and errors as for `path_below`."""
        self.check(stored, where)
        return self.root / str(stored)

    def _links_outside(self, stored: str) -> str:
        folder = stored.rpartition("/")[0]
        ends = [len(stored)] if folder in self._folders else [*(m.start() for m in re.finditer("/", stored)), len(stored)]
        for end in ends:
            if os.path.islink(f"{self.root}/{stored[:end]}"):  # only then, since thousands of paths are resolved in a row
                inside, target = os.path.realpath(self.root), os.path.realpath(self.root / stored)
                is_inside = target == inside or target.startswith(inside.rstrip(os.sep) + os.sep)
                return "" if is_inside else "passes through a link that leads outside"
        self._folders.add(folder)
        return ""


def name_problem(name: object) -> str:
    """What is wrong with a name that becomes part of a path, such as a sample's; empty where nothing is.

    Example:
      >>> name_problem("P1_L_DM_CC"), name_problem("../P1")
      ('', "leads outside with '..'")
    """
    if problem := _problem(name):
        return problem
    return "holds '/' or '..', and names a file" if _SEPARATORS.search(str(name)) or name in (".", "..") else ""


def shorten(value: object, most: int = 80) -> str:
    """A value in quotes as messages show it: control characters as escapes, and cut after `most` characters."""
    text = repr(value[: most + 1] if isinstance(value, str) else value)
    return text if len(text) <= most else f"{text[:most]}..."


def _problem(stored: object) -> str:
    if not isinstance(stored, str):
        return "is not text"
    if not stored.strip():
        return "is empty"
    if _CONTROL.search(stored):
        return "holds a control character"
    if 4 * len(stored) > _LONGEST_NAME and max(len(os.fsencode(part)) for part in stored.split("/")) > _LONGEST_NAME:
        return f"holds a name of more than {_LONGEST_NAME} bytes, which no file has"
    if stored[0] in "/\\" or _DRIVE.match(stored):
        return "is an absolute path"
    return "leads outside with '..'" if ".." in stored and ".." in _SEPARATORS.split(stored) else ""
