"""Names of images and samples, the odd ones of CDD-CESM among them."""

import pytest

from pipeline.contract import ImageName, clean_name, parse_image, parse_sample, sample_name
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
def test_another_name_says_nothing(name):
    assert parse_image(name) == ImageName(name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_sample_name_tells_variant_and_image(variant):
    sample = sample_name(variant, "P281_L_CM_MLO2")
    assert sample == ("P281_L_CM_MLO2" if variant == "original" else f"{variant}_P281_L_CM_MLO2")
    assert parse_sample(sample) == (variant, parse_image("P281_L_CM_MLO2"))
