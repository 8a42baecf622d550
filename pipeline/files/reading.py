"""Opening files that others made: only regular ones, and none that is larger than what is read could be."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 2**30  # no image, table or annotation file of a data set is larger

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


class UnfitFile(OSError):
    """Not a file that can be read; `strerror` says why, and what to do, and quotes nothing."""

    def __init__(self, path: str | os.PathLike[str], reason: str):
        super().__init__(errno.EINVAL, reason, os.fspath(path))
        self.reason = reason

    def __str__(self) -> str:
        return self.reason

    def __reduce__(self):
        return type(self), (self.filename, self.reason)


def open_regular(path: str | os.PathLike[str], most: int = MOST_BYTES) -> BinaryIO:
    """Opens a file to read, without a buffer. A pipe or a device is never opened: that may wait for ever, or do something.

    Raises:
      OSError: as `open`; `UnfitFile` where it is a link to nothing or to itself, not a regular file, or too large.
    """
    _check(path, _status(path), most)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check(path, os.fstat(descriptor), most)  # again, because another file may be there by now
        return open(descriptor, "rb", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | os.PathLike[str], most: int = MOST_BYTES) -> bytes:
    """Reads all bytes of a file; errors as of `open_regular`."""
    with open_regular(path, most) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1)  # and not `most`: the system would hand out new memory for each file
        # It has grown meanwhile, or the system gave a part, as some network file systems do.
        while len(data) != size and (more := file.read(most + 1 - len(data))):
            data += more
    if len(data) > most:
        raise UnfitFile(path, _too_large(len(data), most))
    return data


def _status(path: str | os.PathLike[str]) -> os.stat_result:
    try:
        return os.stat(path)
    except OSError as error:
        if not os.path.islink(path):
            raise
        if error.errno == errno.ELOOP:
            raise UnfitFile(path, "is a link that leads back to itself; remove it") from error
        if error.errno == errno.ENOENT:
            raise UnfitFile(
                path, "is a link to a file that is not there; fetch it (`git annex get`, `datalad get`), or remove the link"
            ) from error
        raise


def _check(path: str | os.PathLike[str], status: os.stat_result, most: int) -> None:
    for is_kind, name in _KINDS:
        if is_kind(status.st_mode):
            raise UnfitFile(path, f"is {name}, not a file with contents; remove it, or give another path")
    if status.st_size > most:
        raise UnfitFile(path, _too_large(status.st_size, most))


def _too_large(size: int, most: int) -> str:
    return f"has {size} bytes or more, and no file of more than {most} is read; is it the right one?"


def stamp_of(path: Path) -> tuple[int, int]:
    """Size and modification time in nanoseconds, by which a file is recognised; of a link to nothing those of the link.

    A file that cannot be looked at at all has 0 and 0.
    """
    for look in (os.stat, os.lstat):
        try:
            status = look(path)
        except OSError:
            continue
        return status.st_size, status.st_mtime_ns
    return 0, 0
