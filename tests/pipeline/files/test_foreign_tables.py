"""Tables that anybody saved: delimiters, encodings, headers, numbers, sheets, and the error for what cannot be read."""

import csv
import io
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.files import InputError, read_csv_table, read_number, read_sheets, read_table

ROWS = [["Image", "Größe, mm", "class"], ["P1", "1,5", "benign"], ["P2", "", "a;b"]]


def csv_bytes(rows, delimiter=",", encoding="utf-8", before="", line="\r\n"):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=line).writerows(rows)
    return (before + text.getvalue()).encode(encoding)


def read(tmp_path, data, **options):
    path = tmp_path / "table.csv"
    path.write_bytes(data)
    return read_csv_table(path, **options)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line", ["\n", "\r\n", "\r"])
def test_delimiter_encoding_and_line_ends_are_found(tmp_path, delimiter, encoding, line):
    table = read(tmp_path, csv_bytes(ROWS, delimiter, encoding, line=line))
    assert table.header == ROWS[0]
    assert table.rows == [(2, ROWS[1]), (3, ROWS[2])]


@pytest.mark.parametrize("before", ["sep=#\r\n", '"sep=#"\n', "SEP=# \r\n"])
def test_a_stated_delimiter_is_taken_and_its_line_counted(tmp_path, before):
    table = read(tmp_path, csv_bytes(ROWS, "#", before=before))
    assert table.header == ROWS[0]
    assert table.rows == [(3, ROWS[1]), (4, ROWS[2])]


def test_commas_in_headers_and_numbers_do_not_hide_the_semicolons(tmp_path):
    table = read(tmp_path, b"Name;Size, mm;A, b, c\nx;1,5;2\ny;2,5;3\n")
    assert table.header == ["Name", "Size, mm", "A, b, c"]


def test_decimal_commas_do_not_outweigh_the_semicolons_of_the_header(tmp_path):
    """With commas as delimiter all rows but the header have as many cells as with semicolons, and commas are preferred."""
    table = read(tmp_path, b"Name;xmin;ymin\n" + b"P1;1,5;2,5\n" * 9)
    assert (table.header, table.rows[0]) == (["Name", "xmin", "ymin"], (2, ["P1", "1,5", "2,5"]))


def test_the_preferred_delimiter_is_taken_where_two_fit(tmp_path):
    assert read(tmp_path, b"a,b;c\n1,2;3\n", delimiter=";").header == ["a,b", "c"]


def test_blank_rows_and_empty_cells_at_the_end_are_left_out_and_rows_keep_their_numbers(tmp_path):
    table = read(tmp_path, b"\n,,\n a ,b,,\n1,2,,,\n,,,\n \n3\n4,5,6,\n")
    assert table.header == ["a", "b"]
    assert table.rows == [(4, ["1", "2"]), (7, ["3"]), (8, ["4", "5", "6"])]


def test_an_empty_file_is_an_empty_table(tmp_path):
    assert (read(tmp_path, b"").header, read(tmp_path, b"\xef\xbb\xbf\n").rows) == ([], [])


def test_columns_are_found_whatever_their_case_and_spaces(tmp_path):
    table = read(tmp_path, "\ufeffPATIENT; Split ;image  View\nP1; train;CC\n".encode())
    assert table.records(("patient", "split"), ("Image View", "fold")) == [
        (2, {"patient": "P1", "split": "train", "Image View": "CC", "fold": ""})
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"patient,split,Split\nP1,a,b\n", "has 2 columns 'split'; keep one of them"),
        (b"patient,part\nP1,a\n", "has the columns patient, part; expected split too"),
        (b"", "has the columns none; expected patient, split too"),
        (b"patient,split\0\n", "cannot be read as CSV (it holds bytes of zero, which no text does); save it again as UTF-8 CSV"),
        (b"\xff\xfea", "cannot be read as CSV ("),
        (b'patient,split\nP1,"train\nP2,test\n', "cannot be read as CSV (unexpected end of data); save it again"),
    ],
)
def test_what_is_wrong_is_reported(tmp_path, data, message):
    with pytest.raises(InputError) as error:
        read(tmp_path, data).records(("patient", "split"))
    assert str(tmp_path / "table.csv") in str(error.value)
    assert message in str(error.value)


