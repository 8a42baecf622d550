"""A lock per output folder: of two runs that would write into one folder, the second stops and names the first."""

import contextlib
import errno
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.files.program import InputError
from pipeline.files.writing import remove_parts, remove_tree

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
_ours: set[str] = set()  # folders that this process has locked: a command locks the folder of its stages, which lock it again


@contextlib.contextmanager
def locked(folder: Path, work: str, *, shared: str = "") -> Iterator[None]:
    """Holds the lock of an output folder within the block, and first removes what killed runs left half-written in it.

    The lock is the system's (flock), so that of a process that has died is free. Where there are no locks, as on some network
    file systems, or where the folder cannot be written to, the block runs without one.

    Args:
      folder: the output folder; it is made where it is missing, and removed again where it is still empty at the end.
      work: what is done there, for the message to others, such as `pipeline dataset`.
      shared: the name of a folder in it that other programs write to meanwhile.

    Raises:
      InputError: another process has the lock; the message names it.
    """
    name = os.path.abspath(folder)
    if name in _ours:
        yield
        return
    is_new = not folder.exists()
    descriptor = _take(folder, work)
    if descriptor is None:
        yield
        return
    _ours.add(name)
    try:
        with contextlib.suppress(OSError):
            remove_parts(folder, keep=shared)
        yield
    finally:
        _ours.discard(name)
        with contextlib.suppress(OSError):
            os.unlink(folder / LOCK)  # before the lock is free: who takes it then sees that the file is gone
        os.close(descriptor)
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _take(folder: Path, work: str) -> int | None:
    """The open lock file, locked; None where there can be no lock."""
    if fcntl is None:
        return None
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError:
            return None  # what is written next reports it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(folder / LOCK)):
                _sign(descriptor, work)
                return descriptor
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                holder = _read_holder(descriptor)
                os.close(descriptor)
                raise InputError(
                    f"{folder}: {holder} is writing here; wait for it, or stop it, and run the same command again"
                ) from None
            if error.errno != errno.ENOENT:  # ENOENT: its holder has just finished
                _sign(descriptor, work)  # by which other machines recognise the folder, and people who is writing
                os.close(descriptor)
                return None
        os.close(descriptor)


def _sign(descriptor: int, work: str) -> None:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "host": platform.node(), "work": work, "since": since}).encode())


def _read_holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {holder['pid']} on {holder['host']} ({holder['work']}, since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def clear_folder(folder: Path) -> None:
    """Removes all that a folder holds but its lock, and without one the folder, too; a missing folder is fine."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name != LOCK:
            remove_tree(path)
    with contextlib.suppress(OSError):
        folder.rmdir()
