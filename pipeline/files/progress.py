"""Progress of long work, on standard error."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from pipeline.files.printing import cursor_stream

Item = TypeVar("Item")


def progress(items: Iterable[Item], total: int, label: str, unit: str = "images") -> Iterator[Item]:
    """Yields the items and shows progress: a bar on a terminal, else a plain line every ten seconds."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=label, unit=f" {unit}", dynamic_ncols=True, file=cursor_stream())
        return
    printed = time.monotonic()
    count = 0
    for count, item in enumerate(items, 1):
        yield item
        if time.monotonic() - printed >= 10:
            printed = time.monotonic()
            print(f"{label}: {count} of {total} {unit}", file=sys.stderr, flush=True)
    print(f"{label}: {count} of {total} {unit}, done", file=sys.stderr, flush=True)
