"""Names that look alike: which are asked about, and that none is joined."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract import clean_name, parse_image, parse_sample
from pipeline.indexing.similar import find_within, fold_name


@pytest.mark.parametrize(
    "name",
    [
        "P1_L_DM_CC (1)",
        "P1_L_DM_CC(12)",
        "P1_L_DM_CC - Copy",
        "P1_L_DM_CC - Copy (2)",
        "P1_L_DM_CC copy",
        "P1_L_DM_CC copy 2",
        "Copy of P1_L_DM_CC",
        "P1_L_DM_CC - Kopie (2)",
        "Kopie von P1_L_DM_CC",
        "copy of P1_L_DM_CC.JPG",
        "P1_L_DM_CC.jpg.jpg",
        "P1_L_DM_CC.jpg.PNG",
        "p1_l_dm_cc",
        "P1-L-DM-CC",
        "P1 L DM CC",
        "P01_L_DM_CC",
        "Ｐ１_L_DM_CC",
        "P1%20L%5FDM_CC.png",
    ],
)
def test_names_that_look_alike_are_folded_into_one(name):
    assert fold_name(name) == "p1 l dm cc"
    assert not parse_image(clean_name(name)).patient or name == "P01_L_DM_CC"


@pytest.mark.parametrize("name", ["P2_L_DM_CC", "P1_R_DM_CC", "P1_L_DM_CC_2", "P10_L_DM_CC", "P1_L_DM_CC_copyright", "P1_L_DM_C"])
def test_other_names_are_not(name):
    assert fold_name(name) != "p1 l dm cc"


@given(st.text(max_size=30))
def test_folding_a_folded_name_changes_nothing(name):
    assert fold_name(fold_name(name)) == fold_name(name)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("1a2b3c4d-case_07_(left)_cc.PNG", "case 7 left cc"),  # Label Studio
        ("case-07-left-cc_PNG.rf.0a1b2c.jpg", "case 7 left cc"),  # Roboflow
        ("case%2007%20%28left%29%20cc.PNG?X-Amz=1", "case 7 left cc"),
        ("case 07 (left) cc.seg.nrrd", "case 7 left cc"),
        ("case 07 (left) cc_0000", "case 7 left cc"),
        ("case 07 (left) cc 2", "case 7 left cc 2"),  # the longest of two
        ("case 07 (left) cc 3", ""),  # another exposure
        ("case 07", ""),
        ("12", "12"),
        ("mask 12 of 30", ""),  # a number may count anything
        ("x " * 99_999, ""),
    ],
)
def test_a_name_is_found_among_the_words_that_programs_add(name, found):
    assert find_within(name, {"case 7 left cc", "case 7 left cc 2", "12"}) == found


def test_composed_and_separated_accents_are_one_name():
    name = "Befund_Müller"
    assert clean_name(unicodedata.normalize("NFD", f"x/{name}.jpg")) == clean_name(unicodedata.normalize("NFC", name)) == name


def test_digits_of_other_scripts_number_no_patient():
    assert not parse_image("P１_L_DM_CC").patient
    assert not parse_sample("P١_L_DM_CC")[1].patient
