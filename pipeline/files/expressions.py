"""Searches with regular expressions that somebody else wrote, which may take forever on a name of thirty characters."""

import re
import signal
import threading

from pipeline.files.program import InputError

_MOST_SECONDS = 2.0


def search_expression(pattern: re.Pattern[str], text: str, shown: str = "") -> re.Match[str] | None:
    """Searches a text; the limit of time holds in the main thread, where the signal of a timer can arrive.

    Args:
      pattern: the expression.
      text: to search.
      shown: what the error calls the text, where it must not be quoted.

    Raises:
      InputError: the search takes longer than any useful expression does.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        return pattern.search(text)

    def stop(*_: object) -> None:
        raise InputError(
            f"the regular expression {pattern.pattern!r} takes longer than {_MOST_SECONDS:g} s on "
            f"{shown or repr(text[:80])}; repeat no group that holds a repetition, as (a+)+ does"
        )

    before = signal.signal(signal.SIGALRM, stop)
    timer = signal.setitimer(signal.ITIMER_REAL, _MOST_SECONDS)
    try:
        return pattern.search(text)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)
