"""Exit statuses, and what a failed run prints."""

import os
import subprocess
import sys

import pytest

from pipeline.files import InputError, run_program


@pytest.mark.parametrize(
    ("raised", "status", "message"),
    [
        (None, 0, ""),
        (InputError("no such thing"), 2, "error: no such thing\n"),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to continue from here"),
        (ValueError("oops"), 3, "internal error: this is a fault of the program"),
        (OSError("without a number"), 3, "internal error: this is a fault of the program"),
    ],
)
def test_exit_status(capsys, raised, status, message):
    def program():
        if raised:
            raise raised

    assert run_program(program) == status
    assert message in capsys.readouterr().err


def test_a_finding_passes_through():
    assert run_program(lambda: 1) == 1


def test_an_input_error_shows_no_trace(capsys):
    def program():
        raise InputError("a.csv: row 3 is short")

    run_program(program)
    assert capsys.readouterr().err.count("\n") == 1
    assert os.sep not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (OSError(28, "No space left on device", "out/a.png"), "out/a.png: No space left on device; make room on the disk"),
        (OSError(122, "Disk quota exceeded", "a"), "a: Disk quota exceeded; your quota is used up"),
        (PermissionError(13, "Permission denied", "a"), "a: Permission denied; change the permissions"),
        (OSError(30, "Read-only file system", "a"), "a: Read-only file system; this is a read-only file system"),
        (OSError(36, "File name too long", "a"), "a: File name too long; shorten the name"),
        (NotADirectoryError(20, "Not a directory", "a"), "a: Not a directory; a file is where a folder is needed"),
        (FileExistsError(17, "File exists", "a"), "a: File exists; a file is where a folder is needed"),
        (OSError(24, "Too many open files", "a"), "a: Too many open files; raise the number of open files (`ulimit -n`)"),
        (OSError(5, "Input/output error", b"a"), "a: Input/output error; the disk or the network reports a fault"),
        (FileNotFoundError(2, "No such file or directory", "a"), "a: No such file or directory; it was there before"),
        (MemoryError(), "there is not enough memory; close other programs, give fewer --workers"),
        (MemoryError("Unable to allocate 9 TiB"), "there is not enough memory (Unable to allocate 9 TiB); close other"),
        (type("ResourceExhaustedError", (Exception,), {})("OOM\nmore"), "there is not enough memory (OOM); close other programs"),
    ],
)
def test_a_fault_of_the_system_is_one_line_that_says_what_to_do(capsys, raised, message):
    def program():
        raise raised

    assert run_program(program) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"error: {message}")
    assert printed.endswith("; then run the same command again\n")
    assert printed.count("\n") == 1


SCRIPT = "from pipeline.files import run_program; raise SystemExit(run_program(lambda: print('x' * {size})))"


@pytest.mark.parametrize("size", [3, 100_000])
def test_a_closed_standard_output_is_one_line(size):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(size=size)], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.returncode == 2
    assert done.stderr == (
        "error: standard output was closed before the work was done (by `| head`?); write it to a file; then run the same "
        "command again\n"
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk_below_standard_output_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", SCRIPT.format(size=3)], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: standard output: No space left on device; make room on the disk")
