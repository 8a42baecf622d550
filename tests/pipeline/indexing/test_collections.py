"""The example recipes on phantoms of their collections, as downloaded: what is kept, where lesions are drawn, what is counted."""

import shutil

import cv2
import numpy as np
import pytest
from collection_phantoms import SIZE, cbis_ddsm, dmid, inbreast, lesion, vindr_mammo, write_dicom

from pipeline.cli import main
from pipeline.dataset.manifest import read_manifest
from pipeline.files import read_csv
from pipeline.recipes import RECIPES

KEY = "00112233445566778899aabbccddeeff"
SQUARE = np.pad(lesion(), ((0, 0), (4, 4)))  # letterboxed


@pytest.fixture
def make(tmp_path, capsys, monkeypatch):
    """Makes a data set with an example recipe, at the phantoms' size; returns what was printed, and the originals."""
    monkeypatch.setenv("CESM_SITE_KEY", "")

    def run(example, raw, status=0, key=False, command="dataset"):
        if key:
            monkeypatch.setenv("CESM_SITE_KEY", KEY)
        recipe = str(RECIPES / "examples" / f"{example}.toml")
        arguments = [command, "--raw", str(raw), "--out", str(tmp_path / "set"), "--recipe", recipe, "--workers", "1"]
        assert main([*arguments, "--set", f"image.size_px={max(SIZE)}"]) == status
        manifest = tmp_path / "set" / "manifest.csv"
        rows = [row for row in read_manifest(manifest) if row["variant"] == "original"] if manifest.exists() else []
        return capsys.readouterr(), rows

    return run


def rejects(tmp_path):
    return [(row["image"], row["reason"]) for row in read_csv(tmp_path / "set" / "rejects.csv")]


def masks(tmp_path, rows):
    return [cv2.imread(str(tmp_path / "set" / row["mask"]), cv2.IMREAD_UNCHANGED) for row in rows]


def test_cbis_ddsm(tmp_path, make):
    printed, rows = make("cbis-ddsm-like", cbis_ddsm(tmp_path / "raw"))
    assert [row["image_id"] for row in rows] == [f"P{patient}_L_DM_CC" for patient in range(1, 7)]
    # Patient 1 has a benign mass and a malignant calcification in one image.
    assert [row["class"] for row in rows] == ["malignant", "malignant", "benign", "malignant", "benign", "malignant"]
    assert [row["regions"] for row in rows] == [2, 1, 1, 1, 1, 1]
    assert (rows[0]["findings"], rows[0]["density"]) == ("Calc of a shape$Mass of a shape", "3")
    for row, mask in zip(rows, masks(tmp_path, rows), strict=True):
        np.testing.assert_array_equal(mask, SQUARE * (2 if row["class"] == "malignant" else 1))
    assert "7 files, 1-2.dcm first, beside masks, which are pictures of a lesion" in printed.out
    assert rejects(tmp_path) == []


