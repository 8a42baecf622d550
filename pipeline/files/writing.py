"""Writing whole files or nothing, hashing them, and removing them and what a killed run left of them."""

import contextlib
import errno
import hashlib
import io
import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

_PART = re.compile(r"\..*\.\d+(-\d+)?\.part(\.\w+)?")
_numbers = itertools.count()


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Gives a path next to `path` to write to, and renames it to `path` when the block ends without an error.

    The name keeps its suffix, because writers choose the format by it.

    Args:
      path: the file to write; its folder is made where it is missing.
      durable: have the bytes on the disk before the rename, so that a power cut leaves the old file or the new one. Turn
        it off for many files at once, and call `sync` before what names them is written.

    Raises:
      OSError: the file cannot be written; `filename` is set.
    """
    temporary = path.with_name(_part_name(path.name))
    if not os.path.isdir(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with _whole_or_nothing(str(temporary), str(path)):
        yield temporary
        if durable:
            _to_disk(temporary)
        os.replace(temporary, path)


def write_bytes(path: str, data: bytes, *, durable: bool = False) -> os.stat_result:
    """Writes a whole file into a folder that exists, or nothing; with as few calls as that takes, for many small files.

    Args:
      path: the file to write.
      data: all of its bytes.
      durable: have them on the disk before the file gets its name.

    Returns:
      The new file's status.

    Raises:
      OSError: the file cannot be written; `filename` is set.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, _part_name(name))
    with _whole_or_nothing(temporary, path):
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
        try:
            status = _write_all(descriptor, data)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    return status


def write_buffered(path: Path, save: Callable[[BinaryIO], object], *, durable: bool = True) -> None:
    """Writes what a library saves: into memory first, because some libraries write to a disk without looking whether all arrived.

    Args:
      path: the file to write; its folder is made where it is missing.
      save: is given the file to write to.
      durable: as for `write_bytes`.
    """
    buffer = io.BytesIO()
    save(buffer)
    if not os.path.isdir(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(str(path), buffer.getvalue(), durable=durable)


def _part_name(name: str) -> str:
    """A name for the unfinished file; short, because the file's own name may be as long as the system allows."""
    stem, suffix = os.path.splitext(name)
    return f".{stem[:40]}.{os.getpid()}-{next(_numbers)}.part{suffix[:8]}"


@contextlib.contextmanager
def _whole_or_nothing(temporary: str, path: str) -> Iterator[None]:
    """Removes the unfinished file after an error, and names the file that was to be written in errors that name none."""
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno and error.filename in (None, temporary, Path(temporary)):
            error.filename, error.filename2 = path, None
        raise


def _write_all(descriptor: int, data: bytes) -> os.stat_result:
    """Writes all bytes of a new file."""
    _write_on(descriptor, data)
    status = os.fstat(descriptor)
    if status.st_size != len(data):
        raise OSError(errno.EIO, f"{status.st_size} of {len(data)} bytes arrived")
    return status


def append(file: BinaryIO, data: bytes) -> None:
    """Appends all bytes to a file that was opened without a buffer.

    Raises:
      OSError: the file cannot be written; `filename` is set. A part of the bytes may be in it.
    """
    try:
        _write_on(file.fileno(), data)
    except OSError as error:
        error.filename = file.name
        raise


def _write_on(descriptor: int, data: bytes) -> None:
    """Writes bytes until all are written: of a disk that is nearly full the system takes a part, and reports no error yet."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _to_disk(path: Path) -> None:
    """Waits until a file's bytes are on the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync() -> None:
    """Waits until all that was written is on the disk: once for many files, before a file that says that they are there."""
    if hasattr(os, "sync"):
        os.sync()


def write_text(path: Path, text: str, *, durable: bool = True) -> bool:
    """Writes a whole UTF-8 text with `\\n` line ends, or nothing; a file that holds it already is left alone.

    Returns:
      Whether the file has changed.
    """
    data = text.encode()
    if path.is_file() and path.read_bytes() == data:
        return False
    if not os.path.isdir(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(str(path), data, durable=durable)
    return True


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_tree(path: Path) -> None:
    """Removes a file or a folder with all in it; a missing one is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_parts(folder: Path, *, keep: str = "") -> None:
    """Removes the unfinished files that killed runs left below a folder; nobody may be writing there.

    Args:
      folder: of the output.
      keep: the name of a folder in it that is not looked into, because others write there.
    """
    for parent, folders, names in os.walk(folder):
        if keep in folders and Path(parent) == folder:
            folders.remove(keep)
        for name in names:
            if _PART.fullmatch(name):
                Path(parent, name).unlink(missing_ok=True)
