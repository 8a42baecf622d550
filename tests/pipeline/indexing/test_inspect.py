"""What the index measures of each image."""

import pytest
from inputs import Download, circle, polygon, small_recipe

from pipeline import stages
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import read_csv
from pipeline.recipe import load_recipe
from pipeline.workers import Inline

SQUARE = polygon((10, 10), (19, 10), (19, 19), (10, 19))  # 100 pixels


@pytest.mark.parametrize(
    ("shapes", "area"),
    [
        pytest.param([SQUARE], 100, id="one region"),
        pytest.param([SQUARE, SQUARE, SQUARE], 100, id="three times the same"),
        pytest.param([SQUARE, polygon((15, 10), (24, 10), (24, 19), (15, 19))], 150, id="overlapping by half"),
        pytest.param([SQUARE, circle(30, 40, 0.2)], 101, id="apart"),
    ],
)
def test_the_lesion_share_counts_overlaps_once(tmp_path, shapes, area):
    download = Download(tmp_path / "raw")
    download.add("P1_L_DM_CC", shapes, size=(40, 60))
    folder = DatasetFolder(tmp_path / "set")
    stages.index(folder, load_recipe(small_recipe(tmp_path / "small.toml")), download.write().root, None, Inline())
    (row,) = read_csv(folder.index, ("lesion_share",))
    assert float(row["lesion_share"]) == pytest.approx(area / 60**2, abs=1e-6)