def test_cbis_ddsm_with_another_picture_under_calcifications(tmp_path, make):
    raw = cbis_ddsm(tmp_path / "raw")
    (path,) = raw.glob("CBIS-DDSM/Calc-Training_P_00001_LEFT_CC/*/*/1-1.dcm")
    write_dicom(path, lesion() * 9, SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    make("cbis-ddsm-like", raw, command="index")
    assert rejects(tmp_path) == [("P1_L_DM_CC", "duplicate-name")]


def test_cbis_ddsm_without_one_mask(tmp_path, make):
    raw = cbis_ddsm(tmp_path / "raw")
    (path,) = raw.glob("CBIS-DDSM/Mass-Training_P_00003_LEFT_CC_1/*/*/1-2.dcm")
    path.unlink()
    make("cbis-ddsm-like", raw, command="index")
    assert rejects(tmp_path) == [("P3_L_DM_CC", "region-malformed")]


def test_inbreast(tmp_path, make):
    printed, rows = make("inbreast-like", inbreast(tmp_path / "raw"), key=True)
    assert len({row["patient"] for row in rows}) == len(rows) == 5
    assert {(row["class"], row["side"], row["view"], row["birads"], row["density"]) for row in rows} == {
        ("malignant", "L", "MLO", "4a", "4")
    }
    for mask in masks(tmp_path, rows):
        np.testing.assert_array_equal(mask, SQUARE * 255)
    assert "6 regions are not drawn, because [layout] lesions does not list their labels\n" in printed.out
    assert sorted(reason for _, reason in rejects(tmp_path)) == ["class-not-wanted"] * 6 + ["no-region"]


def test_inbreast_needs_a_site_key(tmp_path, make):
    printed, _ = make("inbreast-like", inbreast(tmp_path / "raw"), status=2)
    assert "its patient is '1c613a14b80a8591', which is not a number; give a site key (CESM_SITE_KEY)" in printed.err


def test_inbreast_with_a_broken_file_of_regions(tmp_path, make):
    raw = inbreast(tmp_path / "raw")
    (raw / "AllXML" / "20586902.xml").write_bytes((raw / "AllXML" / "20586902.xml").read_bytes()[:200])
    make("inbreast-like", raw, key=True, command="index")
    assert "region-malformed" in [reason for _, reason in rejects(tmp_path)]


def test_vindr_mammo(tmp_path, make):
    printed, rows = make("vindr-mammo-like", vindr_mammo(tmp_path / "raw"), key=True)
    assert [row["class"] for row in rows].count("malignant") == 10
    assert [row["class"] for row in rows].count("normal") == 2
    assert {row["view"] for row in rows} == {"CC", "MLO"}
    assert len({row["patient"] for row in rows}) == 6
    for row, mask in zip(rows, masks(tmp_path, rows), strict=True):
        np.testing.assert_array_equal(mask, SQUARE * 255 if row["class"] == "malignant" else SQUARE * 0)
    assert "found, not used: 1 file (look like a table that has no column 'finding_birads')" in printed.out
    assert "2 regions are not drawn, because [layout] lesions does not list their labels\n" in printed.out
    assert rejects(tmp_path) == []


def test_vindr_mammo_of_which_a_part_was_downloaded(tmp_path, make):
    raw = vindr_mammo(tmp_path / "raw")
    for path in sorted(raw.rglob("*.dicom"))[4:]:
        path.unlink()
    make("vindr-mammo-like", raw, key=True, command="index")
    assert [reason for _, reason in rejects(tmp_path)] == ["file-missing"] * 8


def test_cbis_ddsm_of_which_a_part_was_downloaded(tmp_path, make):
    raw = cbis_ddsm(tmp_path / "raw")
    for path in raw.glob("CBIS-DDSM/*_P_00003_*"):
        shutil.rmtree(path)
    make("cbis-ddsm-like", raw, command="index")
    (row,) = read_csv(tmp_path / "set" / "rejects.csv")
    assert (row["image"], row["reason"]) == ("P_00003_LEFT_CC", "no-region")
    assert row["words"].endswith("; there is no such image file either; is the download complete?")


def test_dmid(tmp_path, make):
    printed, rows = make("dmid-like", dmid(tmp_path / "raw"))
    assert [(row["image_id"], row["patient"], row["side"]) for row in rows] == [(f"P{n}_DM", f"P{n}", "") for n in range(1, 7)]
    for mask in masks(tmp_path, rows):
        np.testing.assert_array_equal(mask, SQUARE * 255)
    assert "each image counts as a patient of its own ([layout] patients)" in printed.out
    assert rejects(tmp_path) == []


def test_dmid_with_a_table(tmp_path, make):
    _, rows = make("dmid-like", dmid(tmp_path / "raw", ["CCLT", "MLORT"] * 3))
    assert [row["image_id"] for row in rows] == [f"P{n}_L_DM_CC" if n % 2 else f"P{n}_R_DM_MLO" for n in range(1, 7)]
    assert {row["class"] for row in rows} == {"benign"}
