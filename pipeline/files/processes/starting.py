"""The processes of a pool: started fresh, with what they run loaded before, and ended with their parent."""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of malloc.h


class Processes(ProcessPoolExecutor):
    """Processes that import what they run, and never the script that asks for them.

    Without this a script that calls us at its top level, as a notebook's cells do, would be run again by each process.
    """

    def submit(self, fn, /, *args, **kwargs):
        with _without_main():  # processes are started while a call is submitted
            return super().submit(fn, *args, **kwargs)

    @property
    def is_broken(self) -> bool:
        """Whether a process has died, and with it all calls."""
        return bool(self._broken)

    def kill(self) -> None:
        """Ends all processes at once, so that nothing waits for one of them.

        Where one dies while another is started, Python 3.11 ends those that it knew before, and then waits for the new one too.
        """
        for process in list((self._processes or {}).values()):
            process.kill()


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _has_server() -> bool:
    return "forkserver" in multiprocessing.get_all_start_methods()


def start_server(modules: Sequence[str] = ()) -> None:
    """Starts the process that those of a `Pool` are forked from; it loads `modules` while this one goes on.

    There is one for all pools: a later call with other modules changes nothing, and each process loads those itself.
    """
    if _has_server():
        from multiprocessing import forkserver, resource_tracker  # there are none on Windows

        multiprocessing.get_context("forkserver").set_forkserver_preload(["concurrent.futures.process", *modules])
        resource_tracker.ensure_running()  # the server starts it otherwise, and it lets interrupts through again
        held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the server inherits it: Ctrl-C would print its trace
        try:
            with _without_main():
                forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)


def start_processes(workers: int, modules: Sequence[str]) -> Processes:
    """Processes are started fresh (forkserver, or spawn where there is none): a fork of a process that holds threads, such
    as OpenCV's or TensorFlow's, may hang."""
    start_server(modules)
    context = multiprocessing.get_context("forkserver" if _has_server() else "spawn")
    return Processes(workers, mp_context=context, initializer=_start_worker)


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
