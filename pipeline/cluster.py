"""Runs calls on a Dask cluster, whose workers may be on other machines that share the folders under the same paths.

Before a worker's first call it is checked that it has this project, the same versions, and the same folders: with other ones
it would write other bytes, or reject every image as missing.
"""

import contextlib
import hashlib
import importlib.metadata
import itertools
import json
import logging
import os
import pickle
import platform
import threading
import time
import traceback
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, InvalidStateError
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pipeline.files import LOCK, InputError, require, sync
from pipeline.files.processes import Workers, use_one_thread

# Packages whose version may change bytes, and Dask's own, which speak with each other.
_PACKAGES = (
    *("dask", "distributed", "numpy", "opencv-python-headless", "simplejpeg", "pillow", "pydicom", "pydantic"),
    *("pylibjpeg", "pylibjpeg-openjpeg", "pyjpegls", "python-gdcm"),
)
_PATIENCE_S = 30.0  # to be connected, and to be without any worker
_LOOK_S = 1.0


def open_cluster(address: str, folders: Sequence[Path] = ()) -> "Cluster":
    """Connects to a scheduler and checks its workers.

    Args:
      address: such as `tcp://node1:8786`, or the path of the file that `dask scheduler --scheduler-file` writes.
      folders: what workers read from and write to; those that do not exist are not compared.

    Raises:
      InputError: Dask is not installed, the scheduler cannot be reached or has no worker, or a worker lacks the project, has
        another version of it or of a package, or does not see a folder.
    """
    require("distributed", "for --scheduler", "dask")
    import distributed

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what fails is reported here, in one line
    found = _read_address(address)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions, which are compared below
        try:
            client = distributed.Client(found, timeout=_PATIENCE_S, set_as_default=False)
        except (OSError, ValueError, ImportError) as error:
            raise InputError(
                f"--scheduler {address}: cannot be reached ({type(error).__name__}: {error}); start `dask scheduler` there, "
                "and give the address that it prints"
            ) from error
    cluster = Cluster(client, address, folders)
    try:
        cluster.check()
    except BaseException:
        cluster.shutdown()
        raise
    return cluster


