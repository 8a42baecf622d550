"""Writing whole files or nothing, hashing them, and removing them."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Gives a path next to `path` to write to, and renames it to `path` when the block ends without an error.

    The name keeps its suffix, because writers choose the format by it. With `durable` the bytes are on the disk before
    the rename, so that a power cut leaves the old file or the new one.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    if not os.path.isdir(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        if durable:
            _to_disk(temporary)
        os.replace(temporary, path)
        if durable:
            _to_disk(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _to_disk(path: Path) -> None:
    """Waits until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: str, data: bytes) -> os.stat_result:
    """Writes a whole file into a folder that exists, or nothing; with as few calls as that takes, for many small files.

    Returns:
      The new file's status.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.part")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        with open(descriptor, "wb", buffering=0) as file:
            file.write(data)
            status = os.fstat(descriptor)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return status


def write_text(path: Path, text: str, *, durable: bool = False) -> None:
    """Writes a whole UTF-8 text with `\\n` line ends, or nothing; a file that holds it already is left alone."""
    data = text.encode()
    if path.is_file() and path.read_bytes() == data:
        return
    with replacing(path, durable=durable) as temporary:
        temporary.write_bytes(data)


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
