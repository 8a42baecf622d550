"""What all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import PROGRAMS, Browser, find_browser

REAL = Path(os.environ.get("CDD_CESM", Path(__file__).resolve().parents[2] / "shared" / "cdd-cesm"))


@pytest.fixture(scope="session")
def real_annotations() -> Path:
    """The folder with CDD-CESM's annotation files, named by the variable CDD_CESM; the test skips where there is none."""
    if not (REAL / "Radiology_hand_drawn_segmentations_v2.csv").is_file():
        pytest.skip("no CDD-CESM annotation files here; name their folder with CDD_CESM=...")
    return REAL


@pytest.fixture(scope="session")
def one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless Chromium; the test skips where there is none."""
    program = find_browser()
    if program is None:
        pytest.skip(f"no {', '.join(PROGRAMS)} here to look at pages with; on Debian: apt-get install chromium")
    with Browser(program, tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def browser(one_browser: Browser) -> Browser:
    """The browser with no errors noted yet, as a bright desktop."""
    one_browser.errors.clear()
    one_browser.emulate()
    return one_browser
