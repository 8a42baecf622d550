"""Names of images, samples and patients, including the odd ones of CDD-CESM."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contract import ImageName, clean_name, fold_patient, parse_image, parse_sample, sample_name
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
