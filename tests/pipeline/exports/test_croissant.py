"""Croissant: the metadata of a data set, that `mlcroissant` reads it, and that the export is the data set itself."""

import hashlib
import json

import pytest
from skips import need_package
from small_sets import SETS, make_set

from pipeline.cli import main
from pipeline.contract import COLUMN_NAMES
from pipeline.dataset.manifest import read_manifest
from pipeline.diff import compare_sets
from pipeline.exports import export
from pipeline.files import InputError

GIVEN = {"url": "https://example.org/set", "creator": "A. Author; B. Author", "published": "2026-01-31"}


def read(exported):
    return json.loads((exported.output / "croissant.json").read_text())


def by_id(entries):
    return {entry["@id"]: entry for entry in entries}


@pytest.mark.parametrize("kind", SETS)
def test_the_export_is_the_data_set_itself(tmp_path, kind):
    folder = SETS[kind](tmp_path)
    exported = export(folder, "croissant", None, GIVEN)
    assert compare_sets(folder.root, exported.output).is_equal
    row = read_manifest(folder.manifest)[0]
    for name in ("image", "mask"):
        assert (exported.output / row[name]).samefile(folder.root / row[name]), "a hard link: no image is stored twice"
    assert not (exported.output / "manifest.csv").samefile(folder.manifest)


def test_the_metadata_describes_files_columns_and_splits(tmp_path):
    folder = make_set(tmp_path)
    exported = export(folder, "croissant", None, GIVEN)
    content, description = read(exported), json.loads(folder.description.read_text())
    assert content["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert content["license"] == description["licence"]
    assert content["citeAs"].splitlines() == description["citations"]
    assert content["version"] == f"1.0.0+{folder.digest()[:12]}"
    assert [creator["name"] for creator in content["creator"]] == ["A. Author", "B. Author"]
    files = by_id(content["distribution"])
    assert files["manifest.csv"]["sha256"] == hashlib.sha256(folder.manifest.read_bytes()).hexdigest()
    assert files["mask-files"]["includes"] == ["train/masks/*.png", "valid/masks/*.png", "test/masks/*.png"]
    sets = by_id(content["recordSet"])
    assert [field["name"] for field in sets["samples"]["field"]] == list(COLUMN_NAMES)
    assert [entry["splits/name"] for entry in sets["splits"]["data"]] == ["train", "valid", "test"]


def test_partners_are_described_and_linked(tmp_path):
    folder = make_set(tmp_path, changes=[("[split]", "[partner]\nuse = true\n\n[split]")])
    exported = export(folder, "croissant", None, {})
    assert compare_sets(folder.root, exported.output).is_equal
    assert by_id(read(exported)["distribution"])["partner-files"]["includes"][0] == "train/partners/*.jpg"
    assert "partners.csv" in by_id(read(exported)["distribution"])


def test_what_croissant_requires_and_nobody_gave_is_printed(tmp_path, capsys):
    folder = make_set(tmp_path)
    assert main(["export", str(folder.root), "--format", "croissant", "--url", "https://example.org"]) == 0
    assert "export: Croissant requires more before you publish it: --creator, --published" in capsys.readouterr().out
    assert not {"creator", "datePublished"} & json.loads((folder.root / "exports/croissant/croissant.json").read_text()).keys()


@pytest.mark.parametrize("text", ["31.1.2026", "2026-02-30", "20260131"])
def test_what_is_not_a_date_is_an_error(tmp_path, text):
    with pytest.raises(InputError, match=f"--published {text}: is not a date; expected one like 2026-01-31"):
        export(make_set(tmp_path), "croissant", None, {"published": text})


def test_another_card_makes_the_export_again(tmp_path):
    folder = make_set(tmp_path)
    export(folder, "croissant", None, {})
    folder.card.write_text("corrected")
    assert export(folder, "croissant", None, {}).changed
    assert not export(folder, "croissant", None, {}).changed


@pytest.mark.parametrize("kind", SETS)
def test_mlcroissant_reads_it_without_a_remark(tmp_path, kind):
    mlcroissant = need_package("mlcroissant")
    folder = SETS[kind](tmp_path)
    exported = export(folder, "croissant", None, GIVEN)
    data = mlcroissant.Dataset(str(exported.output / "croissant.json"))
    assert not data.metadata.ctx.issues.errors
    assert not data.metadata.ctx.issues.warnings
    rows = read_manifest(folder.manifest)
    records = list(data.records("samples"))
    assert [record["samples/sample"].decode() for record in records] == [row["sample"] for row in rows]
    assert [record["samples/split"].decode() for record in records] == [row["split"] for row in rows]
    for name in ("image", "mask"):
        paths = {record[f"{name}s/path"].decode() for record in data.records(f"{name}s")}
        assert paths == {row[name] for row in rows}
    assert next(iter(data.records("masks")))["masks/content"].size == (32, 32)
