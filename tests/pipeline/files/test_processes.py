"""Executors of processes and threads: order, bounds, errors."""

import functools
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.files import InputError
from pipeline.files.processes import Inline, Pool, in_batches, in_order


def double(number):
    return 2 * number


def fail_at_three(number):
    if number == 3:
        raise ValueError("three")
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers):
    with Pool(workers) as executor:
        assert list(in_order(executor, double, range(50), ahead=4)) == list(range(0, 100, 2))


def test_an_error_reaches_the_caller():
    with pytest.raises(ValueError, match="three"):
        list(in_order(Inline(), fail_at_three, range(5)))


class Counting(Executor):
    """Returns futures that are done, and counts how many wait for their reader."""

    def __init__(self):
        self.waiting = self.most = 0

    def submit(self, fn, /, *args, **kwargs):
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_no_more_than_ahead_wait():
    executor = Counting()
    for _ in in_order(executor, double, range(100), ahead=7):
        executor.waiting -= 1
    assert executor.most <= 8


def test_what_has_not_begun_is_cancelled_when_the_caller_stops():
    futures = []

    class Never(Executor):
        def submit(self, fn, /, *args, **kwargs):
            futures.append(Future())
            if len(futures) == 1:
                futures[0].set_result(0)
            return futures[-1]

    results = in_order(Never(), double, range(10), ahead=4)
    next(results)
    results.close()
    assert [future.cancelled() for future in futures[1:]] == [True] * (len(futures) - 1)


def die_at(numbers, kind=signal.SIGKILL):
    """A function that doubles a number, and whose process dies of some."""
    return functools.partial(double_or_die, numbers, kind)


def double_or_die(numbers, kind, number):
    if number in numbers:
        os.kill(os.getpid(), kind)
    return 2 * number


def double_all(numbers, kind, batch):
    return [double_or_die(numbers, kind, number) for number in batch]


@pytest.mark.parametrize(("workers", "kind"), [(1, signal.SIGSEGV), (2, signal.SIGKILL)])
def test_a_process_that_dies_costs_the_item_that_it_died_on(workers, kind):
    deaths = {0, 7, 39}
    with Pool(workers) as executor:
        results = in_order(executor, die_at(deaths, kind), range(40), ahead=4, crashed=lambda number: f"{number} died")
        assert list(results) == [f"{number} died" if number in deaths else 2 * number for number in range(40)]
        assert list(in_order(executor, double, range(3))) == [0, 2, 4], "it goes on afterwards"


class Registered(dict):
    """The processes of an executor by number; all but the first are entered after one of them has died."""

    def __init__(self, executor):
        self.executor = executor

    def __setitem__(self, number, process):
        wait_until_broken(self.executor)
        super().__setitem__(number, process)


def wait_until_broken(executor):
    end = time.monotonic() + 1  # Python 3.12 and later do not note it while a process is started
    while executor._processes and not executor._broken and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.1 if executor._processes else 0)


@pytest.mark.parametrize("late", ["start", "entry"])
def test_a_process_that_is_started_while_another_dies_stops_nothing(monkeypatch, late):
    """The second one comes when Python has ended those that it knows: its start fails, or it is waited for without end."""
    spawn = ProcessPoolExecutor._spawn_process

    def spawn_late(executor):
        if late == "start":
            wait_until_broken(executor)
        elif not executor._processes:
            executor._processes = Registered(executor)
        spawn(executor)

    monkeypatch.setattr(ProcessPoolExecutor, "_spawn_process", spawn_late)
    with Pool(2) as executor:
        results = in_order(executor, die_at({0}), range(4), crashed=lambda number: f"{number} died")
        assert list(results) == ["0 died", 2, 4, 6]


class Forgetful(Inline):
    """Processes of which one has died, and that forget what they are given, as Python 3.11 does at that moment."""

    def __init__(self, *, is_broken):
        self.is_broken = is_broken

    def submit(self, fn, /, *args, **kwargs):
        return Future() if self.is_broken else super().submit(fn, *args, **kwargs)

    def kill(self):
        pass


def test_calls_that_were_forgotten_when_a_process_died_are_repeated(monkeypatch):
    started = iter([Forgetful(is_broken=True), Forgetful(is_broken=False)])
    monkeypatch.setattr("pipeline.files.processes.executors.start_processes", lambda workers, modules: next(started))
    with Pool(2) as executor:
        assert list(in_order(executor, double, range(3))) == [0, 2, 4]


