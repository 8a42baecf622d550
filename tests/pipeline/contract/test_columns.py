"""How a manifest's row is read, and what is declared with its columns."""

import pytest

from pipeline.contract import COLUMN_NAMES, DETAILS, GROUPS, Column, read_row


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
