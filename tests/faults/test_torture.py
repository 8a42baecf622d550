"""A part of `make torture`: some interruptions of making a data set."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults.contents import contents
from faults.shim import KILLED, run_in_fork
from faults.torture import Torture
from inputs import small_download, small_recipe

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the shim reads /proc")


@pytest.mark.parametrize(("stage", "every"), [("index", 9), ("variants", 50), ("dataset", 180)])
def test_an_interrupted_stage_ends_with_the_same_bytes(tmp_path, stage, every):
    outcomes = list(Torture(tmp_path).run([stage], every))
    assert len(outcomes) > 3
    assert [f"{point}: {fault}" for point, fault in outcomes if fault] == []


@pytest.mark.slow
def test_an_interrupted_training_ends_with_the_same_bytes():
    # By a program of its own: TensorFlow has threads here once another test has used it, and a fork of those may hang.
    command = [sys.executable, "-m", "faults.torture", "--stages", "train", "--every", "25"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train: 4 of 4 points survived" in done.stdout


@pytest.mark.slow
def test_a_killed_data_set_is_finished_by_the_same_command(tmp_path):
    small_download(tmp_path / "raw", patients=3)
    recipe = small_recipe(tmp_path / "small.toml")

    def command(out):
        making = ["--raw", str(tmp_path / "raw"), "--out", str(tmp_path / out), "--recipe", str(recipe)]
        return [sys.executable, "-m", "pipeline", "dataset", *making, "--workers", "1"]

    start = time.monotonic()
    subprocess.run(command("whole"), check=True, capture_output=True)
    seconds = time.monotonic() - start
    for _ in range(3):
        with subprocess.Popen(command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(random.uniform(0, seconds))
            process.kill()
    subprocess.run(command("killed"), check=True, capture_output=True)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.parametrize(("durable", "deadly", "left"), [(False, 4, b"ab"), (True, 5, b"abcd")])
def test_the_shim_loses_what_was_not_on_the_disk(tmp_path, durable, deadly, left):
    def work():
        descriptor = os.open(tmp_path / "a", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(descriptor, b"abcd")
        if durable:
            os.fsync(descriptor)
        os.replace(tmp_path / "a", tmp_path / "b")
        os.mkdir(tmp_path / "c")
        return 0

    assert run_in_fork(work, 0, power=True, output=tmp_path / "printed") == (0, deadly)
    (tmp_path / "c").rmdir()
    assert run_in_fork(work, deadly, power=True, output=tmp_path / "printed") == (KILLED, 0)
    assert (tmp_path / "b").read_bytes() == left
    assert not (tmp_path / "c").exists()
