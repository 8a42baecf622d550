"""The audit: finds what leaks and what is broken, and accepts what is right."""

import cv2
import numpy as np
import pytest
from inputs import Download, small_download, small_recipe

from pipeline import stages
from pipeline.audit import MEANINGS, audit
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError
from pipeline.geometry import vary
from pipeline.recipe import load_recipe
from pipeline.workers import Inline


def put(root, split, name, image, mask=None, suffix="jpg", mask_suffix="png", quality=75):
    for kind, pixels, ending in (("images", image, suffix), ("masks", mask, mask_suffix)):
        path = root / split / kind / f"{name}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if pixels is not None:
            cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])


def pixels(name):
    return Download.pixels(name, (128, 128))


MASK = cv2.circle(np.zeros((128, 128), np.uint8), (60, 50), 20, 255, -1)


@pytest.fixture
def clean(tmp_path):
    """Five patients over three splits, DM and CM, two variants each: nothing to find."""
    root = tmp_path / "set"
    for split, patients in (("train", (1, 2, 3)), ("valid", (4,)), ("test", (5,))):
        for patient in patients:
            for kind in ("DM", "CM"):
                name = f"P{patient}_L_{kind}_CC"
                put(root, split, name, pixels(name), MASK)
                put(root, split, f"flipped_{name}", vary(pixels(name), "flipped"), vary(MASK, "flipped"))
    return root


def codes(root):
    return {finding.code: finding.count for finding in audit(root, executor=Inline())}


def test_a_sound_set_has_no_findings(clean):
    assert codes(clean) == {}


def test_an_image_and_a_patient_in_two_splits(clean):
    put(clean, "test", "mirrored_P1_L_DM_CC", vary(pixels("P1_L_DM_CC"), "mirrored"), vary(MASK, "mirrored"))
    assert codes(clean) == {"image-in-splits": 1, "patient-in-splits": 1, "duplicate-pixels": 1}
    finding = {finding.code: finding for finding in audit(clean, executor=Inline())}["image-in-splits"]
    assert finding.examples == ("P1_L_DM_CC: 2 in train, 1 in test",)
    assert finding.pairs == (("train/images/P1_L_DM_CC.jpg", "test/images/mirrored_P1_L_DM_CC.jpg"),)


@pytest.mark.parametrize("variant", ["original", "rotated_90", "rotated_270", "mirrored", "flipped"])
def test_a_renamed_and_turned_copy_is_found_after_jpeg(clean, variant):
    put(clean, "test", "P900_R_DM_MLO", vary(pixels("P2_L_CM_CC"), variant), MASK, quality=60)
    (finding,) = audit(clean, executor=Inline())
    assert (finding.code, finding.count) == ("duplicate-pixels", 1)
    assert finding.examples == ("train/P2_L_CM_CC = test/P900_R_DM_MLO and 1 more",)
    ((first, second),) = finding.pairs
    assert first in ("train/images/P2_L_CM_CC.jpg", "train/images/flipped_P2_L_CM_CC.jpg")
    assert second == "test/images/P900_R_DM_MLO.jpg"


def test_a_transposed_copy_is_found(clean):
    put(clean, "valid", "P901_R_DM_MLO", np.ascontiguousarray(pixels("P2_L_CM_CC").T), MASK)
    assert codes(clean) == {"duplicate-pixels": 1}


def test_within_a_split_only_equal_images_are_duplicates(clean):
    put(clean, "train", "P902_L_DM_CC", vary(pixels("P2_L_CM_CC"), "rotated_90"), MASK)
    assert codes(clean) == {}
    put(clean, "train", "P903_L_DM_CC", pixels("P2_L_CM_CC"), MASK)
    assert codes(clean) == {"duplicate-pixels": 1}


def test_jpeg_masks_are_one_finding(clean):
    for path in clean.rglob("masks/*.png"):
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        path.unlink()
        cv2.imwrite(str(path.with_suffix(".jpg")), mask)
    (finding,) = audit(clean, executor=Inline())
    assert (finding.code, finding.count) == ("mask-values", 20)
    assert "expected 0 and 255" in finding.examples[0]


def test_class_indices_are_sound_but_not_mixed_with_levels(clean):
    for path in clean.rglob("masks/*.png"):
        cv2.imwrite(str(path), (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 0) * np.uint8(2))
    assert codes(clean) == {}
    put(clean, "train", "P1_L_DM_CC", pixels("P1_L_DM_CC"), MASK)
    assert codes(clean) == {"mask-values": 19}