def test_a_quotation_mark_inside_a_cell_is_read_as_before(tmp_path):
    assert read(tmp_path, b'a,b\n"x"y,2\n').rows == [(2, ["xy", "2"])]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12.0),
        (" -1.5 ", -1.5),
        ("1,5", 1.5),
        (",5", 0.5),
        ("2.", 2.0),
        ("1E3", 1000.0),
        ("0,125", 0.125),
        ("1,234", None),
        ("1.234,5", None),
        ("inf", None),
        ("nan", None),
        ("²", None),
        ("١٢", None),
        ("1e999", None),
        ("0x10", None),
        ("1_000", None),
        ("", None),
        ("12 mm", None),
        ("9" * 5000, None),
    ],
)
def test_numbers_are_read_with_point_or_comma(text, number):
    assert read_number(text) == number


def workbook(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_the_sheet_with_the_columns_is_read(tmp_path):
    rows = [["Patient", "Split", "fold", None], [None] * 4, ["P1", "train", 3.0], ["P2", "test"]]
    table = read_table(workbook(tmp_path / "mine.xlsx", notes=[["hello"]], mine=rows), ("patient", "split"))
    assert table.sheet == "mine"
    assert table.rows == [(3, ["P1", "train", "3"]), (4, ["P2", "test", ""])]


@pytest.mark.parametrize(
    ("sheets", "found"), [({"a": [["x"]]}, "none"), ({"a": [["patient"]], "b": [["Patient"]], "c": []}, "'a' and 'b'")]
)
def test_sheets_that_do_not_fit_are_named(tmp_path, sheets, found):
    with pytest.raises(InputError, match=f"mine.xlsx: expected one sheet with the columns patient; found {found}"):
        read_table(workbook(tmp_path / "mine.xlsx", **sheets), ("patient",))


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='ab,;\t|"\n\r\0\ufeff=sep', max_size=60).map(str.encode))
def test_any_bytes_are_a_table_or_an_error(data):
    try:
        table = read_csv_table(Path("any.csv"), data=data)
    except InputError:
        return
    assert all(number >= 1 and any(cell.strip() for cell in cells) for number, cells in table.rows)


TITLES = [["Annotations, second reader"], [], ["of 2021", "", "version 2"], []]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "sep="])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_the_header_is_found_below_titles_and_blank_rows(tmp_path, kind, delimiter):
    if kind == "xlsx":
        workbook(tmp_path / "t.xlsx", a=[[cell or None for cell in row] for row in TITLES + ROWS])
        (table,) = read_sheets(tmp_path / "t.xlsx")
    else:
        table = read(tmp_path, csv_bytes(TITLES + ROWS, delimiter, before=f"sep={delimiter}\r\n" if kind == "sep=" else ""))
    first = 6 if kind == "sep=" else 5
    found = table.with_header(lambda table: table.column("class") is not None)
    assert (found.header, found.header_row, found.above) == (ROWS[0], first, 4)
    assert found.rows == [(first + 1, ROWS[1]), (first + 2, ROWS[2])]
    assert found.with_header(lambda table: True) is found
    assert table.with_header(lambda table: table.column("clas") is not None) is None


def test_the_header_is_not_looked_for_everywhere_and_is_one_row(tmp_path):
    def fits(table):
        return table.column("class") is not None

    assert read(tmp_path, csv_bytes([["title", ""]] * 19 + ROWS)).with_header(fits).header_row == 20
    assert read(tmp_path, csv_bytes([["title", ""]] * 20 + ROWS)).with_header(fits) is None
    seen = []
    table = read(tmp_path, csv_bytes([["title", ""]] * 50))
    assert table.with_header(lambda table: seen.append(len(table.rows))) is None
    assert seen == [49] + 19 * [0], "large tables are not copied for each row that may be the header"
    with pytest.raises(InputError, match=r"table.csv: the rows 2 and 5 both look like the header; remove what does not belong"):
        read(tmp_path, csv_bytes([["title", "", ""], *ROWS, *ROWS])).with_header(fits)
    assert read(tmp_path, csv_bytes(ROWS + ROWS)).with_header(fits).above == 0, "as before where the first row is the header"
