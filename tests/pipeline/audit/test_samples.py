"""Which samples the audit compares, by which patients, and how it names what it did not look at."""

import json

import cv2
import numpy as np
import pytest
from inputs import Download

from pipeline.audit import audit
from pipeline.audit.samples import list_not_read, patient_by_regex
from pipeline.cli import main
from pipeline.files import InputError
from pipeline.library import audit_dataset
from pipeline.workers import Inline

MASK = cv2.circle(np.zeros((64, 64), np.uint8), (30, 25), 10, 255, -1)


def put(root, images, name, seed=None, masks=None):
    """Writes a pair: `images` is the folder of the image, `masks` that of the mask."""
    masks = masks or images.replace("images", "masks")
    pixels = Download.pixels(seed or f"{images}{name}", (64, 64))
    for folder, array in ((images, pixels), (masks, MASK)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / folder / f"{name}.png"), array)


def found(root, **options):
    return {finding.code: finding for finding in audit(root, **options, executor=Inline())}


@pytest.mark.parametrize("other", ["val", "Validation", "TEST", "testing", "Valid"])
@pytest.mark.parametrize("layout", ["{}/images", "images/{}"])
def test_a_split_is_audited_however_its_folder_is_spelled(tmp_path, layout, other):
    put(tmp_path, layout.format("Train"), "P1_L_DM_CC")
    put(tmp_path, layout.format(other), "P1_L_DM_MLO")
    (finding,) = audit(tmp_path, executor=Inline())
    assert (finding.code, finding.count) == ("patient-in-splits", 1)
    ((first, second),) = finding.pairs
    assert (tmp_path / first).is_file()
    assert (tmp_path / second).is_file()


