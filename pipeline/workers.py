"""Work over many images through the standard `concurrent.futures.Executor` interface, bounded in memory.

Any executor will do; there are a pool of processes on this machine and `pipeline.cluster`. A process that dies, of a decoder's
fault or because the system is out of memory, costs the item that it died on and nothing else.
"""

import collections
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

from pipeline.files import InputError, sync

Item = TypeVar("Item")
Result = TypeVar("Result")

_PRELOADED = ["concurrent.futures.process", "pipeline.dataset.samples", "pipeline.indexing.inspect"]  # what runs in workers
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of malloc.h


class Inline(Executor):
    """Runs each call immediately in this process, which ends with a decoder that crashes: for tests and small work."""

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class _Processes(ProcessPoolExecutor):
    """Processes that import what they run, and never the script that asks for them.

    Without this a script that calls us at its top level, as a notebook's cells do, would be run again by each process.
    """

    def submit(self, fn, /, *args, **kwargs):
        with _without_main():  # processes are started while a call is submitted
            return super().submit(fn, *args, **kwargs)


class Workers(Executor):
    """Processes that may die.

    Attributes:
      ahead: how many calls keep all of them busy.
    """

    ahead = 32

    def renew(self) -> None:
        """Replaces processes of which one has died."""

    def sync(self) -> None:
        """Waits until all that they wrote is on the disk."""
        sync()


class Pool(Workers):
    """Processes of this machine, started when they are needed and replaced when one of them has died."""

    def __init__(self, workers: int):
        self._workers = workers
        self._processes: _Processes | None = None

    def submit(self, fn, /, *args, **kwargs):
        """Starts a call; where a process has died, all calls fail with BrokenExecutor until `renew`."""
        if self._processes is None:
            self._processes = _start_processes(self._workers)
        try:
            return self._processes.submit(fn, *args, **kwargs)
        except BrokenExecutor as error:
            future: Future = Future()
            future.set_exception(error)
            return future

    def renew(self) -> None:
        """Leaves processes of which one has died; the next call starts others."""
        self.shutdown()

    def shutdown(self, wait=True, *, cancel_futures=False):
        """Ends the processes."""
        if self._processes is not None:
            self._processes.shutdown(wait, cancel_futures=cancel_futures)
            self._processes = None


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def all_cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_executor(workers: int, scheduler: str = "", folders: Sequence[Path] = ()) -> Workers:
    """Opens an executor. One worker is a process too, because a crash would end the program otherwise.

    Args:
      workers: the number of processes on this machine.
      scheduler: of a Dask cluster that does the work instead: its address, or its file.
      folders: what is read from and written to; all workers of a cluster must see them.

    Raises:
      InputError: the cluster cannot be used.
    """
    if scheduler:
        from pipeline.cluster import open_cluster

        return open_cluster(scheduler, folders)
    return Pool(workers)


def _has_server() -> bool:
    return "forkserver" in multiprocessing.get_all_start_methods()


def start_server() -> None:
    """Starts the process that those of `open_executor` are forked from; it loads what they need while this one goes on."""
    if _has_server():
        from multiprocessing import forkserver, resource_tracker  # there are none on Windows

        multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOADED)
        resource_tracker.ensure_running()  # the server starts it otherwise, and it lets interrupts through again
        held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the server inherits it: Ctrl-C would print its trace
        try:
            with _without_main():
                forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _start_processes(workers: int) -> _Processes:
    """Processes are started fresh (forkserver, or spawn where there is none): a fork of a process that holds threads, such
    as OpenCV's or TensorFlow's, may hang."""
    start_server()
    context = multiprocessing.get_context("forkserver" if _has_server() else "spawn")
    return _Processes(workers, mp_context=context, initializer=_start_worker)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; only the parent acts on it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _keep_memory()
    use_one_thread()


