"""Executors: in this process, in processes of this machine, on a cluster."""

import os
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path

from pipeline.files import sync
from pipeline.workers.processes import Processes, start_processes


class Inline(Executor):
    """Runs each call immediately in this process, which ends with a decoder that crashes: for tests and small work."""

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


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
        self._processes: Processes | None = None

    def submit(self, fn, /, *args, **kwargs):
        """Starts a call; where a process has died, all calls fail with BrokenExecutor until `renew`."""
        if self._processes is None:
            self._processes = start_processes(self._workers)
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
