"""Paths that files store: followed below their folder, refused elsewhere."""

import pytest

from pipeline.files import InputError, PathsBelow, name_problem, path_below, shorten


@pytest.mark.parametrize("stored", ["a.jpg", "train/images/a.jpg", "a b/ü.png", "a..b", "inside/a", "'q'.png", r"a\b.png"])
def test_a_path_inside_is_followed(tmp_path, stored):
    (tmp_path / "real").mkdir()
    (tmp_path / "inside").symlink_to("real")
    assert path_below(tmp_path, stored, "x") == tmp_path / stored


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ("/etc/passwd", "is an absolute path"),
        (r"\\server\share\a.jpg", "is an absolute path"),
        (r"C:\images\a.jpg", "is an absolute path"),
        ("c:a.jpg", "is an absolute path"),
        ("../a.jpg", "leads outside"),
        ("train/../../a.jpg", "leads outside"),
        (r"train\..\..\a.jpg", "leads outside"),
        ("..", "leads outside"),
        ("a\0.jpg", "holds a control character"),
        ("a\n.jpg", "holds a control character"),
        ("", "is empty"),
        (" ", "is empty"),
        (7, "is not text"),
        (None, "is not text"),
        (["a"], "is not text"),
        ("out/a.jpg", "passes through a link that leads outside"),
        ("secret.jpg", "passes through a link that leads outside"),
    ],
)
def test_a_path_outside_is_refused(tmp_path, stored, problem):
    root = tmp_path / "set"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    (root / "secret.jpg").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match=rf"^made.jsonl: line 3: .* {problem}.*; expected the relative path of a file inside"):
        path_below(root, stored, "made.jsonl: line 3")


def test_many_paths_are_checked_one_by_one_though_their_folder_is_looked_at_once(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "secret.jpg").symlink_to("/etc/passwd")
    (tmp_path / "a" / "out").symlink_to("/etc")
    below = PathsBelow(tmp_path)
    assert below.path("a/b/1.jpg", "x") == tmp_path / "a/b/1.jpg"
    for stored in ("a/b/secret.jpg", "a/out/1.jpg"):
        with pytest.raises(InputError, match="passes through a link that leads outside"):
            below.check(stored, "x")
    with pytest.raises(InputError, match=r"leads outside with '\.\.'"):
        below.check("a/b/../../../1.jpg", "x")


@pytest.mark.parametrize("name", ["a" * 256, "ü" * 128, "x/" + "\U0001f600" * 64])
def test_names_that_no_file_has_are_refused(tmp_path, name):
    assert name_problem(name.rpartition("/")[2]) == "holds a name of more than 255 bytes, which no file has"
    assert name_problem("ü" * 127) == ""


def test_links_of_the_user_are_followed_where_the_caller_says_so(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "out").symlink_to(tmp_path)
    assert path_below(tmp_path / "set", "out/a", "x", follow_links=True) == tmp_path / "set" / "out" / "a"


@pytest.mark.parametrize("name", ["a/b", r"a\b", "..", ".", "", "a\x1b[2J", 3])
def test_a_name_is_one_part_of_a_path(name):
    assert name_problem(name)
    assert not name_problem("rotated_90_P1_L_DM_CC.2")


def test_values_in_messages_are_short_and_harmless():
    assert shorten("a\x1b[2J\n") == r"'a\x1b[2J\n'"
    assert len(shorten("9" * 5000)) == 83
