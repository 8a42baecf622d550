"""Whole files or nothing, and their hashes."""

import errno
import os
import resource

import pytest

from pipeline.files import append, remove_parts, replacing, sha256, write_buffered, write_bytes, write_text


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


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
    assert names(path.parent) == ["a.txt"]
    assert write_text(path, "new")
    assert path.read_text() == "new"
    assert not write_text(path, "new")


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
    assert names(tmp_path) == ["a.png"]


def takes_part(monkeypatch, room=None):
    """Lets the system take at most 5 bytes of a write, and in all as many as there is room; returns the writes."""
    calls, write = [], os.write

    def part(descriptor, data):
        data = bytes(data)[:5]
        if room is not None and sum(calls) + len(data) > room:
            raise OSError(errno.ENOSPC, "No space left on device")
        calls.append(len(data))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", part)
    return calls


def write_with(writer, path):
    if writer == "bytes":
        write_bytes(str(path), b"eleven byte")
    elif writer == "text":
        write_text(path, "eleven byte")
    else:
        write_buffered(path, lambda file: file.write(b"eleven byte"))


@pytest.mark.parametrize("writer", ["bytes", "text", "buffered"])
def test_a_short_write_is_continued(tmp_path, monkeypatch, writer):
    calls = takes_part(monkeypatch)
    write_with(writer, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"eleven byte"
    assert calls == [5, 5, 1]


@pytest.mark.parametrize("writer", ["bytes", "text", "buffered"])
def test_a_full_disk_leaves_nothing_and_the_error_names_the_file(tmp_path, monkeypatch, writer):
    takes_part(monkeypatch, room=5)
    with pytest.raises(OSError, match="No space left") as error:
        write_with(writer, tmp_path / "a.png")
    assert error.value.filename == str(tmp_path / "a.png")
    assert names(tmp_path) == []


def test_a_limit_on_the_size_of_files_is_an_error(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20480, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as error:
            write_bytes(str(tmp_path / "a.jpg"), bytes(30000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (error.value.errno, error.value.filename) == (errno.EFBIG, str(tmp_path / "a.jpg"))
    assert names(tmp_path) == []


def test_bytes_that_did_not_arrive_are_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "write", lambda descriptor, data: len(data))
    with pytest.raises(OSError, match="0 of 3 bytes arrived"):
        write_bytes(str(tmp_path / "a"), b"abc")
    assert names(tmp_path) == []


def test_what_is_appended_is_whole_or_an_error_that_names_the_file(tmp_path, monkeypatch):
    takes_part(monkeypatch, room=15)
    with (tmp_path / "log").open("ab", buffering=0) as file:
        append(file, b"eleven byte")
        with pytest.raises(OSError, match="No space") as error:
            append(file, b"eleven byte")
    assert error.value.filename == str(tmp_path / "log")


def test_a_name_of_the_greatest_length_can_be_written(tmp_path):
    name = "a" * 251 + ".png"
    write_bytes(str(tmp_path / name), b"abc")
    write_text(tmp_path / name, "abcd")
    assert names(tmp_path) == [name]


def test_unfinished_files_are_removed_and_nothing_else(tmp_path):
    kept = ["a.part", ".hidden", "b.12-0.part", ".part"]
    for name in (".a.12-0.part.png", "deep/.b.1234-56.part", "deep/.c.x.12-3.part.keras", *kept, "runs/.d.12-0.part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    remove_parts(tmp_path, keep="runs")
    assert names(tmp_path) == sorted([*kept, "deep", "runs"])
    assert names(tmp_path / "deep") == []
    assert names(tmp_path / "runs") == [".d.12-0.part"]
