"""Which samples are listed, what is not looked at, and all checks in one folder, by values."""

import cv2
import numpy as np
import pytest
from inputs import Download

from pipeline.audit import audit
from pipeline.audit.samples import Sample, describe_missing_splits, list_not_read, list_samples, patient_by_regex
from pipeline.contract import COLUMN_NAMES
from pipeline.files import InputError
from pipeline.workers import Inline

MASK = cv2.circle(np.zeros((64, 64), np.uint8), (30, 25), 10, 255, -1)


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")


def row(split, sample, **fields):
    return {"split": split, "sample": sample, "image_id": "", "patient": "", "class": ""} | {
        "image_sha256": f"i-{sample}",
        "mask_sha256": f"m-{sample}",
        **fields,
    }


def test_samples_are_listed_from_files_by_split_and_name(tmp_path):
    touch(tmp_path, "Val/images/P2_L_DM_CC.png", "train/masks/b.png", "train/images/flipped_P1_L_DM_CC.jpg")
    touch(tmp_path, "train/masks/flipped_P1_L_DM_CC.png", "train/images/.hidden.png", "train/images/Thumbs.db")
    images, masks = tmp_path / "train/images", tmp_path / "train/masks"
    name = "flipped_P1_L_DM_CC"
    assert list(list_samples(tmp_path)) == [
        Sample("b", "train", "train", "train/images/b", None, masks / "b.png", "b", ""),
        Sample(name, "train", "train", f"train/images/{name}.jpg", images / f"{name}.jpg", masks / f"{name}.png", name[8:], "P1"),
        Sample(
            *("P2_L_DM_CC", "valid", "Val", "Val/images/P2_L_DM_CC.png", tmp_path / "Val/images/P2_L_DM_CC.png", None),
            *("P2_L_DM_CC", "P2"),
        ),
    ]


def test_a_manifest_knows_samples_better_than_their_names(tmp_path):
    touch(tmp_path, "train/images/a.png", "train/masks/a.png", "train/images/P3_x.png")
    manifest = [
        row("train", "a", image_id="x", patient="P7", **{"class": "normal"}),
        row("train", "P4_y", image_id="y"),
        row("test", "P5_z", image_id="z", **{"class": "benign"}),
        row("valid", "a", image_id="other"),
    ]
    images = tmp_path / "train/images"
    assert list(list_samples(tmp_path, manifest)) == [
        Sample("P3_x", "train", "train", "train/images/P3_x.png", images / "P3_x.png", None, "P3_x", "P3"),
        Sample("P4_y", "train", "train", "train/images/P4_y", None, None, "y", "P4", "", ("i-P4_y", "m-P4_y")),
        Sample(
            *("a", "train", "train", "train/images/a.png", images / "a.png", tmp_path / "train/masks/a.png", "x", "P7"),
            *("normal", ("i-a", "m-a")),
        ),
        Sample("a", "valid", "valid", "valid/images/a", None, None, "other", "", "", ("i-a", "m-a")),
        Sample("P5_z", "test", "test", "test/images/P5_z", None, None, "z", "P5", "benign", ("i-P5_z", "m-P5_z")),
    ]
    assert {sample.patient for sample in list_samples(tmp_path, manifest, lambda name: name[:1])} == {"P", "P7", "a"}


def test_of_files_of_one_stem_the_first_is_read_and_the_others_are_named(tmp_path):
    touch(tmp_path, "train/images/a.tif", "train/images/a.png", "train/images/a.jpg", "train/masks/a.png")
    (sample,) = list_samples(tmp_path)
    assert (sample.file, sample.location) == ("train/images/a.jpg", "train/a")
    assert list_not_read(tmp_path) == [f"train/images/a.{suffix}: another file has this name" for suffix in ("png", "tif")]


def test_pairs_are_named_down_to_the_third_folder(tmp_path):
    for folder in ("", "one/", "one/two/", "one/two/three/", ".hidden/"):
        touch(tmp_path, f"{folder}images/a.png", f"{folder}masks/a.png")
    touch(tmp_path, "only/images/a.png", "other/masks/a.png", "train/images/a.png", "train/images/inner/a.png")
    touch(tmp_path, "train/images/empty/.keep", "train/masks/a.png")
    message = "has images and masks, and is not train, valid or test"
    assert list_not_read(tmp_path) == [
        "train/images/inner: a folder in a split's",
        *(f"{folder}: {message}" for folder in (".", "one", "one/two")),
    ]


def test_folders_of_flat_splits_are_read_and_no_pair(tmp_path):
    touch(tmp_path, "images/train/a.png", "masks/train/a.png", "images/other/a.png", "masks/other/a.png")
    assert [sample.location for sample in list_samples(tmp_path)] == ["train/a"]
    assert list_not_read(tmp_path) == []


def test_results_of_this_project_are_passed_over_where_they_are_its_own(tmp_path):
    for folder in ("runs/a", "exports/b", "stats/c", "other/d"):
        touch(tmp_path, f"{folder}/images/a.png", f"{folder}/masks/a.png")
    assert [line.split(":")[0] for line in list_not_read(tmp_path)] == ["exports/b", "other/d", "runs/a", "stats/c"]
    touch(tmp_path, "recipe.toml")
    assert [line.split(":")[0] for line in list_not_read(tmp_path)] == ["other/d"]


