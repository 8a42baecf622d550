"""How both programs end: exit statuses, and the error that users see."""

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pipeline.files.printing import one_line
from pipeline.files.reading import UnfitFile

DONE, FINDINGS, BAD_INPUT, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 130

# What to do about an error of the system.
_ADVICE = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "your quota is used up: delete files, or have it raised",
    errno.EFBIG: "the file system, or `ulimit -f`, allows no file of this size",
    errno.EACCES: "change the permissions of the file or folder, or give another one",
    errno.EPERM: "change the permissions of the file or folder, or give another one",
    errno.EROFS: "this is a read-only file system; give another folder",
    errno.ENAMETOOLONG: "shorten the name of the file or folder",
    errno.ENOTDIR: "a file is where a folder is needed; give another path",
    errno.EEXIST: "a file is where a folder is needed; give another path",
    errno.EISDIR: "a folder is where a file is needed; give another path",
    errno.ENOTEMPTY: "it holds files that this program did not write; give another folder",
    errno.ELOOP: "this link leads back to itself; remove it",
    errno.EMFILE: "raise the number of open files (`ulimit -n`), or give fewer --workers",
    errno.ENFILE: "the system has too many open files; close other programs",
    errno.ENOMEM: "close other programs, or give fewer --workers",
    errno.EAGAIN: "raise the number of processes (`ulimit -u`), or give fewer --workers",
    errno.EIO: "the disk or the network reports a fault; check it",
    errno.ESTALE: "the network file system lost it; mount it again",
    errno.ENOENT: "it was there before, or its folder was; is the disk still mounted?",
}
_OUT_OF_MEMORY = ("ResourceExhaustedError", "ArrayMemoryError", "_ArrayMemoryError")  # of TensorFlow and NumPy


class InputError(Exception):
    """The user's files or arguments are not usable; the message states what was found, where, and what to do."""


def run_program(program: Callable[[], int | None], private: Sequence[Path] = ()) -> int:
    """Runs a program's body and turns what it raises into an exit status: 0, 1, 2, 3 or 130.

    An `InputError` and a fault of the system, such as a full disk, are printed as one line. Any other error is a fault of the
    program and is printed with its traceback.

    Args:
      program: the body.
      private: folders whose files and contents are not to be named: tracebacks are then printed without any value.
    """
    try:
        status = program() or DONE
        sys.stdout.flush()  # here and not at Python's own end, which would only complain
        return status
    except InputError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue from here", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if message := describe_system_fault(error, private):
            _drop_output()
            return _fail(f"{message}; then run the same command again")
        lines = _trace_without_values(error) if private else traceback.format_exception(error)
        print("".join(lines), end="", file=sys.stderr)
        print("internal error: this is a fault of the program, not of your data; please report the lines above", file=sys.stderr)
        return INTERNAL


def describe_system_fault(error: BaseException, private: Sequence[Path] = ()) -> str:
    """What happened and what to do, for an error that the system and not the program is at fault for; else empty.

    Args:
      error: of any type.
      private: folders whose files are not to be named.

    Example:
      >>> describe_system_fault(OSError(28, "No space left on device", "out/a.png"))
      'out/a.png: No space left on device; make room on the disk'
    """
    if isinstance(error, BrokenPipeError):
        return "standard output was closed before the work was done (by `| head`?); write it to a file"
    if isinstance(error, MemoryError) or type(error).__name__ in _OUT_OF_MEMORY:
        return f"there is not enough memory{_detail(error)}; close other programs, give fewer --workers or a smaller batch_size"
    if isinstance(error, UnfitFile):
        return f"{_shown(error.filename, private)}: {error.strerror}"
    if isinstance(error, OSError) and error.errno in _ADVICE:
        path = _shown(error.filename, private) if isinstance(error.filename, str | bytes | os.PathLike) else "standard output"
        return f"{path}: {error.strerror}; {_ADVICE[error.errno]}"
    return ""


def _shown(path: str | bytes | os.PathLike, private: Sequence[Path]) -> str:
    name = os.fsdecode(path)
    folder = next((folder for folder in private if Path(os.path.abspath(name)).is_relative_to(os.path.abspath(folder))), None)
    return name if folder is None or Path(name) == folder else f"a file below {folder}"


def _trace_without_values(error: BaseException) -> Iterator[str]:
    """The calls that led to an error, and its type. Its message and its causes' may quote what was read."""
    if error.__cause__ or error.__context__:
        yield from _trace_without_values(error.__cause__ or error.__context__)  # type: ignore[arg-type]
    if type(error).__name__ == "_RemoteTraceback":  # of a worker, as text
        yield from (f"{line}\n" for line in str(error).splitlines() if line.startswith('  File "'))
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__name__}: the message is not shown under a site key\n"


def _detail(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f" ({lines[0][:200]})" if lines else ""


def _drop_output() -> None:
    """Lets standard output go where nothing fails: Python flushes it once more at its end, and would complain again."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str) -> int:
    print("error: " + one_line(" ".join(message.splitlines())), file=sys.stderr)
    return BAD_INPUT
