"""Threads that work before and behind the main thread, so that reading and writing wait for no prediction."""

import collections
import os
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def count_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int) -> Generator[Result]:
    """Maps a function over items in other threads; items are taken, and results given, in the caller's.

    Calls that have not begun are cancelled when the generator is closed.

    Args:
      executor: runs the calls.
      function: of one item; its error is raised in place of its result, and ends the work.
      items: taken one by one, so that their iterator may work while earlier items are in other threads.
      ahead: how many items may have been taken whose results were not, at least 1; it bounds memory.

    Example:
      >>> from concurrent.futures import ThreadPoolExecutor
      >>> with ThreadPoolExecutor(2) as executor:
      ...     list(in_order(executor, abs, [-1, 2, -3], ahead=2))
      [1, 2, 3]
    """
    waiting: collections.deque[Future[Result]] = collections.deque()
    try:
        for item in items:
            waiting.append(executor.submit(function, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
