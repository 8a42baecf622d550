"""Whole files or nothing, and their hashes."""

import pytest

from pipeline.files import replacing, sha256, write_bytes, write_text


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "old")

    def fail_halfway():
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert path.read_text() == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]
    write_text(path, "new", durable=True)
    assert path.read_text() == "new"


def test_the_temporary_file_keeps_its_suffix(tmp_path):
    with replacing(tmp_path / "picture.png") as temporary:
        assert temporary.suffix == ".png"
        assert temporary.name.startswith(".")
        temporary.write_bytes(b"")


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_many_small_files_are_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.png"
    status = write_bytes(str(path), b"abc")
    assert path.read_bytes() == b"abc"
    assert (status.st_size, status.st_mtime_ns) == (3, path.stat().st_mtime_ns)
    with pytest.raises(TypeError):
        write_bytes(str(path), None)
    assert path.read_bytes() == b"abc"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]