def test_the_message_for_a_folder_without_splits_names_up_to_ten_others(tmp_path):
    message = f"{tmp_path}: holds no train/images, valid/images or test/images with files; expected a data set folder"
    assert describe_missing_splits(tmp_path) == message
    missing = tmp_path / "missing"
    assert describe_missing_splits(missing) == message.replace(str(tmp_path), str(missing))
    touch(tmp_path, "images/a.png", "masks/a.png")
    assert describe_missing_splits(tmp_path) == message
    for number in range(11):
        touch(tmp_path, f"f{number:02}/images/a.png", f"f{number:02}/masks/a.png")
    folders = ", ".join(f"f{number:02}" for number in range(10))
    assert describe_missing_splits(tmp_path) == (
        f"{message}; images and masks are in {folders}: rename them, or give the folder around them"
    )


def test_a_group_of_an_expression_that_takes_no_part_names_no_patient():
    assert [patient_by_regex("^(P[0-9]+)|x")(name) for name in ("P12_a", "x", "y", "aP3")] == ["P12", "", "", ""]
    assert patient_by_regex("([0-9])")("a7b8") == "7"
    with pytest.raises(InputError) as error:
        patient_by_regex("a")
    assert str(error.value) == (r"patient 'a': has 0 groups; expected one, around the patient, such as '^(D\d+-\d+)_'")
    with pytest.raises(InputError) as error:
        patient_by_regex("(")
    assert str(error.value).startswith("patient '(': is not a valid regular expression (missing )")
    assert str(error.value).endswith("; correct it")


def put(root, images, name, seed=None, masks=None):
    """Writes a pair: `images` is the folder of the image, `masks` that of the mask."""
    masks = masks or images.replace("images", "masks")
    pixels = Download.pixels(seed or f"{images}{name}", (64, 64))
    for folder, array in ((images, pixels), (masks, MASK)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / folder / f"{name}.png"), array)


def test_all_checks_run_over_samples_in_the_order_of_their_codes(tmp_path):
    """One folder with a problem of each type; patients by name, by an expression, and by a manifest that was read before."""
    put(tmp_path, "train/images", "P1_L_DM_CC", "one")
    put(tmp_path, "test/images", "P1_L_DM_CC", "one")
    put(tmp_path, "test/images", "case", "two")
    put(tmp_path, "other/images", "P3_L_DM_CC")
    (tmp_path / "train/images/P4_L_DM_CC.png").write_bytes(b"hello")
    touch(tmp_path, "test/masks/P5_L_DM_CC.png")
    cv2.imwrite(str(tmp_path / "train/images/P6_L_DM_CC.png"), MASK[:20])
    cv2.imwrite(str(tmp_path / "train/masks/P6_L_DM_CC.png"), MASK * 0)
    cv2.imwrite(str(tmp_path / "train/masks/P4_L_DM_CC.png"), MASK // 2)
    findings = audit(tmp_path, executor=Inline())
    assert [(finding.code, finding.count, finding.unit) for finding in findings] == [
        *(("image-in-splits", 1, "source images"), ("patient-in-splits", 1, "patients"), ("patient-unknown", 1, "samples")),
        *(("not-read", 1, "paths"), ("duplicate-pixels", 1, "groups"), ("image-missing", 1, "files"), ("size", 1, "files")),
        *(("inverted", 1, "files"), ("mask-values", 2, "files"), ("mask-empty", 1, "files"), ("unreadable", 1, "files")),
    ]
    found_by_name = audit(tmp_path, patient="(P[56])", executor=Inline())
    assert {finding.code: finding.count for finding in found_by_name}["patient-unknown"] == 4
    manifest = [row("test", "case", image_id="P1_L_DM_CC", patient="P6")]
    found_by_manifest = {finding.code: finding for finding in audit(tmp_path, manifest, executor=Inline())}
    assert found_by_manifest["image-in-splits"].examples == ("P1_L_DM_CC: 1 in train, 2 in test",)
    assert found_by_manifest["patient-in-splits"].count == 2
    assert found_by_manifest["changed"].examples == tuple(
        f"test/case: {part} differs from the file in the manifest" for part in ("image", "mask")
    )


def test_the_manifest_of_a_folder_is_read(tmp_path):
    """Its image's name and digest count, and not what the file is called."""
    put(tmp_path, "train/images", "one")
    put(tmp_path, "test/images", "two")
    numbers = {"schema": "1", "source_width": "64", "source_height": "64", "scale": "1"}
    files = {"image": "train/images/one.png", "mask": "train/masks/one.png", "source": "one.jpg"}
    cells = dict.fromkeys(COLUMN_NAMES, "") | numbers | files | row("train", "one", image_id="P1_L_DM_CC", patient="P1")
    (tmp_path / "manifest.csv").write_text(f"{','.join(cells)}\n{','.join(cells.values())}\n")
    findings = {finding.code: finding.examples for finding in audit(tmp_path, executor=Inline())}
    assert findings["patient-unknown"] == ("test/two",)
    assert findings["changed"][0] == "train/one: image differs from the file in the manifest"
    assert "changed" not in {finding.code for finding in audit(tmp_path, [], executor=Inline())}


def test_a_folder_without_samples_is_refused_with_the_folders_that_have_some(tmp_path):
    put(tmp_path, "fold_1/images", "one")
    with pytest.raises(InputError) as error:
        audit(tmp_path)
    assert str(error.value) == describe_missing_splits(tmp_path)
    assert "images and masks are in fold_1" in str(error.value)


def test_folders_that_are_called_like_a_split_are_named_where_they_hold_images(tmp_path):
    touch(tmp_path, "train/images/a.png", "test/image/a.PNG", "Train_images/a.webp", "valid/notes.txt", "other/a.png")
    assert list_not_read(tmp_path) == [
        f"{folder}: holds images that are not in images or masks" for folder in ("Train_images", "test/image")
    ]
