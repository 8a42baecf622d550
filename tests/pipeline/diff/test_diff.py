"""What `diff` finds between two data sets, what it prints and writes, and how it ends."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from inputs import Download, circle, small_download
from small_sets import make_set, make_set_of_classes

import pipeline
from pipeline.cli import main
from pipeline.diff import CHANGE_COLUMNS, KINDS, compare_sets
from pipeline.files import read_csv


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("once")).root


@pytest.fixture
def pair(once, tmp_path):
    """Two equal data sets, which a test may change."""
    for name in ("first", "second"):
        shutil.copytree(once, tmp_path / name)
    return tmp_path / "first", tmp_path / "second"


def rewrite(path: Path, old: str, new: str, count: int = -1):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def mask_of(root: Path, sample: str) -> Path:
    return next(root.glob(f"*/masks/{sample}.png"))


def test_equal_sets_have_no_difference(pair, capsys):
    assert main(["diff", *map(str, pair)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "diff: nothing differs"
    assert compare_sets(*pair).is_equal


def test_a_changed_mask_is_measured_by_its_pixels(pair):
    path = mask_of(pair[1], "P1_L_CM_CC")
    mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    before = np.count_nonzero(mask)
    rows, columns = np.nonzero(mask)
    mask[rows[0], columns[0]] = 0
    cv2.imwrite(str(path), mask)
    (change,) = compare_sets(*pair).changes
    assert change.kinds == ("mask-pixels",)
    assert change.lesion_px == (before, before - 1)
    assert change.iou == pytest.approx((before - 1) / before)


def test_other_bytes_of_the_same_pixels_are_told_apart_from_other_pixels(pair):
    path = mask_of(pair[1], "P2_L_CM_CC")
    cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED), [cv2.IMWRITE_PNG_COMPRESSION, 0])
    image = next(pair[1].glob("*/images/P2_L_CM_CC.jpg"))
    cv2.imwrite(str(image), 255 - cv2.imread(str(image), cv2.IMREAD_UNCHANGED))
    (change,) = compare_sets(*pair).changes
    assert change.kinds == ("image-pixels", "mask-bytes")
    assert change.iou is None
    assert change.image_difference > 1


def test_missing_and_broken_files_are_differences(pair):
    mask_of(pair[1], "P1_L_CM_CC").unlink()
    mask_of(pair[1], "P2_L_CM_CC").write_bytes(b"no mask")
    assert compare_sets(*pair).counts == {"mask-missing": 1, "mask-unreadable": 1}


def test_labels_splits_and_folds_are_compared_by_the_manifests(pair, capsys):
    manifest = pair[1] / "manifest.csv"
    lines = manifest.read_text().splitlines()
    header, number = lines[0].split(","), next(number for number, line in enumerate(lines) if ",P3_L_CM_CC," in line)
    row = dict(zip(header, lines[number].split(","), strict=True))
    other = {"train": "test", "valid": "train", "test": "valid"}[row["split"]]
    changed = row | {"split": other, "fold": "9", "class": "benign", "density": "D"}
    lines[number] = ",".join(changed.values())
    manifest.write_text("\n".join(lines) + "\n")
    (change,) = compare_sets(*pair).changes
    assert change.kinds == ("split", "fold", "class", "columns")
    assert change.values["density"] == (row["density"], "D")
    assert main(["diff", *map(str, pair)]) == 1
    out = capsys.readouterr().out
    assert f"       1  split: in another split (P3_L_CM_CC {row['split']} -> {other})" in out
    assert "(P3_L_CM_CC malignant -> benign)" in out
    assert out.splitlines()[-1] == "diff: samples that differ: 1"


def test_other_sources_and_another_recipe(once, tmp_path):
    download = small_download(tmp_path / "raw", patients=5)
    download.add("P9_L_DM_CC")
    other = make_set(tmp_path, download.write(), changes=[("seed = 1", "seed = 2")]).root
    difference = compare_sets(once, other)
    dropped, added = (difference.of_kind(kind) for kind in ("dropped", "added"))
    assert {change.image_id for change in dropped} == {"P6_L_DM_CC", "P6_L_CM_CC"}
    assert {change.image_id for change in added} == {"P9_L_DM_CC"}
    assert added[0].values["class"] == (None, "malignant")
    assert difference.recipe == {"split.seed": (1, 2)}
    assert difference.regions == []


def test_other_regions_are_listed_by_image(once, tmp_path):
    download = small_download(tmp_path / "raw")
    name, _, size = download.shapes[0]
    download.shapes[0] = (name, circle(20, 30, 12), size)
    difference = compare_sets(once, make_set(tmp_path, download.write()).root)
    assert difference.regions == [name.removesuffix(".jpg")]
    assert {change.image_id for change in difference.of_kind("mask-pixels")} == set(difference.regions)


def test_a_folder_without_manifest_is_compared_by_names(once, tmp_path, capsys):
    for split in ("train", "valid", "test"):
        shutil.copytree(once / split, tmp_path / "bare" / split)
    assert main(["diff", str(once), str(tmp_path / "bare")]) == 0
    assert "bare has no manifest: folds, classes and other columns were not compared" in capsys.readouterr().out
    image = next((tmp_path / "bare/train/images").iterdir())
    for kind in ("images", "masks"):
        path = next((tmp_path / "bare/train" / kind).glob(f"{image.stem}.*"))
        path.rename(tmp_path / "bare/test" / kind / path.name)
    (change,) = compare_sets(once, tmp_path / "bare").changes
    assert (change.sample, change.values) == (image.stem, {"split": ("train", "test")})


def test_a_name_in_several_splits_belongs_together_within_its_split(once, tmp_path):
    for name in ("a", "b"):
        for split in ("train", "valid", "test"):
            shutil.copytree(once / split, tmp_path / name / split)
        image = next((tmp_path / name / "train/images").iterdir())
        shutil.copy(image, tmp_path / name / "test/images")
    assert compare_sets(tmp_path / "a", tmp_path / "b").is_equal


def test_masks_of_classes_differ_by_class_and_compare_with_binary_ones_by_lesion(tmp_path):
    (tmp_path / "raw").mkdir()
    classes = make_set_of_classes(tmp_path).root
    other = shutil.copytree(classes, tmp_path / "other")
    row = next(row for row in read_csv(classes / "manifest.csv") if row["class"] == "benign")
    mask = cv2.imread(str(other / row["mask"]), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(other / row["mask"]), mask * 2)
    (change,) = compare_sets(classes, other).changes
    assert (change.iou, change.lesion_px) == (0.0, (np.count_nonzero(mask),) * 2)
    rewrite(other / "recipe.toml", 'values = "classes"', 'values = "binary"')
    assert compare_sets(classes, other).counts == {"mask-bytes": 1}


def test_partners_are_compared(tmp_path):
    download = Download(tmp_path / "raw")
    for patient in range(1, 7):
        for kind in ("DM", "CM"):
            download.add(f"P{patient}_L_{kind}_CC")
    once = make_set(tmp_path, download.write(), changes=[("[split]", "[partner]\nuse = true\n\n[split]")]).root
    other = shutil.copytree(once, tmp_path / "other")
    first, second = sorted(other.glob("*/partners/P*"))[:2]
    first.unlink()
    cv2.imwrite(str(second), 255 - cv2.imread(str(second), cv2.IMREAD_UNCHANGED))
    assert compare_sets(once, other).counts == {"partner-missing": 1, "partner-pixels": 1}


def test_json_is_one_object_with_all_changes(pair, capsys):
    mask_of(pair[1], "P1_L_CM_CC").unlink()
    assert main(["diff", *map(str, pair), "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["equal"] is False
    assert content["counts"] == {"mask-missing": 1}
    assert content["changes"][0]["sample"] == "P1_L_CM_CC"


def test_out_holds_table_pictures_and_page(pair, tmp_path, capsys):
    for sample, width in (("P1_L_CM_CC", 2), ("P2_L_CM_CC", 8)):
        for path in pair[1].glob(f"*/masks/*{sample}.png"):
            mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            mask[:width] = 255
            cv2.imwrite(str(path), mask)
    assert main(["diff", *map(str, pair), "--out", str(tmp_path / "out")]) == 1
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["contact_sheet.png", "diff.csv", "diff.html", "diff.json", "pictures"]
    assert [path.name for path in sorted((out / "pictures").iterdir())] == ["01_P2_L_CM_CC.png", "02_P1_L_CM_CC.png"]
    drawn = cv2.imread(str(out / "pictures/01_P2_L_CM_CC.png"))
    assert drawn.shape == (32, 32, 3)
    assert (drawn[..., 0] != drawn[..., 2]).any(), "contours are colored"
    rows = read_csv(out / "diff.csv", CHANGE_COLUMNS)
    assert len(rows) == 6
    assert "2 of 2 images with changed masks in pictures, the smallest IoU first" in capsys.readouterr().out
    page = (out / "diff.html").read_text()
    assert "Shown: 2 of 2 images whose masks have other pixels" in page
    assert page.count('class="case"') == 2
    assert main(["diff", *map(str, pair), "--out", str(out)]) == 2
    assert f"{out}: is not empty; --out expects a new or empty folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_bad_input_ends_with_status_2_and_a_message(once, tmp_path, capsys, name):
    (tmp_path / "empty").mkdir()
    assert main(["diff", str(once), str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert ("there is no such folder; expected that of a data set" in error) is (name == "nowhere")
    assert ("holds no train/images" in error) is (name == "empty")


def test_the_face_offers_it(pair):
    assert pipeline.diff_datasets(*map(str, pair)).is_equal


def test_all_kinds_are_documented():
    text = (Path(__file__).resolve().parents[3] / "docs/diff.md").read_text()
    assert not [kind for kind in KINDS if f"`{kind}`" not in text]
