"""Atomic writing, CSV, progress, exit status."""

import os

import pytest

from pipeline.files import InputError, progress, read_csv, replacing, run_program, sha256, write_bytes, write_csv, write_text


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "old")

    def fail_halfway():
        with replacing(path) as beside:
            beside.write_text("half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert path.read_text() == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]
    write_text(path, "new", durable=True)
    assert path.read_text() == "new"


def test_the_file_beside_keeps_its_suffix(tmp_path):
    with replacing(tmp_path / "picture.png") as beside:
        assert beside.suffix == ".png"
        assert beside.name.startswith(".")
        beside.write_bytes(b"")


def test_csv_comes_back_as_written(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(path, ("name", "words"), [{"name": "P1", "words": 'says "so", and\nmore'}, {"name": "P2", "words": None}])
    assert read_csv(path, ("name",)) == [{"name": "P1", "words": 'says "so", and\nmore'}, {"name": "P2", "words": ""}]
    with pytest.raises(InputError, match="has the columns name, words; wanted age too"):
        read_csv(path, ("age",))
    with pytest.raises(InputError, match="cannot be read as CSV"):
        read_csv(tmp_path / "none.csv")


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_progress_in_a_log_is_plain_lines(capsys):
    assert list(progress(iter("abc"), 3, "masks")) == ["a", "b", "c"]
    assert capsys.readouterr().err == "masks: 3 of 3 images, done\n"


@pytest.mark.parametrize(
    ("raised", "status", "words"),
    [
        (None, 0, ""),
        (InputError("no such thing"), 2, "error: no such thing\n"),
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on from here"),
        (ValueError("oops"), 3, "internal error: this is a fault of the program"),
    ],
)
def test_exit_status(capsys, raised, status, words):
    def program():
        if raised:
            raise raised

    assert run_program(program) == status
    assert words in capsys.readouterr().err


def test_a_finding_passes_through():
    assert run_program(lambda: 1) == 1


def test_an_input_error_shows_no_trace(capsys):
    def program():
        raise InputError("a.csv: row 3 is short")

    run_program(program)
    assert capsys.readouterr().err.count("\n") == 1
    assert os.sep not in capsys.readouterr().err


def test_many_small_files_are_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.png"
    status = write_bytes(str(path), b"abc")
    assert path.read_bytes() == b"abc"
    assert (status.st_size, status.st_mtime_ns) == (3, path.stat().st_mtime_ns)
    with pytest.raises(TypeError):
        write_bytes(str(path), None)
    assert path.read_bytes() == b"abc"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]
