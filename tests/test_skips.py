"""The list of skipped tests at the end of a run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest
from skips import need_package, need_program

@pytest.mark.parametrize("number", range(3))
def test_of_a_program(number):
    need_program("no-such-program", "nor-this", package="dicom3tools")

def test_that_runs():
    assert need_program("sh", package="dash")
"""
WHOLE_FILE = "from skips import need_package\nneed_package('no_such_package.part')\n"


def run_tests(folder, *options):
    """Runs the tests in a folder in a fresh pytest; returns the lines that it prints."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "skips", "-p", "no:cacheprovider", "--rootdir", folder, *options]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run([*words, folder], capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("processes", [pytest.param([], id="one process"), pytest.param(["-n", "2"], id="two processes")])
def test_each_reason_is_one_line_with_count_and_remedy(tmp_path, processes):
    (tmp_path / "test_programs.py").write_text(TESTS)
    (tmp_path / "test_package.py").write_text(WHOLE_FILE)
    lines = run_tests(tmp_path, *processes)
    start = next(number for number, line in enumerate(lines) if "skipped, and how to run it" in line)
    assert lines[start + 1 : start + 3] == [
        "    3 no-such-program or nor-this is missing; on Debian: apt-get install dicom3tools",
        "    1 no_such_package is missing; make install brings it",
    ]


def test_without_skipped_tests_nothing_is_listed(tmp_path):
    (tmp_path / "test_one.py").write_text("def test_one():\n    pass\n")
    assert not [line for line in run_tests(tmp_path) if "skipped" in line]
