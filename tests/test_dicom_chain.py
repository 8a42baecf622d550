"""The DICOM phantom through both programs: as several vendors write it, to a data set, to SEG, and from SEG back to masks."""

import re

import cv2
import numpy as np
import pydicom
import pytest
from inputs import small_recipe
from skips import need_package

import pipeline.cli
import segmenter.cli
from pipeline.files import read_csv

need_package("highdicom")

SIDE = 128
CONFIG = """
[model]
image_width = 32
image_height = 32
base_filters = 4
num_layers = 3
[train]
epochs = 1
batch_size = 4
num_infer_images = 1
epoch_change_infer = false
"""


def give(program, *words):
    assert program.main([str(word) for word in words]) == 0, words


def make_set(root, name, raw, recipe, *more):
    give(pipeline.cli, "dataset", "--raw", raw, "--out", root / name, "--recipe", recipe, "--workers", 1, *more)
    return {row["sample"]: row for row in read_csv(root / name / "manifest.csv")}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("chain")


@pytest.fixture(scope="module")
def recipe(root):
    path = root / "small.toml"
    small_recipe(path, variants=("original", "flipped"))
    path.write_text(path.read_text().replace("size_px = 32", f"size_px = {SIDE}"))
    return path


@pytest.fixture(scope="module")
def both(root, recipe):
    """The rows of a data set from the JPEG phantom and of one from the DICOM phantom of the same seed."""
    give(pipeline.cli, "phantom", root / "jpeg", "--patients", 6, "--workers", 1)
    give(pipeline.cli, "phantom", root / "dicom", "--patients", 6, "--dicom", "varied", "--workers", 1)
    return make_set(root, "from-jpeg", root / "jpeg", recipe), make_set(root, "from-dicom", root / "dicom", recipe)


def test_jpeg_and_dicom_of_one_seed_give_the_same_masks_and_nearly_the_same_images(root, both):
    from_jpeg, from_dicom = both
    assert from_jpeg.keys() == from_dicom.keys()
    assert len(from_jpeg) >= 12
    for name, row in from_jpeg.items():
        assert row["mask_sha256"] == from_dicom[name]["mask_sha256"], name
        assert row["split"] == from_dicom[name]["split"]
        images = [cv2.imread(str(root / kind / row["image"]), cv2.IMREAD_GRAYSCALE) for kind in ("from-jpeg", "from-dicom")]
        assert cv2.PSNR(*images) > 42, name
    assert all(row["spacing_mm"] for row in from_dicom.values())


def test_what_is_no_mammogram_to_use_is_one_line_each(root, both):
    rejects = read_csv(root / "from-dicom" / "rejects.csv")
    reasons = [row["reason"] for row in rejects]
    assert reasons.count("for-processing") == 3
    assert reasons.count("not-a-mammogram") == 1
    assert len({row["image"] for row in rejects}) == len(rejects)


def test_a_recipe_that_keeps_sixteen_bits(root, both, recipe):
    path = root / "deep.toml"
    path.write_text(recipe.read_text().replace(f"size_px = {SIDE}", f'size_px = {SIDE}\nformat = "png"\nbits = 16'))
    deep = make_set(root, "deep", root / "dicom", path)
    for name, row in deep.items():
        image = cv2.imread(str(root / "deep" / row["image"]), cv2.IMREAD_UNCHANGED)
        assert image.dtype == np.uint16
        eight = cv2.imread(str(root / "from-dicom" / both[1][name]["image"]), cv2.IMREAD_GRAYSCALE)
        assert np.abs(image / 257 - eight).mean() < 2, name
        assert len(np.unique(image)) > 256, name


@pytest.fixture(scope="module")
def predictions(root, both):
    """What inference on the DICOM phantom writes."""
    (root / "tiny.toml").write_text(CONFIG)
    give(segmenter.cli, "train", root / "from-dicom", "--config", root / "tiny.toml")
    words = ("infer", root / "from-dicom", "--name", "tiny", "--images", root / "dicom", "--threshold", "0.05")
    give(segmenter.cli, *words, "--output", root / "predictions")
    return root / "predictions"


def test_every_dicom_image_has_a_seg_of_its_mask(predictions):
    import highdicom

    masks = sorted((predictions / "masks").glob("*.png"))
    assert len(masks) >= 20
    for mask in masks:
        seg = highdicom.seg.segread(predictions / "segmentations" / f"{mask.stem}_binary.dcm")
        np.testing.assert_array_equal(seg.pixel_array.squeeze() > 0, cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE) > 0)


def test_predicted_segs_are_read_as_ground_truth_of_the_same_images(root, predictions, recipe):
    """The masks of the new data set are the predictions, letterboxed and shrunk."""
    segs = root / "segs"
    segs.mkdir()
    for path in (predictions / "segmentations").glob("*_binary.dcm"):
        dataset = pydicom.dcmread(path)
        if np.any(dataset.pixel_array):
            (segs / path.name).write_bytes(path.read_bytes())
    truth = root / "truth.toml"
    # An outline drawn over most of the image is no lesion, but the pixels are what counts here.
    truth.write_text(f'{recipe.read_text()}\n[layout]\nunlisted_class = "malignant"\n')
    rows = make_set(root, "from-seg", root / "dicom", truth, "--annotations", segs)
    originals = [row for row in rows.values() if row["variant"] == "original"]
    assert len(originals) == len(list(segs.iterdir())) > 3
    for row in originals:
        name = re.sub(r"\.dcm$", "", row["source"].rsplit("/", 1)[-1])
        predicted = cv2.imread(str(predictions / "masks" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
        assert int(row["lesion_px"]) == pytest.approx(float(row["scale"]) ** 2 * (predicted > 0).sum(), rel=0.1, abs=30)
