"""What all exports share: the folder, the mark, options, and that the data set stays as it is."""

import hashlib
import json

import pytest
from small_sets import make_set

from pipeline.cli import main
from pipeline.exports import FORMATS, MARK, ExportFormat, Option, export, hf
from pipeline.files import InputError


@pytest.fixture
def folder(tmp_path):
    return make_set(tmp_path)


def contents(root, suffix="*"):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob(suffix) if path.is_file()}


def stamps(root):
    return {path: path.stat().st_mtime_ns for path in root.rglob("*")}


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_leaves_the_data_set_alone_and_gives_the_same_bytes_twice(folder, tmp_path, name):
    before = contents(folder.root)
    first, second = (export(folder, name, tmp_path / copy, {}) for copy in ("first", "second"))
    assert contents(folder.root) == before
    assert first.lines == second.lines
    ours, theirs = (
        {path.relative_to(exported.output): digest for path, digest in contents(exported.output).items()}
        for exported in (first, second)
    )
    assert ours == theirs
    assert len(ours) > 1


def test_a_second_export_finds_everything_done(folder, capsys):
    arguments = ["export", str(folder.root), "--format", "hf"]
    assert main(arguments) == 0
    before = stamps(folder.root)
    output = capsys.readouterr().out
    assert main(arguments) == 0
    assert stamps(folder.root) == before
    assert capsys.readouterr().out == output.replace("export: hf in", "export: up to date; hf in")


def test_the_mark_records_the_manifest_the_format_and_the_options(folder):
    exported = export(folder, "nnunet", None, {"dataset_id": 7})
    assert exported.output == folder.root / "exports" / "nnunet"
    mark = json.loads((exported.output / MARK).read_text())
    assert mark["identity"] == {"schema": 2, "format": "nnunet", "manifest_sha256": folder.digest(), "options": {"dataset_id": 7}}
    assert set(mark["files"]) | {MARK} == {path.relative_to(exported.output).as_posix() for path in contents(exported.output)}


@pytest.mark.parametrize("change", ["option", "manifest", "lost file"])
def test_what_is_out_of_date_is_made_again(folder, change):
    exported = export(folder, "tfrecord", None, {})
    if change == "manifest":
        folder.manifest.write_text(folder.manifest.read_text().replace("Mass", "Distortion"))
    elif change == "lost file":
        (exported.output / "train-00000-of-00001.tfrecord").unlink()
    again = export(folder, "tfrecord", None, {"records": 5} if change == "option" else {})
    assert again.changed
    assert not export(folder, "tfrecord", None, {"records": 5} if change == "option" else {}).changed
    assert (exported.output / "train-00000-of-00001.tfrecord").exists() == (change != "option"), "the old shards are gone"


def test_a_folder_with_other_files_is_refused(folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("two years of work")
    with pytest.raises(InputError, match="mine: is not empty and not an export of this program; move it away, or choose another"):
        export(folder, "hf", tmp_path / "mine", {})
    with pytest.raises(InputError, match=r"thesis.txt: is a file; --output expects a folder"):
        export(folder, "hf", tmp_path / "mine" / "thesis.txt", {})


def test_what_somebody_put_into_an_export_is_not_deleted_with_it(folder):
    exported = export(folder, "via", None, {})
    (exported.output / "corrected.json").write_text("{}")
    assert not export(folder, "via", None, {}).changed
    folder.manifest.write_text(folder.manifest.read_text().replace("Mass", "Distortion"))
    with pytest.raises(InputError, match=r"via: holds corrected.json, which this export did not write; move it away"):
        export(folder, "via", None, {})


def test_an_interrupted_export_leaves_the_old_one(folder, monkeypatch):
    exported = export(folder, "hf", None, {})
    before = contents(exported.output)
    folder.manifest.write_text(folder.manifest.read_text().replace("Mass", "Distortion"))
    monkeypatch.setattr(hf, "_columns", lambda row: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(folder, "hf", None, {})
    assert contents(exported.output) == before
    assert [path.name for path in exported.output.parent.iterdir()] == ["hf"]


def test_an_option_of_another_format_is_an_error(folder, capsys):
    assert main(["export", str(folder.root), "--format", "hf", "--dataset-id", "3"]) == 2
    assert "--dataset-id: goes with --format nnunet, and this is hf; leave it out" in capsys.readouterr().err


def test_a_folder_that_is_not_complete_names_the_stage(folder, capsys):
    folder.manifest.unlink()
    assert main(["export", str(folder.root), "--format", "coco"]) == 2
    assert "has no manifest.csv; run the stage 'variants' first" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["coco", "croissant", "hf", "nnunet", "tfrecord"])
def test_a_sample_whose_file_is_gone_is_named(folder, name):
    victim = sorted((folder.root / "train" / "masks").glob("P*"))[0]
    victim.unlink()
    with pytest.raises(InputError, match=victim.name):
        export(folder, name, None, {})
    assert not any((folder.root / "exports").iterdir())


def test_a_format_is_declared_once(folder, monkeypatch, capsys):
    def write(folder, rows, out, *, greeting):
        (out / "names.txt").write_text(greeting + "".join(row["sample"] for row in rows[:1]))
        return [f"{len(rows)} names"]

    options = (Option("greeting", "how the file begins", "hello ", {"metavar": "TEXT"}),)
    monkeypatch.setitem(FORMATS, "names", ExportFormat("names", write, options))
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--greeting TEXT names: how the file begins (default: hello )" in text
    assert main(["export", str(folder.root), "--format", "names"]) == 0
    assert (folder.root / "exports" / "names" / "names.txt").read_text() == "hello P1_L_CM_CC"
    assert "export: 36 names\nexport: names in" in capsys.readouterr().out
    assert main(["export", str(folder.root), "--format", "hf", "--greeting", "x"]) == 2
    assert "--greeting: goes with --format names, and this is hf; leave it out" in capsys.readouterr().err
