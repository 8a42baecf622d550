"""A part of `make torture`: some interruptions of making a data set."""

import os
import sys

import pytest
from faults.shim import KILLED, run_in_fork
from faults.torture import Torture

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the shim reads /proc")


@pytest.mark.parametrize(("stage", "every"), [("index", 9), ("variants", 50), ("dataset", 90)])
def test_an_interrupted_stage_ends_with_the_same_bytes(tmp_path, stage, every):
    outcomes = list(Torture(tmp_path).run([stage], every))
    assert len(outcomes) > 3
    assert [f"{point}: {fault}" for point, fault in outcomes if fault] == []


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
