"""Work over many images through the standard `concurrent.futures.Executor` interface, bounded in memory.

Any executor will do, also one of a cluster; the default is a pool of processes on this machine.
"""

import collections
import contextlib
import multiprocessing
import os
import signal
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Inline(Executor):
    """Runs each call immediately in this process: one worker, no start-up, plain tracebacks."""

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


def open_executor(workers: int) -> Executor:
    """Opens an executor of `workers` processes; one worker is this process itself.

    Processes are started fresh (forkserver, or spawn where there is none): a fork of a process that holds threads, such
    as OpenCV's or TensorFlow's, may hang.
    """
    if workers == 1:
        _one_thread()
        return Inline()
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["pipeline.dataset.samples"])
    return _Processes(workers, mp_context=context, initializer=_start_worker)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; only the parent acts on it
    _one_thread()


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)  # one image per core; OpenCV's own threads would fight over them


def in_order(executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int = 32) -> Iterator[Result]:
    """Maps `function` over `items` in their order; at most `ahead` results wait, so memory stays flat.

    When the caller stops early, calls that have not begun are cancelled.
    """
    waiting: collections.deque[Future] = collections.deque()
    try:
        for item in items:
            waiting.append(executor.submit(function, item))
            if len(waiting) >= (1 if isinstance(executor, Inline) else ahead):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
