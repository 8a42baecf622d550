"""What the machine still has to give to this process."""

import os
import re
from pathlib import Path

_ROOT = Path("/")
_ON_WINDOWS = 2**30


def free_memory(root: Path = _ROOT) -> int:
    """The memory that is free, in bytes: what the machine has left, or less where its control group limits this process.

    Files that the system keeps in memory count as free. Where a system reports nothing about free memory, half of what it has
    is assumed to be; 1 GiB where it does not report that either, as Windows.

    Args:
      root: the folder that holds proc and sys.

    Source: the Linux kernel's documentation of `/proc/meminfo` and of control groups, versions 1 and 2.
    """
    try:
        information = (root / "proc/meminfo").read_text()
        free = int(re.findall(r"MemAvailable: *(\d+) kB", information)[0]) * 1024
    except (OSError, IndexError):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2 if hasattr(os, "sysconf") else _ON_WINDOWS
    return max(0, min([free, *_left_in_groups(root)]))


def all_cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _left_in_groups(root: Path) -> list[int]:
    """What is left of the limit of each control group around this process; a group without limit has none."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    left = []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if not controllers or "memory" in controllers.split(","):
            version2 = not controllers
            top = root / "sys/fs/cgroup" / controllers
            limit, used = ("memory.max", "memory.current") if version2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
            own = top / path.lstrip("/")
            for group in [own, *own.parents]:
                if group.is_relative_to(top) and (most := _number(group / limit)) is not None:
                    cached = re.findall(r"^(?:total_)?inactive_file (\d+)", _text(group / "memory.stat"), re.MULTILINE)
                    left.append(most - (_number(group / used) or 0) + max(map(int, cached), default=0))
    return left


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None  # "max" where there is no limit


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
