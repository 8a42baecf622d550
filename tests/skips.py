"""Skips the tests of what is not installed, and lists at the end of a run what was skipped, how often, and how to run it."""

import os
import shutil
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest


def need_package(name: str) -> ModuleType:
    """Imports a package or a module of it; skips the test, or at the top of a file all of it, where it is missing."""
    package = name.partition(".")[0]
    extra = {"torch": "torch", "mlcroissant": "croissant"}.get(package)  # not in `dev`
    remedy = f"the extra `{extra}` brings it" if extra else "make install brings it"
    return pytest.importorskip(name, reason=f"{package} is missing; {remedy}")


def need_program(*names: str, package: str) -> str:
    """The path of the first of these programs; the test skips where none is installed. `package` is Debian's."""
    if path := next(filter(None, map(shutil.which, names)), None):
        return path
    pytest.skip(f"{' or '.join(names)} is missing; on Debian: apt-get install {package}")


def need_folder(variable: str, contents: str) -> Path:
    """The folder that an environment variable names; the test skips where it names none."""
    if folder := os.environ.get(variable):
        return Path(folder)
    pytest.skip(f"{variable} names no folder; set it to one with {contents}")


def skipped(reports: list[pytest.TestReport | pytest.CollectReport]) -> list[str]:
    """One line per reason with its count, the most frequent first; a reason names what is missing and the remedy."""
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in reports)
    return [f"{count:5} {reason}" for reason, count in reasons.most_common()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints them; under pytest-xdist the reports of all processes arrive here."""
    if lines := skipped(terminalreporter.stats.get("skipped", [])):
        terminalreporter.section("skipped, and how to run it")
        for line in lines:
            terminalreporter.line(line)
