"""Bands and contradicted labels: counted and listed in dataset.json and card, and left out only where a recipe says so."""

import json

import pytest
from inputs import Download, circle
from small_sets import make_set, make_set_of_classes

from pipeline.dataset.description import read_description
from pipeline.dataset.doubtful import describe_doubtful, find_doubtful

BAND = {"name": "polygon", "all_points_x": [2, 37, 37, 3, 3, 2], "all_points_y": [2, 2, 3, 3, 57, 57]}
LEAVE_OUT = [('values = "binary"', 'values = "binary"\nbands = "leave-out"')]


@pytest.fixture
def download(tmp_path):
    """Six patients: a mass each, in P1 with a band and a smaller mass, in P2 a band alone."""
    download = Download(tmp_path / "raw")
    for patient, shapes in enumerate([[BAND, circle(28, 30, 4)], [BAND], *[None] * 4], 1):
        download.add(f"P{patient}_L_DM_CC", shapes)
    return download


def test_images_with_bands_are_listed_and_stay(download, tmp_path):
    folder = make_set(tmp_path, download.write())
    assert read_description(folder.description)["doubtful"] == {
        "bands": {"images": ["P1_L_DM_CC", "P2_L_DM_CC"], "mostly": ["P1_L_DM_CC", "P2_L_DM_CC"]},
        "contradicted": [],
    }
    card = " ".join(folder.card.read_text().split())
    assert "2 images have long thin regions, as skin thickening and edema are drawn, and in 2 of them these are most" in card
    assert {row["image_id"] for row in folder.read_manifest()} == {f"P{patient}_L_DM_CC" for patient in range(1, 7)}


def test_shares_of_bands_come_from_the_journal_and_else_from_the_masks(download, tmp_path):
    folder = make_set(tmp_path, download.write())
    rows, entries = folder.read_manifest(), folder.journal.read()
    shares = {name: entry.band_share for name, entry in entries.items()}
    assert [name for name, share in shares.items() if share > 0.5] == ["P1_L_DM_CC", "P2_L_DM_CC"]
    assert find_doubtful(folder.root, rows, {}) == find_doubtful(folder.root, rows, dict.fromkeys(shares))
    assert find_doubtful(tmp_path / "elsewhere", rows, shares) == find_doubtful(folder.root, rows, {})


def test_a_recipe_leaves_bands_out_and_counts_them(download, tmp_path):
    folder = make_set(tmp_path, download.write(), LEAVE_OUT)
    rows = {row["image_id"]: row for row in folder.read_manifest()}
    assert "P2_L_DM_CC" not in rows, "a malignant image without its only region would be a false negative"
    assert rows["P1_L_DM_CC"]["regions"] == 1
    assert 10 < rows["P1_L_DM_CC"]["lesion_px"] < 25
    description = read_description(folder.description)
    assert description["doubtful"]["bands"] == {"images": [], "mostly": []}
    assert description["regions"]["left_out"] == 1
    dropped = {reason["reason"]: (reason["images"], reason["meaning"]) for reason in description["dropped"]}
    assert dropped["bands-only"] == (1, "its only regions are long thin bands, which the recipe leaves out")
    assert "1 long thin regions were left out" in " ".join(folder.card.read_text().split())
    (reject,) = [reject for reject in folder.read_rejects() if reject.reason == "bands-only"]
    assert "has only long thin regions (1)" in reject.message


def test_contradicted_labels_are_listed_with_their_reason_and_stay(tmp_path):
    download = Download(tmp_path / "raw")
    for patient in range(1, 7):
        download.add(f"P{patient}_L_DM_CC")
    download.rows[0] |= {"BIRADS": "1", "Findings": "Normal"}
    folder = make_set(tmp_path, download.write())
    (contradicted,) = read_description(folder.description)["doubtful"]["contradicted"]
    assert contradicted == {
        "image_id": "P1_L_DM_CC",
        "class": "malignant",
        "reason": 'a malignant region is drawn, but BI-RADS is 1 and the findings are "Normal"',
    }
    assert "The labels of 1 images are contradicted by their own row" in " ".join(folder.card.read_text().split())
    assert len({row["image_id"] for row in folder.read_manifest()}) == 6


def test_normal_images_of_a_high_category_are_contradicted(tmp_path):
    contradicted = read_description(make_set_of_classes(tmp_path).description)["doubtful"]["contradicted"]
    assert [image["class"] for image in contradicted] == ["normal"] * 3, "the table says BI-RADS 5 and a mass of each image"


def test_a_description_of_an_earlier_version_says_nothing_about_it(download, tmp_path):
    folder = make_set(tmp_path, download.write())
    description = json.loads(folder.description.read_text())
    del description["doubtful"]
    assert describe_doubtful(description.get("doubtful")) == "Not counted by the version that made this data set."
