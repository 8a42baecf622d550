"""One writer per output folder."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.files import LOCK, InputError, clear_folder, locked, locking

HOLDER = """
import sys, time
from pathlib import Path
from pipeline.files import locked
with locked(Path(sys.argv[1]), "pipeline dataset"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "set")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_folder_that_another_process_writes_to_is_refused_and_the_process_named(tmp_path, holder):
    message = rf"set: process {holder.pid} on .+ \(pipeline dataset, since \d{{4}}-.+\) is writing here; wait for it, or stop it"
    with pytest.raises(InputError, match=message), locked(tmp_path / "set", "mine"):
        pytest.fail("both write")


def test_a_process_that_was_killed_holds_nothing_and_its_unfinished_files_go(tmp_path, holder):
    part = tmp_path / "set" / ".a.12-0.part.png"
    part.touch()
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "set" / LOCK).exists()
    with locked(tmp_path / "set", "mine"):
        assert not part.exists()
    assert not (tmp_path / "set" / LOCK).exists()


def test_a_lock_is_taken_again_by_its_own_process_and_leaves_nothing(tmp_path):
    with locked(tmp_path / "new", "outer"):
        with locked(tmp_path / "new", "inner"):
            pass
        assert (tmp_path / "new" / LOCK).exists()
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_to_is_read_without_a_lock(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(locking.os, "open", refuse)
    with locked(tmp_path, "reading"):
        assert not (tmp_path / LOCK).exists()


def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(locking.fcntl, "flock", refuse)
    part = tmp_path / ".a.12-0.part"
    part.touch()
    with locked(tmp_path, "writing"):
        assert part.exists()  # it may be another process's
        assert json.loads((tmp_path / ".lock").read_text())["work"] == "writing"


def test_a_file_in_the_place_of_the_folder_is_left_to_what_is_written_next(tmp_path):
    file = tmp_path / "set"
    file.write_text("mine")
    with locked(file, "writing"):
        assert file.read_text() == "mine"


def test_clearing_keeps_the_lock(tmp_path):
    with locked(tmp_path, "writing"):
        (tmp_path / "deep").mkdir()
        Path(tmp_path, "deep", "a").touch()
        clear_folder(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]
    clear_folder(tmp_path)
    assert not tmp_path.exists()
    clear_folder(tmp_path)