def test_within_a_batch_too():
    with Pool(2) as executor:
        work = functools.partial(double_all, {3, 20}, signal.SIGKILL)
        results = list(in_batches(executor, work, range(24), 8, crashed=lambda number: f"{number} died"))
    assert results == [f"{number} died" if number in (3, 20) else 2 * number for number in range(24)]


def die_once(mark, number):
    if number == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def test_what_succeeds_alone_costs_nothing(tmp_path):
    """As when the system was out of memory only while several images were read."""
    with Pool(2) as executor:
        work = functools.partial(die_once, tmp_path / "mark")
        assert list(in_order(executor, work, range(10))) == list(range(0, 20, 2))


def test_processes_are_replaced_once_where_one_has_died_and_once_more_for_its_item(monkeypatch):
    renewed = []
    with Pool(1) as executor:
        monkeypatch.setattr(executor, "renew", lambda: renewed.append(1) or type(executor).renew(executor))
        assert list(in_order(executor, die_at({0}), range(20), crashed=lambda number: 0)) == list(range(0, 40, 2))
    assert len(renewed) == 2


LOADING = """
import os, signal, time
from multiprocessing import forkserver
from pipeline.files.processes import start_server
start_server(["pipeline.dataset.samples"])
server = forkserver._forkserver._forkserver_pid
time.sleep(0.1)
os.kill(server, signal.SIGINT)
print(os.waitid(os.P_PID, server, os.WEXITED | os.WNOHANG), signal.pthread_sigmask(signal.SIG_BLOCK, []), flush=True)
time.sleep(0.3)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no server of processes")
def test_an_interrupt_while_workers_load_prints_no_trace():
    run = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("None set()\n", "")


def faults_of_an_image(number):
    """Page faults of twenty times ten arrays of 3 MB, which is as much as an image takes."""
    import resource

    import numpy as np

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        [np.ones(3 * 2**20, np.uint8) for _ in range(10)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked to keep memory")
def test_workers_keep_the_memory_of_an_image_for_the_next():
    with Pool(1) as executor:
        assert list(in_order(executor, faults_of_an_image, range(2)))[1] < 1000, "the arrays have 150,000 pages"


def test_where_nothing_else_is_agreed_it_is_an_error_that_names_the_item():
    with (
        Pool(1) as executor,
        pytest.raises(InputError, match="2: the process that worked on it died, of a decoder's fault or for want of memory"),
    ):
        list(in_order(executor, die_at({2}), range(4)))


PARENT = """
import os, sys, time
from pipeline.files.processes import Pool
executor = Pool(2)
print(*{executor.submit(os.getpid).result() for _ in range(20)}, flush=True)
time.sleep(60)
"""


def test_processes_end_with_a_parent_that_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    workers = [int(number) for number in parent.stdout.readline().split()]
    parent.kill()
    parent.communicate()
    assert workers
    for _ in range(100):
        if not any(is_running(number) for number in workers):
            return
        time.sleep(0.05)
    pytest.fail("a process is left over")


def is_running(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{number}/status").read_text() if Path("/proc").is_dir() else True


SECONDS = 20  # to wait for another thread before the test fails


def test_items_are_taken_only_so_far_ahead_and_results_keep_their_order():
    taken = []
    with ThreadPoolExecutor(3) as executor:
        results = in_order(executor, str, (taken.append(number) or number for number in range(10)), ahead=3)
        assert next(results) == "0"
        assert taken == [0, 1, 2]
        assert list(results) == [str(number) for number in range(1, 10)]


def test_calls_that_have_not_begun_are_cancelled_where_the_caller_stops():
    begun, release = [], threading.Event()

    def work(number):
        begun.append(number)
        assert number == 0 or release.wait(SECONDS)

    with ThreadPoolExecutor(1) as executor:
        results = in_order(executor, work, range(10), ahead=4)
        next(results)
        results.close()
        release.set()
    assert len(begun) <= 2


def test_an_error_takes_the_place_of_its_result():
    with ThreadPoolExecutor(2) as executor:
        results = in_order(executor, lambda number: 1 // number, [1, 0, 1], ahead=3)
        assert next(results) == 1
        with pytest.raises(ZeroDivisionError):
            next(results)
