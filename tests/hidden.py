"""Runs a program in a Python that lacks some packages, as an installation without them would."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PROGRAM = """
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
{program}
"""


def run_without(
    hidden: Sequence[str], program: str, *words: object, environment: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs Python code whose imports of the hidden packages fail; `sys.argv[1:]` are the words.

    Args:
      environment: variables that are added; an empty value removes one.
    """
    variables = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])} | (environment or {})
    code = _PROGRAM.format(hidden=set(hidden), program=program)
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd or ROOT,
        env={name: value for name, value in variables.items() if value},
    )
