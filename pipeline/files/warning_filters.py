"""Turns Python's warnings off for a block, also where several threads do that together."""

import contextlib
import threading
import warnings
from collections.abc import Iterator

_LOCK = threading.RLock()


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Within its block no warning is shown; packages quote odd values in theirs, and a header's values are a patient's.

    One thread at a time runs such a block: filters belong to the whole process, and where two threads saved and restored them
    together, warnings would stay off, or appear within the other block.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
