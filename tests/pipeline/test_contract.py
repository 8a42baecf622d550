"""The contract: names, including the odd ones of CDD-CESM, splits, columns, masks in every encoding, and reasons."""

import io
import pickle
import re
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from pipeline.contract import (
    DETAILS,
    GROUPS,
    REASONS,
    ImageName,
    MaskError,
    SourceError,
    clean_name,
    find_split_folders,
    parse_image,
    parse_sample,
    read_mask,
    sample_name,
)
from pipeline.geometry import VARIANTS


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("P3_L_CM_CC ", "P3_L_CM_CC"),
        ("P3_L_CM_CC .jpg", "P3_L_CM_CC"),
        ("P3_L_CM_CC.jpg ", "P3_L_CM_CC"),
        ("Low energy images/P1_L_DM_MLO.JPG", "P1_L_DM_MLO"),
        ("C:\\cesm\\P1_L_DM_MLO.dcm", "P1_L_DM_MLO"),
        ("P281_L_DM_MLO2.jpg", "P281_L_DM_MLO2"),
        ("P99_L_DM_MLO_2", "P99_L_DM_MLO_2"),
        ("a.name.with.dots", "a.name.with.dots"),
    ],
)
def test_clean_name(written, cleaned):
    assert clean_name(written) == cleaned


@pytest.mark.parametrize("name", ["P99_L_DM_MLO", "P99_L_DM_MLO_2", "P99_L_DM_MLO2"])
def test_a_second_exposure_is_an_image_of_its_own(name):
    assert parse_image(name) == ImageName(name, "P99", "L", "DM", "MLO")


@pytest.mark.parametrize("name", ["logo", "P1", "P1_X_DM_CC", "P1_L_DM_CC_left", "xP1_L_DM_CC"])
def test_another_name_gives_no_field(name):
    assert parse_image(name) == ImageName(name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_sample_name_gives_variant_and_image(variant):
    sample = sample_name(variant, "P281_L_CM_MLO2")
    assert sample == ("P281_L_CM_MLO2" if variant == "original" else f"{variant}_P281_L_CM_MLO2")
    assert parse_sample(sample) == (variant, parse_image("P281_L_CM_MLO2"))


@pytest.mark.parametrize(
    ("sample", "variant", "image"),
    [
        ("flipped_P1_L_CM_MLO", "flipped", ImageName("P1_L_CM_MLO", "P1", "L", "CM", "MLO")),
        ("P1_L_DM_CC_aug3", "original", ImageName("P1_L_DM_CC_aug3", "P1", "L", "DM", "CC")),
        ("P12_other", "original", ImageName("P12_other", "P12")),
        ("case7", "original", ImageName("case7")),
        ("rotated_180_P1_L_CM_CC", "rotated_180", ImageName("P1_L_CM_CC", "P1", "L", "CM", "CC")),
        ("rotated_P1", "original", ImageName("rotated_P1")),
    ],
)
def test_a_sample_of_another_origin_gives_the_fields_at_its_beginning(sample, variant, image):
    assert parse_sample(sample) == (variant, image)


FOREIGN = """
deformed_alpha_1300_sigmoid_8_P1_L_DM_CC
barrdistorted_1001_0.3_0.3_P1_L_DM_CC
shrinked_0.8_P1_L_DM_CC
p1-l-dm-cc_hflip
P1_L_DM_CC_jpg.rf.0a1b2c
P1_L_DM_CC2
P1 L DM CC (2)
hflip_P1_L_DM_CC_rot90
P1_L_DM_CC_and_P1_L_DM_CC
"""


@pytest.mark.parametrize("sample", FOREIGN.strip().splitlines())
def test_a_name_of_the_collection_is_found_anywhere_in_a_sample_name(sample):
    assert parse_sample(sample) == ("original", ImageName(sample, "P1", "L", "DM", "CC"))
    assert parse_sample(f"flipped_{sample}") == ("flipped", ImageName(sample, "P1", "L", "DM", "CC"))


@pytest.mark.parametrize(
    "sample",
    [
        *("MP12_L_DM_CC", "xP1_L_DM_CC", "aP1_3", "Mass-Training_P_00001_LEFT_CC", "D1-0001_R_MLO", "P\u0661_L_DM_CC"),
        "P1_L_DM_CC_mixed_with_P2_L_DM_CC",
    ],
)
def test_no_patient_is_guessed_from_other_names(sample):
    assert parse_sample(sample) == ("original", ImageName(sample))


def test_folders_are_read_as_the_splits_that_they_are_named_after(tmp_path):
    for name in ("test", "val", "train", "other"):
        (tmp_path / name / "images").mkdir(parents=True)
    assert [(folder.name, folder.split, folder.images, folder.masks) for folder in find_split_folders(tmp_path)] == [
        (name, split, tmp_path / name / "images", tmp_path / name / "masks")
        for name, split in (("train", "train"), ("val", "valid"), ("test", "test"))
    ]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *(("Train", "train"), ("TRAIN", "train"), ("training", "train"), ("Val", "valid"), ("VALIDATION", "valid")),
        *(("Valid", "valid"), ("testing", "test"), ("Test", "test")),
    ],
)
def test_a_split_is_found_in_any_case_and_in_both_layouts(tmp_path, name, split):
    (tmp_path / "nested" / name / "images").mkdir(parents=True)
    (tmp_path / "flat" / "images" / name).mkdir(parents=True)
    (nested,), (flat,) = find_split_folders(tmp_path / "nested"), find_split_folders(tmp_path / "flat")
    assert (nested.split, nested.images) == (split, tmp_path / "nested" / name / "images")
    assert (flat.split, flat.images, flat.masks) == (
        *(split, tmp_path / "flat" / "images" / name),
        tmp_path / "flat" / "masks" / name,
    )


