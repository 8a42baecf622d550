"""The memory of what was read from files, and when they are read again."""

import os

import pytest

from pipeline.files import FileMemory


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one")
    return path


@pytest.fixture
def reader():
    def read(path):
        read.calls += 1
        return path.read_text()

    read.calls = 0
    return read


def test_a_file_is_read_once(path, reader):
    memory = FileMemory()
    assert [memory.read(path, reader), memory.read(path, reader)] == ["one", "one"]
    assert reader.calls == 1


def replace_by_another(path):
    path.with_suffix(".part").write_text("two")
    os.utime(path.with_suffix(".part"), ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    path.with_suffix(".part").replace(path)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.write_text("longer"), id="another size"),
        pytest.param(lambda path: os.utime(path, ns=(1, 1)), id="another time"),
        pytest.param(replace_by_another, id="another file of the same size and time"),
    ],
)
def test_a_changed_file_is_read_again(path, reader, change):
    memory = FileMemory()
    memory.read(path, reader)
    change(path)
    assert memory.recall(path, reader) is None
    assert memory.read(path, reader) == path.read_text()
    assert reader.calls == 2


def test_what_was_written_need_not_be_read(path, reader):
    memory = FileMemory()
    memory.keep(path, reader, "one")
    assert memory.read(path, reader) == "one"
    assert reader.calls == 0
    assert memory.recall(path, len) is None, "what one reader makes of it is not another's"


def test_a_missing_file_is_the_readers_error_each_time(tmp_path, reader):
    memory = FileMemory()
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            memory.read(tmp_path / "none", reader)
    memory.keep(tmp_path / "none", reader, "")
    assert memory.recall(tmp_path / "none", reader) is None


def test_a_file_that_is_written_while_it_is_read_is_not_remembered(path):
    memory = FileMemory()

    def read(path):
        path.write_text("longer")
        return "one"

    memory.read(path, read)
    assert memory.recall(path, read) is None
