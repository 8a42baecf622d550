"""Which image is whose partner, and the index's table of them."""

import pytest

from pipeline.contract import ImageName, parse_image
from pipeline.files import InputError, write_csv
from pipeline.indexing.partners import choose_partner
from pipeline.indexing.tables import PARTNER_COLUMNS, PartnerSource, read_partner_sources


def choose(image_id, *others):
    views = {}
    for name in map(parse_image, others):
        views.setdefault((name.patient, name.side, name.view, name.kind), []).append(name)
    chosen = choose_partner(parse_image(image_id), views)
    return chosen.image_id if chosen else None


@pytest.mark.parametrize(
    ("image_id", "others", "partner"),
    [
        ("P1_L_DM_CC", ["P1_L_CM_CC"], "P1_L_CM_CC"),
        ("P1_L_CM_CC", ["P1_L_DM_CC"], "P1_L_DM_CC"),
        ("P1_L_DM_CC", ["P1_R_CM_CC", "P1_L_CM_MLO", "P2_L_CM_CC", "P1_L_DM_CC"], None),
        ("P281_L_DM_MLO2", ["P281_L_CM_MLO", "P281_L_CM_MLO2"], "P281_L_CM_MLO2"),
        ("P281_L_DM_MLO", ["P281_L_CM_MLO2", "P281_L_CM_MLO"], "P281_L_CM_MLO"),
        ("P281_L_DM_MLO2", ["P281_L_CM_MLO"], "P281_L_CM_MLO"),
        ("P281_L_DM_MLO", ["P281_L_CM_MLO3", "P281_L_CM_MLO2"], "P281_L_CM_MLO2"),
    ],
)
def test_the_partner_is_the_other_kind_of_the_view_and_of_the_exposure_if_there_are_several(image_id, others, partner):
    assert choose(image_id, *others) == partner


@pytest.mark.parametrize("field", ["patient", "side", "view", "kind"])
def test_an_image_of_which_a_field_is_unknown_has_no_partner(field):
    fields = {"patient": "P1", "side": "L", "view": "CC", "kind": "DM"} | {field: ""}
    other = ImageName("other", **fields | {"kind": "CM"})
    assert choose_partner(ImageName("image", **fields), {(other.patient, other.side, other.view, "CM"): [other]}) is None


def test_the_table_comes_back_as_it_was_written(tmp_path):
    partners = [
        PartnerSource("P1_L_DM_CC", "P1_L_CM_CC", "a/P1_L_CM_CC.jpg", 10, "abc", 40, 60, ""),
        PartnerSource("P2_L_DM_CC", "", "", 0, "", 0, 0, "missing"),
    ]
    write_csv(tmp_path / "partners.csv", PARTNER_COLUMNS, (partner.row for partner in partners))
    assert list(read_partner_sources(tmp_path / "partners.csv").values()) == partners


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"width": "wide"}, "row 2: invalid literal for int.. with base 10: 'wide'; delete it and run the index stage again"),
        ({"source": "../../secret.jpg"}, "row 2: source"),
    ],
)
def test_a_table_that_cannot_be_is_refused(tmp_path, changed, message):
    row = PartnerSource("P1_L_DM_CC", "P1_L_CM_CC", "P1_L_CM_CC.jpg", 10, "abc", 40, 60, "").row | changed
    write_csv(tmp_path / "partners.csv", PARTNER_COLUMNS, [row])
    with pytest.raises(InputError, match=message):
        read_partner_sources(tmp_path / "partners.csv")
