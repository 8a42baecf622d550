"""What all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import PROGRAMS, Browser
from skips import need_program
from skips import pytest_terminal_summary as pytest_terminal_summary  # pytest calls it

if "PYTEST_XDIST_WORKER" in os.environ:
    # One core for each of several processes: threads of two on the same cores only wait for each other.
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(os.environ["PYTEST_XDIST_WORKER"][2:]) % len(cores)]})
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")

REAL = Path(os.environ.get("CDD_CESM", Path(__file__).resolve().parents[2] / "shared" / "cdd-cesm"))


@pytest.fixture(scope="session")
def real_annotations() -> Path:
    """The folder with CDD-CESM's annotation files, named by the variable CDD_CESM; the test skips where there is none."""
    if not (REAL / "Radiology_hand_drawn_segmentations_v2.csv").is_file():
        pytest.skip("the annotation files of CDD-CESM are missing; name their folder: CDD_CESM=FOLDER make test")
    return REAL


@pytest.fixture(scope="session")
def one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless Chromium; the test skips where there is none."""
    with Browser(need_program(*PROGRAMS, package="chromium"), tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def browser(one_browser: Browser) -> Browser:
    """The browser without earlier errors, as a desktop with a light color scheme."""
    one_browser.errors.clear()
    one_browser.emulate()
    return one_browser
