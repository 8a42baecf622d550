"""Executors: order, bounds, errors."""

from concurrent.futures import Executor, Future

import pytest

from pipeline.workers import Inline, in_order, open_executor


def double(number):
    return 2 * number


def fail_at_three(number):
    if number == 3:
        raise ValueError("three")
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers):
    with open_executor(workers) as executor:
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
