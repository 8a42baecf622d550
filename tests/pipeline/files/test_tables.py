"""CSV tables."""

import csv

import pytest

from pipeline.files import InputError, read_csv, tables, write_csv


def test_a_row_may_lack_a_column_but_have_no_other(tmp_path):
    assert tables.csv_text(["a", "b"], [{"b": 1}]) == "a,b\n,1\n"
    with pytest.raises(ValueError, match="columns are a, b, and not c"):
        tables.csv_text(["a", "b"], [{"a": 1, "c": 2}])


def test_csv_comes_back_as_written(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(path, ("name", "words"), [{"name": "P1", "words": 'says "so", and\nmore'}, {"name": "P2", "words": None}])
    assert read_csv(path, ("name",)) == [{"name": "P1", "words": 'says "so", and\nmore'}, {"name": "P2", "words": ""}]
    with pytest.raises(InputError, match="has the columns name, words; expected age too"):
        read_csv(path, ("age",))
    with pytest.raises(InputError, match="cannot be read as CSV"):
        read_csv(tmp_path / "none.csv")


FORMULAS = ["=1+1", "+cmd", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "'=1", "''@a", "-", "+-1"]
PLAIN = ["-3", "+2.5e-3", "-inf", "-.5", "P1", "'quoted'", "'", "", "a=b", "5.", "nan"]


@pytest.mark.parametrize("text", FORMULAS + PLAIN)
def test_a_text_that_would_be_a_formula_is_written_as_text_and_read_back(tmp_path, text):
    path = tmp_path / "a.csv"
    write_csv(path, ("name",), [{"name": text}, {"name": "x"}])
    with path.open(newline="") as file:
        cell = list(csv.reader(file))[1:2]
    assert cell == [[f"'{text}"]] if text in FORMULAS else cell in ([[text]], [[]])
    assert read_csv(path)[-2:] == [{"name": text}, {"name": "x"}] or text == ""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has the columns none; expected a"),
        (b"a,b\n1\n", "row 2 has 1 cells, and the header has 2; is the file cut off or edited"),
        (b"a,b\n1,2\n1,2,3\n", "row 3 has 3 cells"),
        (b'a,b\n1,"2\n', "line 2 cannot be read as CSV"),
        (b"a,a\n1,2\n", "has two columns a"),
        ("a,b\n1,2\n".encode("utf-16"), "cannot be read as CSV"),
        (b"\x89PNG\r\n\x1a\n\0\0", "cannot be read as CSV"),
    ],
)
def test_a_broken_table_is_one_line(tmp_path, data, message):
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_csv(path, ("a",))


def test_a_giant_table_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n1,2\n")
    monkeypatch.setattr(tables, "MOST_CELLS", 4)
    with pytest.raises(InputError, match="has more than 4 cells"):
        read_csv(path)
    monkeypatch.setattr(tables, "MOST_BYTES", 4)
    with pytest.raises(InputError, match="has 12 bytes; expected at most 4"):
        read_csv(path)
