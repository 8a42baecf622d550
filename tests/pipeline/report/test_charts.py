"""The pictures: they exist, can be read, and show the samples that they name."""

import shutil

import cv2
import numpy as np
import pytest
from small_sets import make_set

from pipeline.dataset.folder import DatasetFolder
from pipeline.dataset.manifest import read_manifest
from pipeline.page import GROUND_TRUTH_COLOR, rgb
from pipeline.report.charts import _fitting_font, draw_lesion_boxes, draw_lesion_sizes, draw_stats, source_images


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory):
    """A small data set, and the pictures of it."""
    root = tmp_path_factory.mktemp("drawn")
    folder = make_set(root)
    return folder, draw_stats(folder.root, folder.read_manifest(), root / "pictures")


@pytest.fixture
def folder(drawn_once, tmp_path):
    """A copy of the data set, to change."""
    return DatasetFolder(shutil.copytree(drawn_once[0].root, tmp_path / "set"))


def test_pictures_are_drawn_with_the_same_bytes_twice(drawn_once, folder, tmp_path):
    first = drawn_once[1]
    second = draw_stats(folder.root, folder.read_manifest(), tmp_path / "b")
    assert [path.name for path in first] == [
        "contact_sheet_train.png",
        "contact_sheet_valid.png",
        "contact_sheet_test.png",
        "counts.png",
        "lesion_sizes.png",
        "strata.png",
    ]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert all(cv2.imread(str(path)).std() > 5 for path in first), "none is blank"


@pytest.mark.parametrize(
    ("where", "chosen"),
    [
        pytest.param({}, ["A", "B"], id="the original of each image"),
        pytest.param({"split": "train"}, ["A", "flipped_B"], id="a copy where the original is elsewhere"),
        pytest.param({"split": "test"}, ["B", "turned_A"], id="one copy of several"),
        pytest.param({"split": "valid"}, [], id="none"),
    ],
)
def test_each_source_image_of_a_split_is_there_once(where, chosen):
    rows = [
        {"sample": name, "image_id": name[-1], "variant": name[:-2] or "original", "split": split}
        for name, split in [("turned_A", "test"), ("flipped_A", "test"), ("A", "train"), ("B", "test"), ("flipped_B", "train")]
    ]
    assert [row["sample"] for row in source_images(rows, **where)] == chosen


def test_a_contact_sheet_shows_contours_in_the_color_of_ground_truth_and_a_legend(drawn_once):
    sheet = cv2.imread(str(drawn_once[1][0]))
    colored = np.ptp(sheet.astype(int), axis=2) > 100
    assert 200 < colored.sum() < 0.2 * colored.size
    green = (sheet == rgb(GROUND_TRUTH_COLOR)[::-1]).all(axis=2)
    assert green[:50].sum() > 200, "a stroke next to the title"
    assert green[50:].sum() > 200, "contours"


def test_captions_are_as_large_as_their_width_allows():
    assert _fitting_font("P1_L_CM_CC   malignant, lesion 1.2 %", 672).size == 24
    long = "rotated_180_" + "P1_L_CM_CC" * 8
    font = _fitting_font(long, 672)
    assert font.size < 24
    assert font.getlength(long) <= 672


def test_a_split_without_samples_still_has_its_pictures(folder, tmp_path):
    text = folder.manifest.read_text()
    folder.manifest.write_text(text.replace(",test,", ",train,"))
    assert all(path.exists() for path in draw_stats(folder.root, folder.read_manifest(), tmp_path / "a"))


def test_a_set_without_lesions_has_its_charts(drawn_once, tmp_path):
    folder = drawn_once[0]
    rows = [{**row, "lesion_px": 0, "class": "normal"} for row in folder.read_manifest()]
    assert all(path.exists() for path in draw_stats(folder.root, rows, tmp_path / "a"))
    assert [len(panel.axes) for panel in draw_lesion_boxes(rows)] == [1, 1]
    assert "No image of this data set has a lesion." in [text.get_text() for text in draw_lesion_sizes(rows).axes[0].texts]


def test_a_missing_file_leaves_its_tiles_empty(drawn_once, folder, tmp_path):
    whole, rows = drawn_once[1][0], read_manifest(folder.manifest)
    row = next(row for row in rows if row["split"] == "train" and row["variant"] == "original")
    (folder.root / row["mask"]).unlink()
    lacking = draw_stats(folder.root, folder.read_manifest(), tmp_path / "b")[0]
    white = [(cv2.imread(str(path)) == 255).all(axis=2).sum() for path in (whole, lacking)]
    assert white[1] > white[0] + 2 * 100 * 100, "image, mask and contour are left out"
