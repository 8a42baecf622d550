"""The contract: names, including the odd ones of CDD-CESM, splits, columns, masks in every encoding, and reasons."""

import contextlib
import io
import pickle
import re
import struct
import unicodedata
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contract import (
    COLUMN_NAMES,
    DETAILS,
    GROUPS,
    REASONS,
    ClassesError,
    Column,
    ImageName,
    MaskError,
    MaskLevels,
    Reason,
    SourceError,
    as_classes,
    clean_name,
    cut_levels,
    decode_mask,
    find_reason,
    find_split_folders,
    parse_image,
    parse_sample,
    read_mask,
    read_row,
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
        (" case 7 .TIFF", "case 7"),
        ("Mu\u0308ller.png", "M\u00fcller"),
        ("raw/inner\\P1_L_DM_MLO.jpeg", "P1_L_DM_MLO"),
    ],
)
def test_clean_name(written, cleaned):
    assert clean_name(written) == cleaned


@settings(deadline=None)
@given(st.text(max_size=20))
def test_a_clean_name_has_no_folder_no_stray_space_and_one_spelling(name):
    cleaned = clean_name(name)
    assert not set("/\\") & set(cleaned)
    assert cleaned == cleaned.strip() == unicodedata.normalize("NFC", cleaned)


@settings(deadline=None)
@given(st.text("aé_ 7", min_size=1, max_size=9).filter(str.strip))
def test_folder_suffix_spaces_and_split_accents_make_no_other_name(name):
    assert clean_name(f"folder/{unicodedata.normalize('NFD', name)} .jpg ") == clean_name(f"{name}.jpg") == name.strip()


fields = st.tuples(
    *(st.integers(0, 10**6).map("P{}".format), st.sampled_from("LR"), st.sampled_from(["DM", "CM"])),
    *(st.sampled_from(["CC", "MLO"]),),
)


@settings(deadline=None)
@given(fields, st.sampled_from(["", "2", "_2", "_13"]), st.sampled_from(list(VARIANTS)))
def test_every_name_of_the_collection_is_read_back_through_its_samples(parts, exposure, variant):
    name = "_".join(parts) + exposure
    assert parse_image(name) == ImageName(name, *parts)
    assert parse_sample(sample_name(variant, name)) == (variant, ImageName(name, *parts))


@settings(deadline=None)
@given(fields, st.text(".-_ (09", max_size=6), st.sampled_from("_-. "))
def test_a_name_is_found_between_other_characters(parts, around, between):
    name = f"{around}_{between.join(parts).lower()}{around}"
    assert parse_sample(name) == ("original", ImageName(name, *parts))


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_a_name_and_none_is_lost(text):
    variant, image = parse_sample(text)
    assert sample_name(variant, image.image_id) == text.removeprefix("original_")
    assert parse_image(text).image_id == text


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


def test_folders_of_one_split_come_in_the_order_of_their_names_and_files_are_no_folders(tmp_path):
    for folder in ("Training", "train", "images/TRAIN"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "val").write_text("not a folder")
    (tmp_path / "images" / "test").write_text("not a folder")
    assert [(folder.name, folder.images, folder.masks) for folder in find_split_folders(tmp_path)] == [
        ("Training", tmp_path / "Training" / "images", tmp_path / "Training" / "masks"),
        ("TRAIN", tmp_path / "images" / "TRAIN", tmp_path / "masks" / "TRAIN"),
        ("train", tmp_path / "train" / "images", tmp_path / "train" / "masks"),
    ]
    assert find_split_folders(tmp_path / "val") == find_split_folders(tmp_path / "missing") == []


@pytest.mark.parametrize(
    ("type_", "cell", "value"),
    [
        *((str, "", ""), (str, "9" * 30, "9" * 30), (int, "", None), (int, "-7", -7), (float, "", None), (float, "0.25", 0.25)),
        *((int, str(2**63 - 1), 2**63 - 1), (int, str(1 - 2**63), 1 - 2**63)),
    ],
)
def test_a_cell_is_read_as_its_column_says(type_, cell, value):
    read = Column("x", type_).read(cell)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("type_", "cell"), [(int, "9223372036854775808"), (int, "-9223372036854775808"), (float, "inf"), (float, "nan")]
)
def test_a_number_beyond_all_measures_is_refused(type_, cell):
    with pytest.raises(ValueError, match=r"^a number out of range$"):
        Column("x", type_).read(cell)