def test_images_with_a_white_background_are_inverted(clean):
    image = np.zeros((128, 128), np.uint8)
    image[30:90, :60] = pixels("P1_L_DM_CC")[30:90, :60] // 2 + 90
    put(clean, "train", "P1_L_DM_CC", image, MASK)
    assert codes(clean) == {}
    for variant, name in (("original", "P1_L_DM_CC"), ("flipped", "flipped_P1_L_DM_CC")):
        put(clean, "train", name, vary(255 - image, variant), vary(MASK, variant))
    assert codes(clean) == {"inverted": 2}


def test_broken_pairs(clean):
    (clean / "train/masks/P1_L_DM_CC.png").unlink()
    (clean / "train/images/P2_L_DM_CC.jpg").unlink()
    (clean / "valid/images/P4_L_DM_CC.jpg").write_bytes(b"hello")
    put(clean, "test", "P5_L_DM_CC", pixels("P5_L_DM_CC")[:64], MASK)
    put(clean, "train", "P3_L_DM_CC", pixels("P3_L_DM_CC"), MASK * 0)
    assert codes(clean) == {"mask-missing": 1, "image-missing": 1, "unreadable": 1, "size": 1, "mask-empty": 1}


def test_with_a_manifest_identity_and_normals_come_from_it(tmp_path):
    download = small_download(tmp_path / "raw", patients=4)
    download.add("P9_L_DM_CC", [], label="Normal")
    recipe = small_recipe(tmp_path / "small.toml", without_regions=("normal",), variants=("original", "flipped"))
    folder = DatasetFolder(tmp_path / "set")
    root = folder.root
    stages.index(folder, load_recipe(recipe), download.write().root, None, Inline())
    stages.split(folder)
    stages.variants(folder, Inline(), fused=True)
    assert codes(root) == {}
    victim = next((root / "train" / "images").iterdir())
    victim.write_bytes(victim.read_bytes() + b"\0")
    assert codes(root) == {"changed": 1}
    victim.unlink()
    assert codes(root) == {"image-missing": 1}


def test_nothing_is_written(clean):
    before = sorted((path, path.stat().st_mtime_ns) for path in clean.rglob("*"))
    audit(clean, executor=Inline())
    assert sorted((path, path.stat().st_mtime_ns) for path in clean.rglob("*")) == before


def test_a_folder_that_is_not_a_data_set(tmp_path):
    with pytest.raises(InputError, match="holds no train/images, valid/images or test/images with files"):
        audit(tmp_path)


def test_every_leak_has_a_pair_for_each_example(clean):
    for patient in range(10, 17):
        for split in ("train", "valid"):
            put(clean, split, f"P{patient}_L_{'DM' if split == 'train' else 'CM'}_CC", pixels(f"{patient}{split}"), MASK)
    (finding,) = audit(clean, executor=Inline())
    assert (finding.code, finding.count, len(finding.pairs)) == ("patient-in-splits", 7, 5)
    for example, pair in zip(finding.examples, finding.pairs, strict=True):
        patient = example.split(":")[0]
        assert pair == (f"train/images/{patient}_L_DM_CC.jpg", f"valid/images/{patient}_L_CM_CC.jpg")


def test_every_finding_has_a_meaning(clean):
    (clean / "train/masks/P1_L_DM_CC.png").unlink()
    put(clean, "test", "mirrored_P2_L_DM_CC", vary(pixels("P2_L_DM_CC"), "mirrored"), MASK[:64])
    assert {finding.code for finding in audit(clean, executor=Inline())} <= MEANINGS.keys()


@pytest.mark.parametrize("folder", ["val", "validation"])
def test_a_folder_of_another_name_for_valid_is_audited(tmp_path, folder):
    for split in ("train", folder):
        put(tmp_path, split, "P1_L_DM_CC", pixels("P1_L_DM_CC"), MASK)
    (finding, *_) = audit(tmp_path, executor=Inline())
    assert (finding.code, finding.examples) == ("image-in-splits", ("P1_L_DM_CC: 1 in train, 1 in valid",))
    assert finding.pairs == (("train/images/P1_L_DM_CC.jpg", f"{folder}/images/P1_L_DM_CC.jpg"),)


def test_a_colored_mask_is_named_with_its_color(tmp_path):
    put(tmp_path, "train", "P1_L_DM_CC", pixels("P1_L_DM_CC"), cv2.merge([MASK * 0, MASK * 0, MASK]))
    put(tmp_path, "test", "P2_L_DM_CC", pixels("P2_L_DM_CC"), MASK)
    (finding,) = audit(tmp_path, executor=Inline())
    assert finding.code == "mask-values"
    assert finding.examples[0].startswith("train/P1_L_DM_CC: is colored, for example red 255 green 0 blue 0; write it again")
