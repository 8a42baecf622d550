"""Names that look alike: which are asked about, and that none is joined."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract import clean_name, parse_image, parse_sample
from pipeline.indexing.similar import fold_name


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


def test_composed_and_separated_accents_are_one_name():
    name = "Befund_Müller"
    assert clean_name(unicodedata.normalize("NFD", f"x/{name}.jpg")) == clean_name(unicodedata.normalize("NFC", name)) == name


def test_digits_of_other_scripts_number_no_patient():
    assert not parse_image("P１_L_DM_CC").patient
    assert not parse_sample("P١_L_DM_CC")[1].patient
