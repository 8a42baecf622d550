"""Zip files of others are judged by their directory."""

import zipfile

import openpyxl
import pytest

from pipeline.files import InputError, foreign_tables, read_sheets, refuse_zip_bomb, zips


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..\\x", "C:/x"])
def test_a_member_that_leads_outside_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(InputError, match="leads outside of the file; train it again"):
        refuse_zip_bomb(tmp_path / "a.keras", "train it again")


def test_a_bomb_is_refused_and_a_model_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(zips, "MOST_BYTES", 100_000)
    for name, method in {"model": zipfile.ZIP_STORED, "bomb": zipfile.ZIP_DEFLATED}.items():
        with zipfile.ZipFile(tmp_path / name, "w", method) as archive:
            archive.writestr("x", b"0" * 200_000)
    refuse_zip_bomb(tmp_path / "model", "x")
    with pytest.raises(InputError, match=r"would unpack \d+ bytes to 200000; expected at most 100000; save it again"):
        refuse_zip_bomb(tmp_path / "bomb", "save it again")


def test_a_sheet_of_too_many_cells_is_refused(tmp_path, monkeypatch):
    book = openpyxl.Workbook()
    book.active.append(["a"])
    book.active.cell(2, 1000).value = "far"
    book.save(tmp_path / "a.xlsx")
    assert len(list(read_sheets(tmp_path / "a.xlsx"))) == 1
    monkeypatch.setattr(foreign_tables, "MOST_CELLS", 500)
    with pytest.raises(InputError, match=r"a\.xlsx: has more than 500 cells"):
        list(read_sheets(tmp_path / "a.xlsx"))
