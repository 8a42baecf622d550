"""Maps a function over many items by an executor, in their order and bounded in memory; a process that dies costs one item."""

import collections
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from typing import TypeVar

from pipeline.files.processes.executors import Inline, Workers
from pipeline.files.program import InputError
from pipeline.files.writing import sync

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    executor: Executor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    ahead: int = 0,
    *,
    crashed: Callable[[Item], Result] | None = None,
) -> Generator[Result]:
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
                result = _result(executor, future)
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
        return _result(executor, executor.submit(function, item))
    except BrokenExecutor as error:
        _renew(executor)
        if crashed is None:
            raise InputError(
                f"{item}: the process that worked on it died, of a decoder's fault or for want of memory; remove that file, or "
                "close other programs"
            ) from error
        return crashed(item)


def _result(executor: Executor, future: Future[Result]) -> Result:
    """Waits for a call, for as long as the processes live."""
    while not wait([future], timeout=1).done:
        if isinstance(executor, Workers) and executor.is_broken:
            raise BrokenExecutor("a process died")
    return future.result()


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
