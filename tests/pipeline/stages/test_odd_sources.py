"""Links, pipes and other things below RAW that are no image files."""

import os
import shutil

import pytest
from inputs import small_download, small_recipe

from pipeline.cli import main
from pipeline.dataset.folder import DatasetFolder


@pytest.fixture
def raw(tmp_path):
    return small_download(tmp_path / "raw").root


@pytest.fixture
def run(tmp_path, raw, capsys):
    """Runs index or dataset; returns exit status, output and the rejects by image."""
    recipe = small_recipe(tmp_path / "small.toml")

    def call(command, *arguments):
        options = ["--raw", str(raw), "--out", str(tmp_path / "set"), "--recipe", recipe, "--workers", "1"]
        status = main([command, *options, *arguments])
        output = capsys.readouterr()
        return (
            status,
            output.out + output.err,
            {reject.image: reject for reject in DatasetFolder(tmp_path / "set").read_rejects()},
        )

    return call


def image(raw, number):
    return raw / "Low energy images" / f"P{number}_L_DM_CC.jpg"


def replace_by_link(path, target):
    path.unlink()
    path.symlink_to(target)


def test_links_to_files_that_are_not_there_are_rejected_until_they_are(raw, run):
    path, data = image(raw, 1), image(raw, 1).read_bytes()
    annexed = raw / ".git" / "annex" / "objects" / "x.jpg"
    replace_by_link(path, "../.git/annex/objects/x.jpg")
    status, _, rejects = run("dataset")
    assert (status, list(rejects), rejects["P1_L_DM_CC"].reason) == (0, ["P1_L_DM_CC"], "file-unreadable")
    assert "P1_L_DM_CC.jpg is a link to a file that is not there; fetch it (`git annex get`" in rejects["P1_L_DM_CC"].message
    annexed.parent.mkdir(parents=True)
    annexed.write_bytes(data)
    assert run("dataset")[::2] == (0, {})


def test_other_things_are_rejected(raw, run):
    replace_by_link(image(raw, 1), image(raw, 1).name)
    image(raw, 2).unlink()
    os.mkfifo(image(raw, 2))
    replace_by_link(image(raw, 3), "/dev/zero")
    with image(raw, 4).open("wb") as file:
        file.truncate(10 * 2**40)
    os.mkfifo(raw / "pipe")
    os.mkfifo(raw / "pipe.dcm")
    status, _, rejects = run("dataset", "--follow-links")
    assert status == 0
    messages = {name: reject.message for name, reject in rejects.items()}
    assert {name: message.split(" ", 1)[1][:25] for name, message in messages.items()} == {
        "P1_L_DM_CC": "is a link that leads back",
        "P2_L_DM_CC": "is a named pipe, not a fi",
        "P3_L_DM_CC": "is a device, not a file w",
        "P4_L_DM_CC": "has 10995116277760 bytes ",
        "pipe.dcm": messages["pipe.dcm"].split(" ", 1)[1][:25],
    }
    assert len(DatasetFolder(raw.parent / "set").read_manifest()) == 3 * 8


def test_links_out_of_raw_are_followed_only_where_the_user_says_so(raw, run):
    away = raw.parent / "away.jpg"
    shutil.move(image(raw, 1), away)
    image(raw, 1).symlink_to(away)
    status, _, rejects = run("index")
    assert (status, rejects["P1_L_DM_CC"].reason) == (0, "file-unreadable")
    assert "is a link that ends outside of RAW; copy the file, or give --follow-links" in rejects["P1_L_DM_CC"].message
    assert str(away) not in rejects["P1_L_DM_CC"].message
    assert run("dataset", "--follow-links")[::2] == (0, {})
    assert run("index", "--follow-links")[1].startswith("index: up to date")


def test_linked_folders_are_named_or_followed_once(raw, run):
    away = raw.parent / "away"
    shutil.move(raw / "Low energy images", away)
    (raw / "linked").symlink_to(away)
    (raw / "again").symlink_to(away)
    (raw / "loop").symlink_to(raw)
    _, output, rejects = run("index")
    assert f"index: passed over: {raw / 'linked'}: is a link to a folder; --follow-links would look into it" in output
    assert {reject.reason for reject in rejects.values()} == {"file-missing"}
    _, output, rejects = run("index", "--follow-links")
    assert f"index: passed over: {raw / 'loop'}: is a link to a folder; was looked into already" in output
    assert rejects == {}


def test_raw_itself_may_be_a_link(raw, run):
    raw.rename(raw.with_name("elsewhere"))
    raw.symlink_to("elsewhere")
    assert run("dataset")[::2] == (0, {})


def test_a_folder_that_cannot_be_listed_is_named(raw, run, monkeypatch):
    scandir = os.scandir

    def refuse(path="."):
        if str(path).endswith("Subtracted images"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    _, output, _ = run("index")
    assert f"passed over: {raw / 'Subtracted images'}: cannot be listed (Permission denied); change its permissions" in output
