"""dataset.json: what programs read about a data set, so that none has to read its card or its state."""

import json

import pytest
from inputs import Download
from small_sets import make_set, make_set_of_classes

from pipeline.dataset.description import CITATIONS, read_description
from pipeline.files import InputError, sha256


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("description")
    download = Download(root / "raw")
    for patient in range(1, 7):
        for kind in ("DM", "CM"):
            download.add(f"P{patient}_L_{kind}_CC")
    return make_set(root, download.write())


def test_it_counts_what_the_manifest_lists(folder):
    description = read_description(folder.description)
    assert description["counts"]["all"] == {"patients": 6, "images": 12, "samples": 36}
    assert sum(description["counts"][split]["images"] for split in ("train", "valid", "test")) == 12
    assert description["classes"] == {"malignant": 12}
    assert {kind: sum(counts.values()) for kind, counts in description["groups"]["kind"].items()} == {"CM": 6, "DM": 6}
    assert description["manifest_sha256"] == sha256(folder.manifest)
    assert (description["phantom"], description["keyed"], description["size_px"]) == (False, False, 32)
    assert description["lesion_classes"] == ["lesion"]
    assert description["citations"] == list(CITATIONS)


def test_the_card_has_the_same_content(folder):
    card = folder.card.read_text()
    assert "| all | 6 | 12 | 36 |" in card
    assert "| kind: CM | " in card


def test_equal_folds_have_equal_digests_whatever_the_images(folder, tmp_path):
    (tmp_path / "other").mkdir()
    other = make_set(tmp_path / "other", variants=["original"])
    digests = {read_description(each.description)["folds_sha256"] for each in (folder, other)}
    assert len(digests) == 1
    again = make_set(tmp_path, changes=[("folds = 3", "folds = 2")])
    assert read_description(again.description)["folds_sha256"] not in digests


def test_classes_are_those_of_the_masks(tmp_path):
    description = read_description(make_set_of_classes(tmp_path).description)
    assert description["lesion_classes"] == ["benign", "malignant"]
    assert description["classes"] == {"normal": 3, "benign": 3, "malignant": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("[]", "the content is \\[\\], which should be a valid dictionary"),
        (json.dumps({"schema": 9}), "is of schema 9, and this program reads 1; run the stage 'variants' again"),
    ],
)
def test_a_missing_or_faulty_file_names_the_stage_that_writes_it(tmp_path, text, message):
    path = tmp_path / "dataset.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_description(path)