def _read_address(address: str) -> str:
    """The address itself, or the one in a scheduler's file."""
    if not address.endswith(".json"):
        return address
    try:
        return str(json.loads(Path(address).read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"--scheduler {address}: is not the file of a scheduler ({type(error).__name__}: {error}); start `dask scheduler "
            "--scheduler-file FILE` first"
        ) from error


class Cluster(Workers):
    """A connection to a Dask scheduler. A call whose worker dies is run again by another; of a call that kills them it gives up.

    Args:
      client: of the package distributed; it is closed with this executor.
      address: as the user gave it, for messages.
      folders: as for `open_cluster`.
    """

    def __init__(self, client, address: str, folders: Sequence[Path]):
        self._client, self._address = client, address
        self._facts = _describe(tuple(str(folder.absolute()) for folder in folders if folder.is_dir()))
        self._executor = client.get_executor(pure=False)
        self._run, self._numbers = f"cesm-{uuid.uuid4().hex}", itertools.count()
        self._waiting: set[Future] = set()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def check(self) -> None:
        """Waits for the first worker, and checks all that are there; later ones are checked before their first call.

        Raises:
          InputError: as `open_cluster` describes.
        """
        try:
            self._client.wait_for_workers(1, timeout=_PATIENCE_S)
            scheduler = self._client.get_versions()["scheduler"]["packages"]
            answers = self._client.run(_find_difference, self._facts, on_error="return")
        except TimeoutError as error:
            raise InputError(f"--scheduler {self._address}: {_NO_WORKER}") from error
        except OSError as error:
            raise self._lost(error) from error
        if scheduler["distributed"] != self._facts["distributed"]:
            raise InputError(
                f"--scheduler {self._address}: has distributed {scheduler['distributed']}, and this process "
                f"{self._facts['distributed']}; install the same version on all machines"
            )
        for worker, answer in sorted(answers.items()):
            if answer:
                raise InputError(f"worker {worker}: {f'{_NO_PROJECT} ({answer})' if isinstance(answer, Exception) else answer}")
        self.ahead = max(self.ahead, 4 * sum(self._client.nthreads().values()))

    def submit(self, fn, /, *args, **kwargs):
        """Starts a call; it fails with BrokenExecutor where each worker that began it has died."""
        outer: Future = Future()
        self._waiting.add(outer)
        key = f"{self._run}-{next(self._numbers)}"
        inner = self._executor.submit(_Call(fn, args, kwargs, self._facts), key=key)
        outer.add_done_callback(lambda _: self._forget(outer, inner))
        inner.add_done_callback(lambda _: self._pass_on(inner, outer))
        return outer

    def _forget(self, outer: Future, inner: Future) -> None:
        self._waiting.discard(outer)
        if outer.cancelled():
            inner.cancel()

    def _pass_on(self, inner: Future, outer: Future) -> None:
        """Gives the user's future the result of Dask's."""
        if inner.cancelled():
            if not outer.cancelled():
                self._fail(outer, self._lost())
        elif error := inner.exception():
            self._fail(outer, self._translate(error))
        else:
            done, value, trace = inner.result()
            if done:
                with contextlib.suppress(InvalidStateError):
                    outer.set_result(value)
            else:
                value.__cause__ = _RemoteTraceback(trace)
                self._fail(outer, value)

    @staticmethod
    def _fail(future: Future, error: BaseException) -> None:
        with contextlib.suppress(InvalidStateError):  # it was cancelled meanwhile
            future.set_exception(error)

    def _translate(self, error: BaseException) -> BaseException:
        """What a failure of Dask's own means; failures of the function itself arrive as its results."""
        if type(error).__name__ == "KilledWorker":
            return BrokenExecutor(f"--scheduler {self._address}: {error}")
        return InputError(f"--scheduler {self._address}: a worker {_NO_PROJECT} ({error})")

    def _lost(self, error: BaseException | str = "") -> InputError:
        detail = f" ({type(error).__name__}: {error})" if error else ""
        return InputError(
            f"--scheduler {self._address}: the connection was lost{detail}; start the scheduler again, and run the same command"
        )

    def _watch(self) -> None:
        """Fails what waits where there has been no worker for too long: it would wait for ever."""
        last = time.monotonic()
        while not self._closed.wait(_LOOK_S):
            with contextlib.suppress(Exception):  # the connection is lost, which Dask tries to repair
                if self._client.nthreads():
                    last = time.monotonic()
            if time.monotonic() - last > _PATIENCE_S:
                for future in list(self._waiting):
                    self._fail(future, InputError(f"--scheduler {self._address}: {_NO_WORKER}"))

    def sync(self) -> None:
        """Waits until all that this machine and the workers wrote is on the disks."""
        sync()
        self._client.run(sync, on_error="ignore")  # of workers that die meanwhile their machines do it

    def shutdown(self, wait=True, *, cancel_futures=False):
        """Cancels what has not begun, waits for what has, and closes the connection; the cluster goes on."""
        if self._closed.is_set():
            return
        self._closed.set()
        for future in list(self._waiting):
            future.cancel()
        self._executor.shutdown(wait=False)
        with contextlib.suppress(Exception):  # it may be lost, or workers may have died
            if wait and self._client.status == "running":
                self._client.run(_finish, self._run)
        with contextlib.suppress(Exception):
            self._client.close()


_NO_WORKER = f"has had no worker for {_PATIENCE_S:.0f} s; start some with `dask worker`, and run the same command again"
_NO_PROJECT = "cannot load this project; install the same version there, in the environment that runs `dask worker`"


class _RemoteTraceback(Exception):
    """The calls in a worker that led to an error, as text."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class _Call:
    """A call as a worker runs it. Dask sees neither function nor arguments, so that none of their names is in its logs."""

    def __init__(self, function: Callable, args: tuple, kwargs: Mapping[str, Any], facts: Mapping[str, str]):
        self.function, self.args, self.kwargs, self.facts = function, args, kwargs, facts

    def __call__(self) -> tuple[bool, Any, str]:
        """Whether it succeeded, the result or the error, and the traceback of an error."""
        try:
            if difference := _find_difference(self.facts):
                raise InputError(f"worker {_address()}: {difference}")
            use_one_thread()
            return True, self.function(*self.args, **self.kwargs), ""
        except Exception as error:
            return False, _portable(error), traceback.format_exc()


def _portable(error: Exception) -> Exception:
    """An error that the process of the command can load; of one that it could not, Dask would report nothing, for ever."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _find_difference(facts: Mapping[str, str]) -> str:
    """Runs on a worker: describes the first fact in which it differs from the process that gives it work; empty if none."""
    return _find_difference_once(tuple(facts.items()))


@lru_cache(maxsize=8)
def _find_difference_once(facts: tuple[tuple[str, str], ...]) -> str:
    ours = _describe(tuple(name for name, _ in facts if os.path.isabs(name)))
    for name, value in facts:
        if os.path.isabs(name) and ours[name] != value:
            return f"does not see the same folder {name}; --scheduler needs a file system that all machines share, under one path"
        if ours[name] != value:
            return f"has {name} {ours[name]}, and this process {value}; install the same version on all machines"
    return ""


def _address() -> str:
    import distributed

    return distributed.get_worker().address


def _describe(folders: tuple[str, ...]) -> dict[str, str]:
    """What must be equal on all machines: versions, the project's code, and what the folders hold, by its name."""
    versions = {"Python": platform.python_version().rpartition(".")[0]}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "(not installed)"
    return versions | {"code of this project": _code_digest()} | {folder: _look_into(folder) for folder in folders}


@cache
def _code_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(_code_files()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _code_files() -> Iterator[Path]:
    return Path(__file__).parent.rglob("*.py")


def _look_into(folder: str) -> str:
    """A folder's lock, which names the process that holds it, or the names in a folder that nobody writes to."""
    try:
        with contextlib.suppress(FileNotFoundError):
            return Path(folder, LOCK).read_text(encoding="utf-8")
        return hashlib.sha256("\0".join(sorted(os.listdir(folder))).encode(errors="surrogateescape")).hexdigest()
    except OSError as error:
        return f"({error.strerror})"


async def _finish(run: str, dask_worker=None) -> None:
    """Runs on a worker: waits for the calls of a cancelled run that it has begun, so that nothing is written afterwards."""
    import asyncio

    while any(str(key).startswith(run) for key in dask_worker.active_keys):
        await asyncio.sleep(0.02)