@pytest.mark.parametrize(
    ("images", "masks", "line"),
    [
        ("fold_0/images", "", "fold_0: has images and masks, and is not train, valid or test"),
        ("data/train/images", "", "data/train: has images and masks, and is not train, valid or test"),
        ("extra/Images", "extra/Masks", "extra: has images and masks, and is not train, valid or test"),
        ("images", "masks", ".: has images and masks, and is not train, valid or test"),
        ("train/images/benign", "train/masks", "train/images/benign: a folder in a split's"),
        ("valid", "other", "valid: holds images that are not in images or masks"),
        ("valid/image", "other", "valid/image: holds images that are not in images or masks"),
        ("Val_images", "other", "Val_images: holds images that are not in images or masks"),
    ],
)
def test_a_folder_that_is_not_audited_is_named(tmp_path, capsys, images, masks, line):
    put(tmp_path, "train/images", "P1_L_DM_CC")
    put(tmp_path, "test/images", "P2_L_DM_CC")
    assert main(["audit", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"audit: no findings in {tmp_path}\n"
    put(tmp_path, images, "P1_L_DM_CC" if images.startswith("train") else "P9_L_DM_CC", masks=masks)
    assert found(tmp_path)["not-read"].examples == (line,)
    assert main(["audit", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == f"audit: 1 finding in {tmp_path}; 1 folder or file not looked at"


def test_all_folders_that_are_not_audited_are_named_in_text_and_json(tmp_path, capsys):
    put(tmp_path, "train/images", "P1_L_DM_CC")
    for fold in range(12):
        put(tmp_path, f"fold_{fold}/images", f"P{fold}_L_DM_CC")
    assert main(["audit", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert sum("fold_" in line for line in lines) == 12
    assert lines[-1].endswith("; 12 folders or files not looked at")
    assert main(["audit", str(tmp_path), "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["code"], finding["count"], len(finding["examples"])) == ("not-read", 12, 12)


def test_a_second_file_of_a_name_is_not_audited_and_named(tmp_path):
    put(tmp_path, "train/images", "P1_L_DM_CC")
    cv2.imwrite(str(tmp_path / "train/images/P1_L_DM_CC.tif"), MASK)
    assert list_not_read(tmp_path) == ["train/images/P1_L_DM_CC.tif: another file has this name"]


def test_what_this_project_writes_into_a_data_set_is_not_one_of_its_splits(tmp_path):
    put(tmp_path, "train/images", "P1_L_DM_CC")
    put(tmp_path, "runs/quick/images", "P1_L_DM_CC")
    assert list_not_read(tmp_path) == ["runs/quick: has images and masks, and is not train, valid or test"]
    (tmp_path / "recipe.toml").write_text("")
    assert list_not_read(tmp_path) == []


def test_a_folder_without_splits_names_where_pairs_are(tmp_path):
    put(tmp_path, "fold_0/images", "P1_L_DM_CC")
    with pytest.raises(InputError, match="images and masks are in fold_0: rename them, or give the folder around them"):
        audit(tmp_path)


def test_unknown_patients_are_no_clean_bill(tmp_path, capsys):
    put(tmp_path, "train/images", "D1-0001_R_MLO")
    assert found(tmp_path) == {}  # nothing to compare in one split
    put(tmp_path, "test/images", "D1-0001_R_CC")
    assert main(["audit", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        *("patient-unknown: 2 samples", "    train/D1-0001_R_MLO", "    test/D1-0001_R_CC"),
        f"audit: 1 finding in {tmp_path}; patients of 2 samples could not be compared, because their names contain none; see "
        "--patient",
    ]
    assert main(["audit", str(tmp_path), "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["code"], finding["count"]) == ("patient-unknown", 2)


def test_a_regular_expression_finds_patients_in_other_names(tmp_path, capsys):
    put(tmp_path, "train/images", "D1-0001_R_MLO")
    put(tmp_path, "test/images", "D1-0002_R_CC")
    put(tmp_path, "test/images", "other")
    assert found(tmp_path, patient=r"^(D1-\d+)_")["patient-unknown"].examples == ("test/other",)
    assert found(tmp_path, patient=r"(r)").keys() == {"patient-unknown"}
    assert main(["audit", str(tmp_path), "--patient", r"^(D1)|^(?:other)"]) == 1
    assert "patient-in-splits: 1 patients\n    D1: 1 in train, 1 in test\n" in capsys.readouterr().out
    assert audit_dataset(tmp_path, patient="(.)")["code"].tolist() == ["patient-in-splits"]


@pytest.mark.parametrize(
    ("regex", "message"),
    [
        ("D1-.*", "has 0 groups; expected one, around the patient"),
        ("(D1)-(.*)", "has 2 groups; expected one"),
        ("(D1", r"is not a valid regular expression \(missing \)"),
        ("", "has 0 groups"),
    ],
)
def test_an_expression_that_names_no_patient_is_refused(tmp_path, capsys, regex, message):
    with pytest.raises(InputError, match=message):
        patient_by_regex(regex)
    put(tmp_path, "train/images", "D1-0001_R_MLO")
    assert main(["audit", str(tmp_path), "--patient", regex]) == 2
    assert capsys.readouterr().err.startswith(f"error: patient {regex!r}: ")


def test_folders_of_images_and_masks_are_read_in_any_case(tmp_path):
    put(tmp_path, "train/images", "P1_L_DM_CC")
    put(tmp_path, "Test/Images", "P1_L_DM_MLO", masks="Test/MASKS")
    assert found(tmp_path).keys() == {"patient-in-splits"}


@pytest.mark.parametrize("names", [("P1_L_DM_CC", "P001_R_DM_CC"), ("p01_a", "P1_b")])
def test_one_patient_in_two_spellings_is_one_patient(tmp_path, names):
    put(tmp_path, "train/images", names[0])
    put(tmp_path, "test/images", names[1])
    assert found(tmp_path)["patient-in-splits"].examples == ("P1: 1 in train, 1 in test",)


def test_a_patient_found_by_an_expression_is_compared_without_case_and_leading_zeros(tmp_path):
    put(tmp_path, "train/images", "case D1-0001")
    put(tmp_path, "test/images", "case d1-01")
    assert found(tmp_path, patient=r"case (\S+)")["patient-in-splits"].examples == ("D1-0001: 1 in train, 1 in test",)


def test_numbers_that_name_files_of_two_splits_are_no_leak(tmp_path):
    put(tmp_path, "train/images", "0001")
    put(tmp_path, "test/images", "0001")
    assert found(tmp_path).keys() == {"patient-unknown"}
    put(tmp_path, "train/images", "0002", seed="one")
    put(tmp_path, "test/images", "0002", seed="one")
    assert found(tmp_path).keys() == {"patient-unknown", "duplicate-pixels"}
