"""Executors: in this process, or in processes of this machine."""

import weakref
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Executor, Future

from pipeline.files.processes.starting import Processes, start_processes
from pipeline.files.writing import sync


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

    @property
    def is_broken(self) -> bool:
        """Whether one has died, and with it all calls that are under way."""
        return False

    def renew(self) -> None:
        """Replaces processes of which one has died."""

    def sync(self) -> None:
        """Waits until all that they wrote is on the disk."""
        sync()


class Pool(Workers):
    """Processes of this machine, started when they are needed and replaced when one of them has died.

    One worker is a process too, because a crash would end the program otherwise.

    Args:
      workers: the number of processes.
      modules: what they run; loaded once and not by each of them, where the system can.
    """

    def __init__(self, workers: int, modules: Sequence[str] = ()):
        self._workers, self._modules = workers, modules
        self._processes: Processes | None = None
        self._calls: weakref.WeakSet[Future] = weakref.WeakSet()

    @property
    def is_broken(self) -> bool:
        return self._processes is not None and self._processes.is_broken

    def submit(self, fn, /, *args, **kwargs):
        """Starts a call; where a process has died, all calls fail with BrokenExecutor until `renew`."""
        if self._processes is None:
            self._processes = start_processes(self._workers, self._modules)
        try:
            future = self._processes.submit(fn, *args, **kwargs)
        except (BrokenExecutor, OSError) as error:
            # A process that is started at that moment finds its end of the pipes closed.
            if not self.is_broken:
                raise
            future = Future()
            future.set_exception(error if isinstance(error, BrokenExecutor) else BrokenExecutor(str(error)))
        self._calls.add(future)
        return future

    def renew(self) -> None:
        """Leaves processes of which one has died; the next call starts others."""
        if self._processes is not None:
            self._processes.kill()
        self.shutdown()
        for call in self._calls:
            if not call.done():  # Python 3.11 forgets what it is given at the moment when a process dies
                call.set_exception(BrokenExecutor("a process died"))

    def shutdown(self, wait=True, *, cancel_futures=False):
        """Ends the processes."""
        if self._processes is not None:
            self._processes.shutdown(wait, cancel_futures=cancel_futures)
            self._processes = None
