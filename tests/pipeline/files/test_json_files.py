"""JSON of others: refused in one line where it is broken, too large, too deep, or of other types."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from pipeline.files import InputError, json_files, parse_json, read_json, read_object


@dataclass(frozen=True)
class Progress:
    epoch: int
    rows: list[dict[str, int | float]] = field(default_factory=list)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not valid JSON"),
        (b'{"epoch": 1', "is not valid JSON"),
        (b"\xff\xfe\x00", "is not valid JSON"),
        (b"[" * 100_000, "nests more than 100 levels"),
        (b'{"epoch": 1, "rows": ' + b"[" * 101 + b"]" * 101 + b"}", "nests more than 100 levels"),
        (("[" * 101 + "]" * 101).encode("utf-16"), "nests more than 100 levels"),
        (b'{"epoch": ' + b"9" * 5000 + b"}", "is not valid JSON"),
        (b"[1]", r"the content is \[1\], which"),
        (b"null", "the content is None, which"),
        (b"{}", "has no epoch"),
        (b'{"epoch": "two"}', "epoch is 'two', which should be a valid integer"),
        (b'{"epoch": NaN}', "epoch is nan, which"),
        (b'{"epoch": 1, "rows": [{"loss": "low"}]}', "rows.0.loss.int is 'low', which"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, data, message):
    path = tmp_path / "state.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"state\.json: {message}.*; train again$") as error:
        read_json(path, Progress, "train again")
    assert "\n" not in str(error.value)


def test_a_missing_and_a_giant_file_are_not_read(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"none\.json: cannot be read \(No such file or directory\); train again"):
        read_json(tmp_path / "none.json", Progress, "train again")
    monkeypatch.setattr(json_files, "MOST_BYTES", 10)
    (tmp_path / "large.json").write_text('{"epoch": 1}')
    with pytest.raises(InputError, match="has 12 bytes or more, and no file of more than 10 is read"):
        read_json(tmp_path / "large.json", Progress, "train again")


def test_whole_numbers_stay_whole_and_other_keys_are_ignored():
    progress = parse_json('{"epoch": 2, "rows": [{"epoch": 1, "loss": 0.5}], "more": {}}', Progress, "x", "y")
    assert progress == Progress(2, [{"epoch": 1, "loss": 0.5}])
    assert isinstance(progress.rows[0]["epoch"], int)
    assert parse_json("[" * 99 + "]" * 99, list[Any], "x", "y")


@pytest.mark.parametrize("data", [None, b"{", b"[1]", b'{"epoch": "two"}', b'{"rows": []}'])
def test_an_object_that_is_missing_broken_or_of_other_values_is_empty(tmp_path, data):
    path = tmp_path / "state.json"
    if data is not None:
        path.write_bytes(data)
    assert read_object(path, Progress) == {}


def test_an_object_keeps_the_keys_that_its_shape_lacks(tmp_path):
    path = tmp_path / "state.json"
    path.write_text('{"epoch": 2, "more": {}}')
    assert read_object(path, Progress) == read_object(path) == {"epoch": 2, "more": {}}