def test_a_row_is_read_by_column_and_a_wrong_cell_is_named():
    row = read_row({"fold": "3", "scale": "0.5", "sample": "P1_L_DM_CC", "density": None, "another": "x"})
    assert tuple(row) == COLUMN_NAMES
    assert (row["fold"], row["scale"], row["sample"], row["density"], row["lesion_px"]) == (3, 0.5, "P1_L_DM_CC", "", None)
    with pytest.raises(ValueError, match=rf"^fold is '{'x' * 40}'; expected int$"):
        read_row({"fold": "x" * 41})


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


def test_a_reason_of_another_version_is_described_as_such():
    assert find_reason("file-empty") == REASONS["file-empty"]
    assert find_reason("no-such-reason") == Reason("not a reason of this version")


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


def png_of_bits(values, depth):
    """The bytes of a gray PNG of one row with `depth` bits per pixel."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    bits = "".join(format(value, f"0{depth}b") for value in values)
    packed = bytes(int(bits[start : start + 8].ljust(8, "0"), 2) for start in range(0, len(bits), 8))
    header = struct.pack(">IIBBBBB", len(values), 1, depth, 0, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0" + packed)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("data", "values", "levels"),
    [
        pytest.param(png_of_bits([0, 1, 2, 3], 2), [0, 1, 2, 3], [0, 1, 2, 3], id="indices of 2 bits"),
        pytest.param(png_of_bits([0, 1, 1, 0], 2), [0, 1], [0, 1, 1, 0], id="a single index of 2 bits"),
        pytest.param(pillow(np.array([[0, 2, 1]], np.uint8), "P"), [0, 1, 2], [0, 2, 1], id="palette"),
        pytest.param(png_of_bits([0, 2, 15, 1], 4), [0, 1, 2, 15], [0, 2, 15, 1], id="indices of 4 bits"),
        pytest.param(png_of_bits([0, 3, 3, 0], 2), [0, 255], [0, 255, 255, 0], id="levels of 2 bits"),
        pytest.param(png_of_bits([1, 0, 1], 1), [0, 255], [255, 0, 255], id="levels of 1 bit"),
        pytest.param(png_of_bits([0, 85, 4], 8), [0, 4, 85], [0, 85, 4], id="8 bits"),
        pytest.param(encode(np.array([[0, 255, 7]], np.uint16)), [0, 7, 255], [0, 255, 7], id="16 bits, low"),
        pytest.param(
            encode(np.array([[0, 257, 32896, 65534, 65535]], np.uint16)),
            [0, 1, 128, 254, 255],
            [0, 1, 128, 254, 255],
            id="16 bits",
        ),
        pytest.param(encode(np.array([[[9, 9, 9], [0, 0, 0]]], np.uint16)), [0, 9], [9, 0], id="16 bits, three channels"),
        pytest.param(encode(np.full((1, 2, 4), 65535, np.uint16)), [255], [255, 255], id="16 bits, opaque"),
    ],
)
def test_the_values_of_a_mask_are_those_that_its_file_means(data, values, levels):
    mask = decode_mask(data)
    assert (mask.values, mask.levels.tolist(), mask.levels.dtype, mask.lossy) == (values, [levels], np.uint8, False)


def test_a_jpeg_may_lose_colors_to_its_coding():
    assert decode_mask(encode(LESION * 255, ".jpg")).lossy
    slightly = np.zeros((16, 16, 3), np.uint8)
    slightly[...] = (118, 118, 140)
    assert decode_mask(encode(slightly, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 100)).levels.shape == (16, 16)
    slightly[...] = (100, 100, 180)
    with pytest.raises(MaskError, match=r"is colored, for example red 1[78]"):
        decode_mask(encode(slightly, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 100))


ADVICE = "write it again as a gray PNG of 0 and 255"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", f"cannot be read as an image (0 bytes); {ADVICE}", id="empty"),
        pytest.param(b"\x89PNG\r\n\x1a\n", f"cannot be read as an image (8 bytes); {ADVICE}", id="only a PNG's mark"),
        pytest.param(pillow(LESION, "P")[:26], "cannot be read as an image (", id="only a palette PNG's header"),
        pytest.param(encode(np.zeros((2, 2), np.float32), ".tiff"), f"holds float32 values; {ADVICE}", id="float"),
        pytest.param(
            encode(np.array([[[10, 20, 30], [40, 50, 61], [0, 0, 0]]], np.uint8)),
            f"is colored, for example red 61 green 50 blue 40; {ADVICE}, or of class indices",
            id="colors",
        ),
        pytest.param(
            encode(np.array([[[0, 0, 1], [0, 0, 0]]], np.uint8)),
            f"is colored, for example red 1 green 0 blue 0; {ADVICE}, or of class indices",
            id="nearly gray",
        ),
        pytest.param(
            encode(np.array([[[9, 9, 9, 254], [9, 9, 9, 255]]], np.uint8)),
            f"is partly transparent, so that it is unclear what marks the lesion; {ADVICE}",
            id="nearly opaque",
        ),
        pytest.param(
            encode(np.array([[256]], np.uint16)),
            "holds 16-bit values up to 256, which are neither class indices nor levels of 0 to 65535",
            id="16 bits",
        ),
    ],
)
def test_what_is_wrong_with_a_mask_is_said_in_full(data, message):
    with pytest.raises(MaskError) as caught:
        decode_mask(data)
    text = str(caught.value)
    assert text == message or (message.endswith("(") and text.startswith(message) and text.endswith(f"); {ADVICE}"))


def levels_of(*values, lossy=False):
    return MaskLevels(np.array([values], np.uint8), lossy)


def test_lesion_begins_at_the_middle_level():
    assert cut_levels(np.array([[0, 127, 128, 255]], np.uint8)).tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("mask", "classes", "result"),
    [
        (levels_of(0, 1), 1, [[0, 1]]),
        (levels_of(0, 16, 128), 1, [[0, 0, 1]]),
        (levels_of(0, 15, lossy=True), 1, [[0, 0]]),  # what the coding of an empty JPEG leaves
        (levels_of(0, 1, lossy=True), 1, [[0, 0]]),
        (levels_of(0, 15), None, [[0, 15]]),
        (levels_of(0, 200), None, [[0, 1]]),
        (levels_of(0, 15, lossy=True), None, [[0, 0]]),
        (levels_of(0, 1), 2, [[0, 1]]),
        (levels_of(19, 3), 20, [[19, 3]]),
    ],
)
def test_levels_are_read_as_classes(mask, classes, result):
    assert as_classes(mask, classes).tolist() == result


@pytest.mark.parametrize(
    ("mask", "classes", "error", "message"),
    [
        (levels_of(0, 2), 2, ClassesError, "holds values up to 2; expected a lossless mask of the class indices 0 to 1"),
        (levels_of(0, 1, lossy=True), 2, ClassesError, "is a JPEG; expected a lossless mask of the class indices 0 to 1"),
        (levels_of(0, 2), 1, ClassesError, "holds class indices up to 2; expected 0 and 255, or 0 and 1"),
        (levels_of(0, 15), 1, ClassesError, "holds class indices up to 15; expected 0 and 255, or 0 and 1"),
        *(
            (
                mask,
                classes,
                MaskError,
                f"holds only levels up to {highest}, which are neither class indices nor lesion; expected 0 and 255",
            )
            for mask, classes, highest in (
                (levels_of(0, 16), 1, 16),
                (levels_of(0, 127), None, 127),
                (levels_of(0, 16, lossy=True), 1, 16),
            )
        ),
    ],
)
def test_levels_that_are_no_such_classes_are_refused(mask, classes, error, message):
    with pytest.raises(MaskError) as caught:
        as_classes(mask, classes)
    assert (type(caught.value), str(caught.value)) == (error, message)


def test_a_threshold_of_ones_own_is_used_for_levels_only_where_any_are_allowed():
    def cut(levels):
        return (levels >= 20).astype(np.uint8)

    data = encode(np.array([[0, 19, 20]], np.uint8))
    assert read_mask(data, cut=cut, any_levels=True).tolist() == [[0, 0, 1]]
    with pytest.raises(MaskError, match="holds only levels up to 20"):
        read_mask(data, cut=cut)
    with pytest.raises(MaskError, match="holds only levels up to 20"):
        as_classes(levels_of(20), cut=cut)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 1), min_size=1, max_size=30), st.sampled_from([1, 2, 4, 8, 16]))
def test_a_binary_mask_of_any_depth_is_itself(pixels, depth):
    for highest in {1, 2**depth - 1} if depth in (1, 8, 16) else {2**depth - 1}:
        data = png_of_bits([value * highest for value in pixels], depth)
        assert read_mask(data).tolist() == [pixels]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"II*\0"]))
def test_any_bytes_are_a_mask_or_a_mask_error(data, start):
    with contextlib.suppress(MaskError):
        assert read_mask(start + data, None).ndim == 2