def _end_with_parent() -> None:
    """Ends this process when its parent is killed: it would wait for work for ever, and hold what it has open."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _keep_memory() -> None:
    """Lets the C library keep what one image took for the next one, in place of 2,000 page faults per image; only glibc can.

    Source: mallopt(3). Older versions of glibc refuse a larger M_MMAP_THRESHOLD.
    """
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(AttributeError):  # another C library
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_MMAP_THRESHOLD, 32 * 2**20)
            mallopt(_TRIM_THRESHOLD, 128 * 2**20)


def use_one_thread() -> None:
    """Turns off OpenCV's own threads in this process."""
    import cv2

    cv2.setNumThreads(1)  # one image per core; OpenCV's own threads would fight over them


def in_order(
    executor: Executor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    ahead: int = 0,
    *,
    crashed: Callable[[Item], Result] | None = None,
) -> Iterator[Result]:
    """Maps `function` over `items` in their order; at most `ahead` results wait, so memory stays flat.

    When the caller stops early, calls that have not begun are cancelled. When a process dies, the calls that were under way
    are repeated one by one, so that the item at fault is known and the others lose nothing.

    Args:
      executor: runs the calls.
      function: of one item.
      items: what to work on.
      ahead: how many results may wait; 0 means as many as keep the executor busy.
      crashed: gives the result of an item whose process died twice, the second time alone; without it that is an error.

    Raises:
      InputError: an item's process died.
    """
    waiting: collections.deque[tuple[Item, Future]] = collections.deque()
    ahead = ahead or (executor.ahead if isinstance(executor, Workers) else Workers.ahead)

    def results(limit: int) -> Iterator[Result]:
        is_renewed = False
        while len(waiting) >= limit:
            item, future = waiting.popleft()
            try:
                result = future.result()
            except BrokenExecutor:
                if not is_renewed:
                    _renew(executor)
                result = _run_alone(executor, function, item, crashed)
                # The calls after it failed with it, and are repeated before any other is begun.
                limit, is_renewed = 1, True
            yield result

    try:
        for item in items:
            waiting.append((item, executor.submit(function, item)))
            yield from results(1 if isinstance(executor, Inline) else ahead)
        yield from results(1)
    finally:
        for _, future in waiting:
            future.cancel()


def _run_alone(
    executor: Executor, function: Callable[[Item], Result], item: Item, crashed: Callable[[Item], Result] | None
) -> Result:
    """Repeats a call while no other runs, so that a process that dies has died of it; the executor works afterwards."""
    try:
        return executor.submit(function, item).result()
    except BrokenExecutor as error:
        _renew(executor)
        if crashed is None:
            raise InputError(
                f"{item}: the process that worked on it died, of a decoder's fault or for want of memory; remove that file, or "
                "close other programs"
            ) from error
        return crashed(item)


def _renew(executor: Executor) -> None:
    if isinstance(executor, Workers):
        executor.renew()


def sync_all(executor: Executor) -> None:
    """Waits until all that the executor's processes wrote is on the disks."""
    executor.sync() if isinstance(executor, Workers) else sync()


def in_batches(
    executor: Executor,
    function: Callable[[list[Item]], list[Result]],
    items: Sequence[Item],
    size: int = 16,
    *,
    crashed: Callable[[Item], Result],
) -> Iterator[Result]:
    """As `in_order`, for work that takes less time than handing it to another process.

    Args:
      executor: runs the calls.
      function: of a list of items; gives one result for each.
      items: what to work on.
      size: of a list.
      crashed: as for `in_order`, of a single item.
    """
    batches = [list(items[start : start + size]) for start in range(0, len(items), size)]
    return in_groups(executor, function, batches, crashed=crashed)


def in_groups(
    executor: Executor,
    function: Callable[[list[Item]], list[Result]],
    groups: Iterable[list[Item]],
    *,
    crashed: Callable[[Item], Result],
) -> Iterator[Result]:
    """As `in_order`, of lists of items that are worked on together, until a process dies of one: then one by one.

    Args:
      executor: runs the calls.
      function: of a list of items; gives one result for each.
      groups: what to work on.
      crashed: as for `in_order`, of a single item.
    """

    def one_by_one(group: list[Item]) -> list[Result]:
        single = in_order(executor, function, [[item] for item in group], 1, crashed=lambda one: [crashed(one[0])])
        return [result for results in single for result in results]

    for results in in_order(executor, function, groups, crashed=one_by_one):
        yield from results
