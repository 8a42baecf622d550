import os

import pytest

from pipeline.files import free_memory

MEMINFO = "MemTotal:       8000 kB\nMemFree:        1000 kB\nMemAvailable:   6000 kB\n"


@pytest.fixture
def machine(tmp_path):
    """A machine with 6000 kB free, and the given files below its root."""

    def make(files):
        for name, text in {"proc/meminfo": MEMINFO, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("files", "kilobytes"),
    [
        pytest.param({}, 6000, id="no groups"),
        pytest.param(
            {"proc/self/cgroup": "0::/job\n", "sys/fs/cgroup/job/memory.max": "max\n"}, 6000, id="version 2 without limit"
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/job/step\n",
                "sys/fs/cgroup/job/memory.max": str(4000 * 1024),
                "sys/fs/cgroup/job/memory.current": str(3000 * 1024),
                "sys/fs/cgroup/job/memory.stat": f"anon 7\ninactive_file {500 * 1024}\n",
                "sys/fs/cgroup/job/step/memory.max": "max",
            },
            1500,
            id="version 2, limit of the group around it, files count as free",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "9:cpu:/\n8:memory:/elsewhere\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": str(2000 * 1024),
                "sys/fs/cgroup/memory/memory.usage_in_bytes": str(1900 * 1024),
            },
            100,
            id="version 1 inside a container",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/memory.max": "1024",
                "sys/fs/cgroup/memory.current": "4096",
            },
            0,
            id="nothing left",
        ),
    ],
)
def test_free_memory_is_what_the_machine_and_the_control_groups_leave(machine, files, kilobytes):
    assert free_memory(machine(files)) == kilobytes * 1024


def test_a_system_that_reports_nothing_has_half_of_its_memory_free(tmp_path):
    assert free_memory(tmp_path) > 2**20


def test_a_system_that_does_not_even_report_what_it_has_is_given_1_gib(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sysconf")
    assert free_memory(tmp_path) == 2**30
