"""What all tests share."""

import os
from pathlib import Path

import pytest

REAL = Path(os.environ.get("CDD_CESM", Path(__file__).resolve().parents[2] / "shared" / "cdd-cesm"))


@pytest.fixture(scope="session")
def real_annotations() -> Path:
    """The folder with CDD-CESM's annotation files, named by the variable CDD_CESM; the test skips where there is none."""
    if not (REAL / "Radiology_hand_drawn_segmentations_v2.csv").is_file():
        pytest.skip("no CDD-CESM annotation files here; name their folder with CDD_CESM=...")
    return REAL
