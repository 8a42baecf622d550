"""CSV tables."""

import pytest

from pipeline.files import InputError, read_csv, write_csv


def test_csv_comes_back_as_written(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(path, ("name", "words"), [{"name": "P1", "words": 'says "so", and\nmore'}, {"name": "P2", "words": None}])
    assert read_csv(path, ("name",)) == [{"name": "P1", "words": 'says "so", and\nmore'}, {"name": "P2", "words": ""}]
    with pytest.raises(InputError, match="has the columns name, words; expected age too"):
        read_csv(path, ("age",))
    with pytest.raises(InputError, match="cannot be read as CSV"):
        read_csv(tmp_path / "none.csv")
