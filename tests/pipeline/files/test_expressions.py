"""How long a regular expression of somebody else may take."""

import re
import signal
import threading

import pytest

from pipeline.files import InputError, expressions, search_expression


def test_an_expression_that_takes_forever_is_refused(monkeypatch):
    monkeypatch.setattr(expressions, "_MOST_SECONDS", 0.05)
    with pytest.raises(InputError, match=r"takes longer than 0.05 s on 'aaaa"):
        search_expression(re.compile("^((?:a+)+)$"), "a" * 40 + "_1")
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_expression_is_searched_and_the_timer_of_others_goes_on():
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 60)
    try:
        match = search_expression(re.compile("b(.)"), "abc")
        assert match
        assert match[1] == "c"
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_other_threads_search_without_a_limit():
    found = []
    thread = threading.Thread(target=lambda: found.append(search_expression(re.compile("b"), "abc")))
    thread.start()
    thread.join()
    assert found[0]
