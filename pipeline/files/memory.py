"""A memory of what was read from files, valid while they stay the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")


class FileMemory:
    """Reads each file once, and again after anybody has written or replaced it.

    A file is the same while size, modification time and inode are. Values are handed out as they are, not copied.
    """

    def __init__(self) -> None:
        self._values: dict[tuple[Path, Any], tuple[tuple[int, int, int], Any]] = {}

    def read(self, path: Path, reader: Callable[[Path], Value]) -> Value:
        """Returns the value that `reader` makes of a file; its errors are passed on."""
        if (value := self.recall(path, reader)) is not None:
            return value
        before = _stamp(path)
        value = reader(path)
        if before and before == _stamp(path):  # else somebody is writing it
            self._values[path, reader] = before, value
        return value

    def recall(self, path: Path, reader: Callable[[Path], Value]) -> Value | None:
        """Returns the remembered value of a file without reading it; None where there is none, or the file has changed."""
        stamp, value = self._values.get((path, reader), (None, None))
        return value if stamp and stamp == _stamp(path) else None

    def keep(self, path: Path, reader: Callable[[Path], Value], value: Value) -> None:
        """Remembers the value that `reader` would make of a file that has just been written."""
        if stamp := _stamp(path):
            self._values[path, reader] = stamp, value


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino
