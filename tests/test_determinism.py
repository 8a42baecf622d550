"""A data set has the same bytes whatever machine makes it: workers, locale, time zone, hash seed, and the order of folders."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from inputs import small_download, small_recipe

ROOT = Path(__file__).resolve().parents[1]

# Lists every folder backwards, in the worker processes too.
BACKWARDS = """
import os

listdir, scandir = os.listdir, os.scandir


class Entries:
    def __init__(self, found):
        self._found = iter(sorted(found, key=lambda entry: entry.name, reverse=True))

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._found)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def close(self):
        pass


os.listdir = lambda *folder: sorted(listdir(*folder), reverse=True)
os.scandir = lambda *folder: Entries(scandir(*folder))
"""

COMMANDS = """
import sys
from pipeline.cli import main

made = main(["dataset", "--raw", "raw", "--out", "set", "--recipe", "small.toml", "--workers", sys.argv[1]])
exported = [main(["export", "set", "--format", name]) for name in ("coco", "via", "hf", "nnunet")]
sys.exit(max(made, *exported))
"""


def make(folder: Path, *, backwards: bool, workers: int, **environment: str) -> tuple[dict[str, bytes], str]:
    """Makes a data set and its exports; returns the bytes of each file by its path, and what was printed."""
    folder.mkdir()
    download = small_download(folder / "raw", patients=5)
    small_recipe(folder / "small.toml")
    if backwards:
        files = sorted(path for path in download.root.rglob("*") if path.is_file())
        for path in files[::-1]:  # a folder may list its files in the order of their making
            data = path.read_bytes()
            path.unlink()
            path.write_bytes(data)
        (folder / "sitecustomize.py").write_text(BACKWARDS)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])} | environment
    result = subprocess.run(
        [sys.executable, "-c", COMMANDS, str(workers)], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    files = sorted(path for path in (folder / "set").rglob("*") if path.is_file() and ".work" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}, result.stdout.replace(str(folder), "")


@pytest.mark.slow
def test_the_same_bytes_come_out_everywhere(tmp_path):
    first, printed = make(tmp_path / "a", backwards=False, workers=1, LC_ALL="C", TZ="UTC", PYTHONHASHSEED="0")
    assert len(first) > 60
    for number, (workers, backwards, locale, zone) in enumerate(
        [(2, True, "C.UTF-8", "Asia/Kolkata"), (4, False, "POSIX", "America/St_Johns"), (1, True, "C.UTF-8", "UTC")]
    ):
        environment = {"LC_ALL": locale, "TZ": zone, "PYTHONHASHSEED": str(number + 1)}
        files, text = make(tmp_path / str(number), backwards=backwards, workers=workers, **environment)
        assert files.keys() == first.keys()
        assert [name for name, data in files.items() if data != first[name]] == []
        assert text == printed
