"""The image folder of Hugging Face: its layout, and metadata with the same types in every split."""

import json
import os

import pytest
from small_sets import SETS, make_set

from pipeline.contract import COLUMN_NAMES
from pipeline.dataset.manifest import read_manifest
from pipeline.exports import export

FOLDERS = {"train": "train", "valid": "validation", "test": "test"}


def lines(written, split):
    return [json.loads(line) for line in (written.output / FOLDERS[split] / "metadata.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("kind", SETS)
def test_each_sample_has_a_line_and_its_two_files(tmp_path, kind):
    folder = SETS[kind](tmp_path)
    written = export(folder, "hf", None, {})
    for split, place in FOLDERS.items():
        rows = [row for row in read_manifest(folder.manifest) if row["split"] == split]
        metadata = lines(written, split)
        assert [line["sample"] for line in metadata] == [row["sample"] for row in rows]
        for line, row in zip(metadata, rows, strict=True):
            assert set(line) == {"file_name", "mask_file_name", *COLUMN_NAMES} - {"image", "mask"}
            for column, name in (("file_name", "image"), ("mask_file_name", "mask")):
                file = written.output / place / line[column]
                assert file.samefile(folder.root / row[name]), "a hard link: no image is stored twice"
    named = {path.relative_to(written.output).parts[0] for path in written.output.rglob("*.*g")}
    assert named == set(FOLDERS.values())


def test_a_column_has_one_type_in_all_splits(tmp_path):
    folder = make_set(tmp_path)
    folder.manifest.write_text(folder.manifest.read_text().replace("5$2", "5", 20))  # one split reads as whole numbers
    written = export(folder, "hf", None, {})
    types = {key: {type(line[key]) for split in FOLDERS for line in lines(written, split)} for key in lines(written, "train")[0]}
    assert all(len(kinds) == 1 for kinds in types.values()), types
    assert (types["birads"], types["spacing_mm"], types["fold"], types["scale"]) == ({str}, {str}, {int}, {float})


def test_files_are_copied_where_the_disk_has_no_hard_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    folder = make_set(tmp_path)
    written = export(folder, "hf", None, {})
    row, line = next(row for row in read_manifest(folder.manifest) if row["split"] == "train"), lines(written, "train")[0]
    assert (written.output / "train" / line["file_name"]).read_bytes() == (folder.root / row["image"]).read_bytes()
    assert not (written.output / "train" / line["file_name"]).samefile(folder.root / row["image"])


def test_an_empty_split_has_no_folder(tmp_path):
    folder = make_set(tmp_path, changes=[("train = 0.5, valid = 0.25, test = 0.25", "train = 0.7, valid = 0.3, test = 0")])
    written = export(folder, "hf", None, {})
    assert not (written.output / "test").exists()
    assert "test 0 samples, so no folder" in written.lines[0]
