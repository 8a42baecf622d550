"""Work on a Dask cluster: the same results and bytes as without one, whatever dies, and one line for what cannot work."""

import contextlib
import functools
import os
import signal
import sys
import threading
import time
import types
from pathlib import Path

import pytest
from inputs import small_download, small_recipe
from skips import need_package
from small_sets import make_set

from pipeline import cluster, stages
from pipeline.cli import main
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError
from pipeline.recipe import load_recipe
from pipeline.workers import in_order, open_executor

distributed = need_package("distributed")


@pytest.fixture(scope="module")
def processes():
    """A scheduler, and two workers, each with a nanny that replaces it when it dies; one death counts against a call."""
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0, "logging.distributed": "critical"}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0") as started,
    ):
        yield started


@pytest.fixture
def scheduler(processes):
    """The address of the scheduler, with two workers."""
    processes.wait_for_workers(2)
    return processes.scheduler_address


@pytest.fixture
def impatient(monkeypatch):
    """Waits are short, and a scheduler of the test's own counts deaths as Dask does: the first one costs a call nothing."""
    import dask

    monkeypatch.setattr(cluster, "_PATIENCE_S", 0.4)
    monkeypatch.setattr(cluster, "_LOOK_S", 0.1)
    with dask.config.set({"distributed.scheduler.allowed-failures": 3}):
        yield


