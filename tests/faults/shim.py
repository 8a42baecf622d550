"""Kills this process at its n-th change of the file system, and loses what was not on the disk by then."""

import builtins
import functools
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

KILLED = 137
_WRITING = os.O_WRONLY | os.O_RDWR
_COUNTED = ("write", "fsync", "sync", "replace", "rename", "link", "unlink", "remove", "mkdir", "rmdir")


class Shim:
    """Counts the calls that change files: open to write, write, fsync, sync, rename, link, unlink, mkdir, rmdir.

    The call at fault is not made. A write is made by half first, as a full disk or a signal would leave it.

    Args:
      deadly: the number of the call that kills, from 1; 0 kills at none.
      power: lose what was written and not synchronised, as when the power is cut: odd points leave such files empty, even ones
        with half of what was added.
      count_file: where the number of calls is written at the end, by `report`.
    """

    def __init__(self, deadly: int, *, power: bool):
        self.deadly, self.power, self.calls = deadly, power, 0
        self._unsafe: dict[str, int] = {}  # how many bytes of a file are on the disk
        self._originals: dict[str, Callable[..., Any]] = {}

    def install(self) -> "Shim":
        """Takes the place of the functions, for good: the process ends soon."""
        for name in _COUNTED:
            self._originals[name] = getattr(os, name)
            setattr(os, name, functools.partial(self._call, name))
        self._originals["open"] = os.open
        os.open = self._open  # type: ignore[assignment]
        io.open = builtins.open = functools.partial(self._open_file, io.open)  # type: ignore[assignment]
        # Pathlib and shutil hold functions of their own where Python 3.11 binds them early.
        shutil._use_fd_functions = False  # type: ignore[attr-defined]
        return self

    def count(self) -> None:
        """Counts a call, and ends this process at the deadly one."""
        self.calls += 1
        if self.calls == self.deadly:
            self._die()

    def _die(self) -> None:
        if self.power:
            for path, safe in self._unsafe.items():
                if os.path.isfile(path):
                    os.truncate(path, safe + (0 if self.deadly % 2 else (os.path.getsize(path) - safe) // 2))
        os._exit(KILLED)

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        if name == "write" and self.calls + 1 == self.deadly:
            self._originals[name](arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
        self.count()
        if name == "write" and (path := os.readlink(f"/proc/self/fd/{arguments[0]}")).startswith("/"):
            self._unsafe.setdefault(path, os.fstat(arguments[0]).st_size)
        result = self._originals[name](*arguments, **options)
        if name == "sync":
            self._unsafe.clear()
        elif name == "fsync":
            self._unsafe.pop(os.readlink(f"/proc/self/fd/{arguments[0]}"), None)
        elif name in ("replace", "rename") and (source := os.path.abspath(arguments[0])) in self._unsafe:
            self._unsafe[os.path.abspath(arguments[1])] = self._unsafe.pop(source)
        return result

    def _open(self, path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & _WRITING and flags & os.O_CREAT:
            self.count()
            self._unsafe[os.path.abspath(path)] = 0
        return self._originals["open"](path, flags, *arguments, **options)

    def _open_file(
        self, original: Callable[..., Any], file: Any, mode: str = "r", buffering: int = -1, *arguments: Any, **options: Any
    ) -> Any:
        if not set(mode) & set("wax+") or not isinstance(file, str | os.PathLike) or "opener" in options:
            return original(file, mode, buffering, *arguments, **options)
        self.count()
        is_longer = "a" in mode and os.path.exists(file)
        self._unsafe.setdefault(os.path.abspath(file), os.path.getsize(file) if is_longer else 0)
        raw = _CountedFile(self, file, mode.replace("b", "").replace("t", ""))
        if buffering == 0:
            return raw
        binary = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return binary if "b" in mode else io.TextIOWrapper(binary, *arguments, **options)


class _CountedFile(io.FileIO):
    """A file of `open`, whose writes are counted: Python's own buffers do not call `os.write`."""

    def __init__(self, shim: Shim, file: str | os.PathLike, mode: str):
        super().__init__(file, mode)
        self._shim = shim

    def write(self, data: Any) -> int:
        if self._shim.calls + 1 == self._shim.deadly:
            super().write(bytes(data)[: len(data) // 2])
        self._shim.count()
        return super().write(data)


def run_in_fork(work: Callable[[], int], deadly: int, *, power: bool, output: Path) -> tuple[int, int]:
    """Runs work in a fork of this process, under a shim.

    Args:
      work: returns the exit status.
      deadly, power: of the shim.
      output: a file for all that it prints.

    Returns:
      The exit status, and how many calls were counted; 0 where it was killed.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 99
        try:
            descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            shim = Shim(deadly, power=power).install()
            status = work()
            shim._originals["write"](writer, str(shim.calls).encode())
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        counted = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), int(counted or 0)
