import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from segmenter.threads import in_order

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
