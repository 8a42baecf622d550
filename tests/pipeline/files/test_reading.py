"""Files of others: regular ones only, and none that is too large."""

import io
import os
import pickle
import socket

import pytest

from pipeline.files import InputError, Settings, UnfitFile, load_toml, open_regular, read_csv, read_regular, reading, stamp_of

ODD = {
    "link to nothing": "is a link to a file that is not there; fetch it",
    "link to itself": "is a link that leads back to itself; remove it",
    "pipe": "is a named pipe, not a file with contents",
    "socket": "is a socket, not a file with contents",
    "device": "is a device, not a file with contents",
    "folder": "is a folder, not a file with contents",
    "giant": "has 10995116277760 bytes or more, and no file of more than 1073741824 is read",
}


def make_odd(path, kind):
    """Makes what is not a file to read."""
    if kind == "link to nothing":
        path.symlink_to("missing")
    elif kind == "link to itself":
        path.symlink_to(path.name)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        folder = os.getcwd()
        os.chdir(path.parent)  # a socket's path may have only 100 characters
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
        os.chdir(folder)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(10 * 2**40)
    return path


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path, kind):
    path = make_odd(tmp_path / "a.toml", kind)
    for read in (open_regular, read_regular):
        with pytest.raises(UnfitFile, match=ODD[kind]) as error:
            read(path)
        assert (error.value.strerror, error.value.filename) == (error.value.reason, str(path))
    copy = pickle.loads(pickle.dumps(error.value))
    assert (copy.reason, copy.filename) == (error.value.reason, str(path))
    for read, giant in ((lambda path: load_toml(path, Settings), "has more than 1048576 bytes"), (read_csv, "expected at most")):
        with pytest.raises(InputError, match=giant if kind == "giant" else ODD[kind]) as error:
            read(path)
        assert str(error.value).startswith(f"{path}: ")


def test_a_file_and_a_link_to_it_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").symlink_to("a")
    assert read_regular(tmp_path / "b") == read_regular(str(tmp_path / "a")) == b"abc"
    with pytest.raises(UnfitFile, match="has 3 bytes or more, and no file of more than 2"):
        read_regular(tmp_path / "a", 2)


def test_a_file_without_a_size_is_read_to_the_limit():
    """Files of /proc have size 0 and contents all the same."""
    if os.path.exists("/proc/cpuinfo"):
        with pytest.raises(UnfitFile, match="no file of more than 10"):
            read_regular("/proc/cpuinfo", 10)


def test_a_file_that_the_system_gives_in_parts_is_read_whole(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")

    class InParts(io.FileIO):
        def read(self, size=-1):
            return super().read(min(size, 4))

    monkeypatch.setattr(reading, "open_regular", lambda path, most: InParts(path))
    assert read_regular(path) == b"0123456789"


def test_a_missing_file_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "missing")


def test_a_stamp_never_fails(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    make_odd(tmp_path / "b", "link to nothing")
    make_odd(tmp_path / "c", "link to itself")
    assert stamp_of(tmp_path / "a") == (3, (tmp_path / "a").stat().st_mtime_ns)
    assert stamp_of(tmp_path / "b") == (len("missing"), (tmp_path / "b").lstat().st_mtime_ns)
    assert stamp_of(tmp_path / "c")[0] == 1
    assert stamp_of(tmp_path / "d") == (0, 0)