def contents(root):
    """The bytes of a data set, without its journal, which holds times, and its state, which holds paths as they were given."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".work" not in path.parts
    }


def double(number):
    return 2 * number


def fail(number):
    raise ValueError(f"{number} is wrong")


def die_at(numbers, number):
    if number in numbers:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def note(folder, number):
    (folder / str(number)).touch()
    time.sleep(0.1)


def test_a_worker_that_is_killed_in_the_middle_changes_no_byte(tmp_path, processes, scheduler, monkeypatch):
    local = make_set(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)  # not the folder of the workers
    folder, raw = DatasetFolder(Path("elsewhere/set")), Path("raw")
    victim = next(iter(processes.workers.values())).pid
    with folder.locked("dataset"), open_executor(1, scheduler, [raw, folder.root]) as executor:
        stages.index(folder, load_recipe("small.toml"), raw, None, executor)
        stages.split(folder)
        os.kill(victim, signal.SIGSTOP)  # it is given tasks, and finishes none
        threading.Timer(0.3, os.kill, [victim, signal.SIGKILL]).start()
        counts = stages.variants(folder, executor, fused=True).summary
    assert counts["unreadable"] == 0
    assert contents(tmp_path / folder.root) == contents(local.root)


def test_stages_by_the_command_line_give_the_same_bytes(tmp_path, scheduler, monkeypatch, capsys):
    local = make_set(tmp_path)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "scheduler.json"
    file.write_text(f'{{"address": "{scheduler}"}}')
    making = ["--raw", "raw", "--out", "other", "--recipe", "small.toml"]
    assert main(["index", *making, "--scheduler", scheduler]) == 0
    assert main(["split", "other"]) == 0
    assert main(["masks", "other", "--scheduler", str(file)]) == 0
    assert main(["variants", "other", "--scheduler", str(file)]) == 0
    assert contents(tmp_path / "other") == contents(local.root)
    capsys.readouterr()
    audits = []
    for command in (["audit", "other"], ["audit", "other", "--scheduler", scheduler]):
        audits.append((main(command), capsys.readouterr().out))
    assert audits[0] == audits[1]


@pytest.mark.slow
def test_a_phantom_too(tmp_path, scheduler, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["phantom", "one", "--patients", "6", "--workers", "1"]) == 0
    assert main(["phantom", "two", "--patients", "6", "--scheduler", scheduler]) == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.slow
def test_what_kills_workers_costs_its_item_and_nothing_else(scheduler):
    with open_executor(1, scheduler) as executor:
        results = in_order(executor, functools.partial(die_at, {1}), range(4), crashed=lambda number: f"{number} died")
        assert list(results) == [0, "1 died", 4, 6]


def test_an_error_arrives_with_its_type_and_the_calls_that_led_to_it(scheduler):
    with open_executor(1, scheduler) as executor, pytest.raises(ValueError, match="7 is wrong") as caught:
        executor.submit(fail, 7).result()
    assert "in fail" in str(caught.value.__cause__)


class OfTwo(Exception):
    """It cannot be loaded again: pickle gives it the message alone."""

    def __init__(self, message, detail):
        super().__init__(message)


def fail_with_two(number):
    raise OfTwo(f"{number} is wrong", "")


def test_an_error_that_cannot_be_sent_arrives_as_text(scheduler):
    with open_executor(1, scheduler) as executor, pytest.raises(RuntimeError, match=r"^OfTwo: 7 is wrong$"):
        executor.submit(fail_with_two, 7).result(timeout=20)


def test_dask_sees_no_argument(scheduler):
    """It writes what it sees into the logs of its processes, and under a site key no name may get there."""
    assert "P1_secret" not in repr(cluster._Call(double, ("P1_secret",), {}, {}))


def test_an_interrupted_run_cancels_its_calls_and_leaves_none_behind(tmp_path, scheduler):
    with contextlib.suppress(KeyboardInterrupt), open_executor(1, scheduler) as executor:
        calls = [executor.submit(note, tmp_path, number) for number in range(40)]
        calls[0].result()
        raise KeyboardInterrupt
    done = len(list(tmp_path.iterdir()))
    assert done < 40
    assert any(call.cancelled() for call in calls)
    time.sleep(0.3)
    assert len(list(tmp_path.iterdir())) == done


def test_more_calls_are_submitted_than_there_are_workers(scheduler):
    with open_executor(1, scheduler) as executor:
        assert executor.ahead == 32
        executor.sync()


def refused(*arguments):
    with pytest.raises(InputError) as error:
        open_executor(1, *arguments)
    return str(error.value)


def test_a_scheduler_that_is_not_there(impatient, tmp_path, capsys):
    message = refused("tcp://127.0.0.1:1")
    assert message.startswith("--scheduler tcp://127.0.0.1:1: cannot be reached (")
    assert message.endswith("; start `dask scheduler` there, and give the address that it prints")
    assert "cannot be reached (ValueError" in refused("nonsense://here")
    download, recipe = small_download(tmp_path / "raw"), small_recipe(tmp_path / "small.toml")
    making = ["--raw", str(download.root), "--out", str(tmp_path / "set"), "--recipe", recipe]
    assert main(["dataset", *making, "--scheduler", "tcp://127.0.0.1:1"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"error: {message}\n")
    assert not (tmp_path / "set").exists()


def test_the_file_of_a_scheduler_that_is_not_there_or_not_one(tmp_path):
    file = tmp_path / "s.json"
    assert refused(str(file)).startswith(f"--scheduler {file}: is not the file of a scheduler (FileNotFoundError: ")
    file.write_text("[1]")
    assert refused(str(file)).endswith("; start `dask scheduler --scheduler-file FILE` first")


def test_a_scheduler_without_workers_or_that_loses_them(impatient):
    with distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as empty:
        address = empty.scheduler_address
        message = f"--scheduler {address}: {cluster._NO_WORKER}"
        assert message.endswith("has had no worker for 30 s; start some with `dask worker`, and run the same command again")
        assert refused(address) == message
        empty.scale(1)
        with open_executor(1, address) as executor:
            assert executor.submit(double, 2).result() == 4
            empty.scale(0)
            with pytest.raises(InputError) as error:
                executor.submit(double, 2).result(timeout=20)
        assert str(error.value) == message


def test_a_scheduler_that_ends(impatient):
    with distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as lost:
        executor = open_executor(1, lost.scheduler_address)
        call = executor.submit(time.sleep, 1)
        lost.close()
        with pytest.raises(InputError, match=r"the connection was lost|has had no worker"):
            call.result(timeout=20)
        executor.shutdown()


@pytest.mark.parametrize("package", ["numpy", "distributed"])
def test_versions_that_differ(scheduler, monkeypatch, package):
    theirs = cluster._describe(())[package]
    own = cluster.importlib.metadata.version
    monkeypatch.setattr(cluster.importlib.metadata, "version", lambda name: "1.2.3" if name == package else own(name))
    message = refused(scheduler)
    assert f": has {package} {theirs}, and this process 1.2.3; install the same version on all machines" in message
    assert message.startswith("worker tcp://127.0.0.1:" if package == "numpy" else f"--scheduler {scheduler}")


def test_another_version_of_the_project(scheduler, monkeypatch):
    monkeypatch.setattr(cluster, "_code_digest", lambda: "0")
    assert ": has code of this project " in refused(scheduler)


def test_a_worker_that_lacks_the_project(scheduler, monkeypatch):
    absent = types.ModuleType("absent_project")
    exec("def find_difference(facts):\n    return ''", absent.__dict__)
    monkeypatch.setitem(sys.modules, "absent_project", absent)
    with open_executor(1, scheduler) as executor, monkeypatch.context() as patch:
        patch.setattr(cluster._Call, "__reduce__", lambda self: (absent.find_difference, ({},)), raising=False)
        with pytest.raises(InputError, match="a worker cannot load this project"):  # one that has joined later
            executor.submit(double, 1).result()
    monkeypatch.setattr(cluster, "_find_difference", absent.find_difference)
    message = refused(scheduler)
    assert message.startswith("worker tcp://127.0.0.1:")
    assert message.endswith(
        ": cannot load this project; install the same version there, in the environment that runs `dask worker` "
        """(ModuleNotFoundError("No module named 'absent_project'"))"""
    )


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="there is no /proc, and with it no path of another meaning")
def test_a_worker_that_sees_another_folder(tmp_path, scheduler, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("/proc/self/cwd")  # each process has its own
    message = refused(scheduler, [folder])
    assert message.startswith("worker tcp://127.0.0.1:")
    assert f": does not see the same folder {folder}; --scheduler needs a file system that all machines share" in message
    with open_executor(1, scheduler) as executor:
        executor._facts |= {str(folder): "the lock of this run"}
        with pytest.raises(InputError, match="does not see the same folder"):  # one that has joined later
            executor.submit(double, 1).result()


def test_without_dask_the_option_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert refused("tcp://127.0.0.1:1") == (
        "distributed, which is needed for --scheduler, is not installed; run `pip install 'cesm-segmentation[dask]'`"
    )
