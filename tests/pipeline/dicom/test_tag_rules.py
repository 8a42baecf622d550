"""The identity of a mammogram, by rules; if they contradict each other, it is unknown."""

import numpy as np
import pytest
from inputs import mammogram
from pydicom.dataset import Dataset

from pipeline.dicom.options import DicomOptions
from pipeline.files import InputError, load_toml
from pipeline.recipe import Recipe
from pipeline.sources import read_header

STORED = np.zeros((6, 4), np.uint16)


def tags(path, options=None, **changes):
    return read_header(mammogram(path / "a.dcm", STORED, **changes), dicom=options or DicomOptions()).tags


def coded(*values):
    items = []
    for value in values:
        items.append(Dataset())
        items[-1].CodeValue = value
    return items


@pytest.mark.parametrize(
    ("changes", "side", "kind", "view"),
    [
        pytest.param({}, "L", "CM", "CC", id="as in the standard"),
        pytest.param({"ImageType": ["DERIVED", "PRIMARY", "POST_CONTRAST", "", "LOW_ENERGY"]}, "L", "DM", "CC", id="low energy"),
        pytest.param({"ImageType": ["DERIVED", "PRIMARY", "", "SUBTRACTION", "LOW_ENERGY"]}, "L", "", "CC", id="both"),
        pytest.param({"ImageType": ["ORIGINAL", "PRIMARY"]}, "L", "", "CC", id="neither"),
        pytest.param({"ImageType": None}, "L", "", "CC", id="no image type"),
        pytest.param({"ImageLaterality": None, "Laterality": "R"}, "R", "CM", "CC", id="older laterality"),
        pytest.param({"ImageLaterality": "L", "Laterality": "R"}, "L", "CM", "CC", id="mammography's own tag applies"),
        pytest.param({"ImageLaterality": "B"}, "", "CM", "CC", id="both breasts"),
        pytest.param({"ViewCodeSequence": coded("399368009")}, "L", "CM", "MLO", id="a code before a text"),
        pytest.param({"ViewCodeSequence": coded("R-10226")}, "L", "CM", "MLO", id="a retired code"),
        pytest.param({"ViewPosition": "XCCL"}, "L", "CM", "", id="another view"),
    ],
)
def test_side_kind_and_view(tmp_path, changes, side, kind, view):
    identity = tags(tmp_path, **changes)
    assert (identity.side, identity.kind, identity.view) == (side, kind, view)


def test_a_users_rule_takes_precedence_over_the_built_in_ones(tmp_path):
    rules = [{"tag": "SeriesDescription", "matches": "(?i)recombined", "kind": "CM"}]
    options = DicomOptions(rules=rules)
    low = ["DERIVED", "PRIMARY", "", "", "LOW_ENERGY"]
    assert tags(tmp_path, options, ImageType=low, SeriesDescription="L CC Recombined").kind == "CM"
    assert tags(tmp_path, options, ImageType=low, SeriesDescription="L CC").kind == "DM"


def test_a_users_rule_takes_precedence_over_a_built_in_one_of_the_same_tag(tmp_path):
    options = DicomOptions(rules=[{"tag": "ImageType", "matches": "SUBTRACTION", "kind": "DM"}])
    assert tags(tmp_path, options).kind == "DM"


def test_rules_of_one_tag_that_contradict_each_other_have_no_result(tmp_path):
    rules = [{"tag": "SeriesDescription", "matches": text, "kind": kind} for text, kind in (("LOW", "DM"), ("SUB", "CM"))]
    assert tags(tmp_path, DicomOptions(rules=rules), SeriesDescription="LOW SUB").kind == ""


@pytest.mark.parametrize(
    ("text", "has_text"),
    [("YES", True), (" yes", True), (["NO", "YES"], True), ("NO", False), ("no ", False), ("perhaps", None), (None, None)],
)
def test_burned_in_text_absent_is_not_no(tmp_path, text, has_text):
    assert tags(tmp_path, DicomOptions(burned_in="keep"), BurnedInAnnotation=text).has_text is has_text


def test_both_images_of_a_compression_share_the_exposure(tmp_path):
    assert tags(tmp_path, FrameOfReferenceUID="2.25.9").exposure == "2.25.9"
    assert tags(tmp_path).exposure == "2.25.1", "without a frame of reference an image stands alone"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('{ tag = "SeriesDescripton", matches = "x", kind = "CM" }', "is not a keyword of the DICOM dictionary"),
        ('{ tag = "SeriesDescription", matches = "(", kind = "CM" }', "is not a regular expression"),
        ('{ tag = "SeriesDescription", matches = "x" }', "sets neither kind, side nor view; expected at least one"),
        ('{ tag = "SeriesDescription", matches = "x", kind = "XX" }', "'DM' or 'CM'"),
    ],
)
def test_a_rule_that_cannot_work_is_an_error(tmp_path, rule, message):
    head = 'name = "x"\ntitle = "x"\ndiffers = "x"\n[source]\nwith_regions = ["malignant"]\n'
    (tmp_path / "a.toml").write_text(f"{head}[dicom]\nrules = [{rule}]\n")
    with pytest.raises(InputError) as error:
        load_toml(tmp_path / "a.toml", Recipe)
    assert message in str(error.value)


def test_a_rule_that_takes_forever_ends_in_one_line_that_quotes_no_value(tmp_path):
    options = DicomOptions(rules=[{"tag": "SeriesDescription", "matches": "^(a+)+$", "kind": "DM"}])
    with pytest.raises(InputError, match="takes longer than 2 s on a value of SeriesDescription; repeat no group") as error:
        tags(tmp_path, options, SeriesDescription="a" * 40 + "!")
    assert "aaa" not in str(error.value)