def test_what_groups_and_exports_carry_is_declared_with_the_columns():
    assert list(GROUPS) == ["class", "kind", "side", "view", "density", "birads", "machine"]
    assert DETAILS == ("density", "birads", "findings", "machine")


def test_each_reason_that_is_raised_is_declared_and_explained_in_the_docs():
    text = (Path(__file__).parents[2] / "docs" / "pipeline.md").read_text()
    assert [reason for reason in REASONS if f"`{reason}`" not in text] == []
    with pytest.raises(KeyError, match="no-such-reason is not declared"):
        SourceError("no-such-reason", "is odd")


def test_a_source_error_comes_back_from_another_process_as_it_was():
    error = pickle.loads(pickle.dumps(SourceError("file-empty", "has 0 bytes")))
    assert (error.reason, str(error)) == ("file-empty", "has 0 bytes")


LESION = np.kron(np.array([[0, 1], [0, 1]], np.uint8), np.ones((8, 8), np.uint8))  # its right half


def encode(pixels, suffix=".png", *options):
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


def pillow(pixels, mode, **options):
    out = io.BytesIO()
    image = PIL.Image.fromarray(pixels)
    if mode == "P":
        image = PIL.Image.new("P", image.size)
        image.putdata(pixels.ravel().tolist())
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.save(out, "PNG", **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encode(LESION * 255), id="0 and 255"),
        pytest.param(encode(LESION * 255, ".png", cv2.IMWRITE_PNG_BILEVEL, 1), id="1 bit"),
        pytest.param(encode(LESION), id="0 and 1"),
        pytest.param(pillow(LESION, "P"), id="palette indices"),
        pytest.param(encode(cv2.merge([LESION * 255] * 3)), id="gray in three channels"),
        pytest.param(encode(cv2.merge([LESION * 255] * 3 + [np.full_like(LESION, 255)])), id="opaque"),
        pytest.param(encode(LESION.astype(np.uint16)), id="16 bits, 0 and 1"),
        pytest.param(encode(LESION.astype(np.uint16) * 255), id="16 bits, 0 and 255"),
        pytest.param(encode(LESION.astype(np.uint16) * 65535), id="16 bits, 0 and 65535"),
        pytest.param(encode(LESION * 255, ".jpg"), id="JPEG"),
        pytest.param(encode(cv2.merge([LESION * 255] * 3), ".jpg"), id="color JPEG of gray"),
        pytest.param(encode(LESION * 255, ".tiff"), id="TIFF"),
    ],
)
def test_a_binary_mask_is_read_in_every_encoding(data):
    np.testing.assert_array_equal(read_mask(data), LESION)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(encode(cv2.merge([LESION * 0, LESION * 0, LESION * 255])), "is colored, for example red 255", id="red"),
        pytest.param(encode(cv2.merge([LESION * 0, LESION * 0, LESION * 0, LESION * 255])), "is partly transparent", id="alpha"),
        pytest.param(encode(LESION * 76), "holds only levels up to 76", id="a gray that is not lesion"),
        pytest.param(encode(LESION * 2), "holds class indices up to 2; expected 0 and 255, or 0 and 1", id="indices"),
        pytest.param(encode(LESION.astype(np.uint16) * 4095), "holds 16-bit values up to 4095", id="12 bits"),
        pytest.param(b"", "cannot be read as an image (0 bytes)", id="empty"),
        pytest.param(b"P1_L_DM_CC", "cannot be read as an image (10 bytes)", id="text"),
        pytest.param(pillow(LESION, "P")[:60], "cannot be read as an image", id="cut palette"),
    ],
)
def test_a_file_that_is_not_a_mask_is_refused_with_its_values(data, message):
    with pytest.raises(MaskError, match=re.escape(message)):
        read_mask(data)


def test_class_indices_are_read_where_classes_are_asked_for():
    indices = LESION + LESION[::-1].cumsum(0, dtype=np.uint8) // 9
    np.testing.assert_array_equal(read_mask(encode(indices), 3), indices)
    np.testing.assert_array_equal(read_mask(pillow(indices, "P"), 3), indices)
    np.testing.assert_array_equal(read_mask(encode(indices), None), indices)
    with pytest.raises(MaskError, match="holds values up to 255; expected a lossless mask of the class indices 0 to 2"):
        read_mask(encode(LESION * 255), 3)
    with pytest.raises(MaskError, match="is a JPEG; expected a lossless mask of the class indices 0 to 2"):
        read_mask(encode(LESION, ".jpg"), 3)


def test_an_empty_mask_is_empty_in_every_encoding():
    for suffix in (".png", ".jpg", ".tiff"):
        assert not read_mask(encode(LESION * 0, suffix)).any()


def test_levels_far_from_both_need_a_threshold_of_ones_own():
    def cut(levels):
        return (levels >= 50).astype(np.uint8)

    np.testing.assert_array_equal(read_mask(encode(LESION * 76), cut=cut, any_levels=True), LESION)
