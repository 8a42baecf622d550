"""What was read of files, for as long as they stay the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")


class FileMemory:
    """Reads each file once, and again where it has been written or replaced since, by whomever.

    A file is the same while size, time of change and inode are. Values are handed out as they are, not copied.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Path, Any], tuple[tuple[int, int, int], Any]] = {}

    def read(self, path: Path, reader: Callable[[Path], Value]) -> Value:
        """What `reader` makes of a file; what it raises is passed on."""
        if (value := self.recall(path, reader)) is not None:
            return value
        before = _stamp(path)
        value = reader(path)
        if before and before == _stamp(path):  # else somebody is writing it
            self._known[path, reader] = before, value
        return value

    def recall(self, path: Path, reader: Callable[[Path], Value]) -> Value | None:
        """What is known of a file without reading it; None where that is nothing, or the file is another one now."""
        stamp, value = self._known.get((path, reader), (None, None))
        return value if stamp and stamp == _stamp(path) else None

    def keep(self, path: Path, reader: Callable[[Path], Value], value: Value) -> None:
        """Remembers what `reader` would make of a file that has just been written."""
        if stamp := _stamp(path):
            self._known[path, reader] = stamp, value


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino
