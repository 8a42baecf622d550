"""nnU-Net's rules, one by one, as its `verify_dataset_integrity`, `do_split` and documentation have them."""

import json
import re

import cv2
import numpy as np
import pytest
from inputs import Download
from small_sets import SETS, make_set

from pipeline.dataset.manifest import read_manifest
from pipeline.exports import export
from pipeline.exports.lesions import class_names, read_mask
from pipeline.files import InputError

REQUIRED = {"channel_names", "labels", "numTraining", "file_ending"}


class Exported:
    """An export and what nnU-Net finds in it."""

    def __init__(self, folder):
        self.folder = folder
        written = export(folder, "nnunet", None, {})
        self.lines = written.lines
        (self.root,) = written.output.glob("Dataset*")
        self.json = json.loads((self.root / "dataset.json").read_text())
        self.splits = json.loads((self.root / "splits_final.json").read_text())
        self.originals = {row["sample"]: row for row in read_manifest(folder.manifest) if row["variant"] == "original"}

    def files(self, part):
        return {path.name: path for path in (self.root / part).iterdir()}

    def cases(self, part):
        """Identifiers as nnU-Net cuts them out of the images' names."""
        crop = len(self.json["file_ending"]) + 5
        return {name[:-crop] for name in self.files(f"images{part}")}


@pytest.fixture(params=SETS)
def exported(tmp_path, request):
    return Exported(SETS[request.param](tmp_path))


def test_the_folder_is_named_by_number_and_name(exported):
    assert re.fullmatch(r"Dataset501_[A-Za-z0-9_]+", exported.root.name)
    assert {path.name for path in exported.root.iterdir()} == {
        "dataset.json",
        "splits_final.json",
        *(f"{kind}{part}" for kind in ("images", "labels") for part in ("Tr", "Ts")),
    }


def test_dataset_json_has_the_keys_that_are_required(exported):
    assert set(exported.json) >= REQUIRED
    assert exported.json["file_ending"] == ".png", "lossless, and read by NaturalImage2DIO"
    assert list(exported.json["channel_names"]) == ["0"]


def test_labels_start_with_background_and_are_consecutive(exported):
    labels = exported.json["labels"]
    assert labels["background"] == 0
    assert sorted(labels.values()) == list(range(len(labels)))
    assert set(labels) == {"background", *class_names(exported.folder.load_recipe())}


def test_num_training_counts_the_cases(exported):
    assert exported.json["numTraining"] == len(exported.cases("Tr")) == len(exported.files("labelsTr"))


@pytest.mark.parametrize("part", ["Tr", "Ts"])
def test_each_case_is_one_channel_and_one_label(exported, part):
    cases = exported.cases(part)
    assert set(exported.files(f"images{part}")) == {f"{case}_0000.png" for case in cases}
    assert set(exported.files(f"labels{part}")) == {f"{case}.png" for case in cases}


@pytest.mark.parametrize("part", ["Tr", "Ts"])
def test_images_are_gray_and_labels_of_their_size_hold_labels_only(exported, part):
    for case in exported.cases(part):
        image = cv2.imread(str(exported.root / f"images{part}" / f"{case}_0000.png"), cv2.IMREAD_UNCHANGED)
        label = cv2.imread(str(exported.root / f"labels{part}" / f"{case}.png"), cv2.IMREAD_UNCHANGED)
        assert image.ndim == label.ndim == 2
        assert image.shape == label.shape
        assert set(np.unique(label)) <= set(exported.json["labels"].values())


def test_pixels_are_those_of_the_originals(exported):
    cases = {case: part for part in ("Tr", "Ts") for case in exported.cases(part)}
    assert set(cases) == set(exported.originals)
    for case, part in cases.items():
        row = exported.originals[case]
        assert (row["split"] == "test") == (part == "Ts")
        image, label = (
            cv2.imread(str(exported.root / path), cv2.IMREAD_UNCHANGED)
            for path in (f"images{part}/{case}_0000.png", f"labels{part}/{case}.png")
        )
        np.testing.assert_array_equal(image, cv2.imread(str(exported.folder.root / row["image"]), cv2.IMREAD_GRAYSCALE))
        names = class_names(exported.folder.load_recipe())
        np.testing.assert_array_equal(label, read_mask(exported.folder.root / row["mask"], names))


def test_each_training_case_is_validated_on_once(exported):
    validated = [case for split in exported.splits for case in split["val"]]
    assert sorted(validated) == sorted(exported.cases("Tr"))


def test_a_split_trains_on_all_other_cases_and_no_patient_is_on_both_sides(exported):
    for split in exported.splits:
        train, val = (set(split[side]) for side in ("train", "val"))
        assert train | val == exported.cases("Tr")
        assert train
        assert val
        patients = [{exported.originals[case]["patient"] for case in side} for side in (train, val)]
        assert not patients[0] & patients[1]
        assert len({exported.originals[case]["fold"] for case in val}) == 1


def test_patients_in_training_and_test_cases_are_reported(tmp_path):
    exported = Exported(SETS["published"](tmp_path))
    patients = [{exported.originals[case]["patient"] for case in exported.cases(part)} for part in ("Tr", "Ts")]
    both = len(patients[0] & patients[1])
    assert both
    assert f"{both} patients are both in imagesTr and in imagesTs, because the recipe splits by sample" in exported.lines


def test_a_fold_of_test_patients_only_is_skipped_and_reported(tmp_path):
    exported = Exported(make_set(tmp_path, changes=[("folds = 3", "folds = 6")]))
    folds = {exported.originals[case]["fold"] for case in exported.cases("Tr")}
    missing = ", ".join(str(fold) for fold in range(6) if fold not in folds)
    assert missing
    assert len(exported.splits) == len(folds)
    assert f"our folds without a training case, which nnU-Net's numbering skips: {missing}" in exported.lines


def test_all_bits_of_a_16_bit_image_are_kept(tmp_path):
    folder = make_set(tmp_path, changes=[("size_px = 32", 'size_px = 32\nformat = "png"')])
    row = next(row for row in read_manifest(folder.manifest) if row["variant"] == "original" and row["split"] == "train")
    deep = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32) * 63
    cv2.imwrite(str(folder.root / row["image"]), deep)
    exported = Exported(folder)
    path = exported.root / "imagesTr" / f"{row['sample']}_0000.png"
    np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), deep)


@pytest.mark.parametrize("number", [0, 1000])
def test_a_number_of_other_than_three_digits_is_an_error(tmp_path, number):
    with pytest.raises(InputError, match=f"--dataset-id {number}: expected 1 to 999"):
        export(make_set(tmp_path), "nnunet", None, {"dataset_id": number})


def test_folds_of_a_single_patient_are_an_error(tmp_path):
    download = Download(tmp_path / "raw")
    for patient in (1, 2, 3):
        download.add(f"P{patient}_L_DM_CC")
    folder = make_set(tmp_path, download.write(), variants=["original"])
    text = folder.manifest.read_text()
    rows = [row for row in read_manifest(folder.manifest) if row["split"] != "test"]
    for row in rows:
        text = text.replace(f",{row['split']},{row['fold']},{row['patient']},", f",{row['split']},0,{row['patient']},")
    folder.manifest.write_text(text)
    with pytest.raises(InputError, match="all 2 training cases are of fold 0; cross-validation needs two folds or more"):
        export(folder, "nnunet", None, {})
