"""The contract: names, including the odd ones of CDD-CESM, splits, columns, the classes of masks, and reasons."""

import pickle
import unicodedata
from pathlib import Path

import numpy as np
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
    find_reason,
    find_split_folders,
    fold_patient,
    parse_image,
    parse_sample,
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


def test_images_and_masks_are_found_in_any_case_and_first_as_they_are_spelled(tmp_path):
    for folder in ("train/Images", "train/MASKS", "test/images", "test/IMAGES", "test/masks", "Images/val", "Masks/VAL"):
        (tmp_path / folder).mkdir(parents=True)
    assert [(folder.images, folder.masks) for folder in find_split_folders(tmp_path)] == [
        (tmp_path / "train/Images", tmp_path / "train/MASKS"),
        (tmp_path / "Images/val", tmp_path / "Masks/VAL"),
        (tmp_path / "test/images", tmp_path / "test/masks"),
    ]


@pytest.mark.parametrize(
    ("patient", "folded"),
    [
        ("P1", "p1"),
        (" p001 ", "p1"),
        ("P100", "p100"),
        ("0", "0"),
        ("000", "0"),
        ("D01-0007", "d1-7"),
        ("10.05", "10.5"),
        ("A", "a"),
    ],
)
def test_a_patient_is_compared_without_case_spaces_and_leading_zeros(patient, folded):
    assert fold_patient(patient) == folded


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


def levels_of(*values, lossy=False):
    return MaskLevels(np.array([values], np.uint8), lossy)


def test_lesion_begins_at_the_middle_level():
    assert cut_levels(np.array([[0, 127, 128, 255]], np.uint8)).tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("mask", "classes", "result"),
    [
        (levels_of(0, 1), 1, [[0, 1]]),
        (levels_of(0, 16, 128), 1, [[0, 0, 1]]),
        (levels_of(0, 0, lossy=True), 1, [[0, 0]]),  # a black JPEG is black: its coding leaves nothing
        (levels_of(0, 15), None, [[0, 15]]),
        (levels_of(0, 200), None, [[0, 1]]),
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
                (levels_of(0, 1, lossy=True), 1, 1),  # class indices, saved as JPEG
                (levels_of(0, 2, lossy=True), None, 2),
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

    assert as_classes(levels_of(0, 19, 20), cut=cut, any_levels=True).tolist() == [[0, 0, 1]]
    with pytest.raises(MaskError, match="holds only levels up to 20"):
        as_classes(levels_of(20), cut=cut)
