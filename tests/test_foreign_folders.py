"""Folders that somebody else made: no path that a file stores is read, written, linked or deleted outside of its folder.

The table names every reader of stored paths; each is given each way to lead outside.
"""

import csv
import json
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from small_sets import make_set, training_state

from pipeline import stages
from pipeline.audit import audit
from pipeline.dataset.folder import DatasetFolder
from pipeline.exports.exporting import export
from pipeline.files import InputError
from pipeline.indexing.find import SourceFiles
from pipeline.workers import Inline
from segmenter.data.dataset import read_data_set
from segmenter.inference.outputs import OUTPUTS, clear_outputs
from segmenter.runs import Run, read_state

OUTSIDE = ["../{}", "{outside}/{}", "train/../../{}", "C:\\{}", "..\\{}", "link/{}", "a\0{}"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A complete data set with pictures, audit and an export."""
    folder = make_set(tmp_path_factory.mktemp("made"))
    stages.stats(folder)
    stages.audit(folder)
    export(folder, "hf", None, {})
    return folder


@pytest.fixture
def foreign(made, tmp_path):
    """A copy of the set in `in/set`, a link in it that leads outside, and files outside that must stay as they are."""
    root = tmp_path / "in" / "set"
    shutil.copytree(made.root, root)
    (root / "link").symlink_to(tmp_path / "in")
    for place in (tmp_path / "in", tmp_path / "in" / "masks"):
        place.mkdir(exist_ok=True)
        for name in ("secret.png", "secret.jpg"):
            shutil.copyfile(next(root.glob("train/images/*.jpg")), place / name)
    return DatasetFolder(root)


def edit_table(path: Path, column: str, value: str) -> None:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[1][column] = value
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def edit_json(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def edit_journal(folder: DatasetFolder, value: str, part: str) -> None:
    entries = list(folder.journal.read().values())
    first = entries[0]
    stamp = first.samples["original"]["image"]
    if part == "square":
        entries[0] = replace(first, square={"image": replace(stamp, path=value)})
    else:
        entries[0] = replace(first, samples={**first.samples, "original": {"image": replace(stamp, path=value)}})
    (folder.work / "made.jsonl").write_text("".join(entry.to_json() + "\n" for entry in entries))


def variants(folder: DatasetFolder) -> None:
    stages.variants(DatasetFolder(folder.root), Inline(), fused=True)


def manifest_readers(folder: DatasetFolder) -> None:
    """Runs all that read a manifest; each must refuse it."""
    for reader in (
        lambda: DatasetFolder(folder.root).read_manifest(),
        lambda: audit(folder.root),
        lambda: stages.stats(DatasetFolder(folder.root)),
        *(
            lambda name=name: export(DatasetFolder(folder.root), name, folder.root.parent / "x", {})
            for name in ("hf", "coco", "via", "tfrecord", "nnunet")
        ),
    ):
        with pytest.raises(InputError, match=r"manifest\.csv: row 3: "):
            reader()
    assert not (folder.root.parent / "x").exists()
    read_data_set(folder.root)


def draw_report(folder: DatasetFolder) -> None:
    pytest.importorskip("jinja2")
    stages.report(DatasetFolder(folder.root))


def leak(audit_report: dict, value: str) -> None:
    audit_report["findings"] = [
        {"code": "duplicate-pixels", "count": 1, "meaning": "m", "examples": ["e"], "pairs": [[value, value]]}
    ]


def clear_predictions(folder: DatasetFolder, value: str) -> None:
    """The mark of an inference whose outputs lie elsewhere."""
    output = folder.root.parent / "predictions"
    for pattern in OUTPUTS:
        (output / pattern).parent.mkdir(parents=True, exist_ok=True)
    (output / "masks" / "link").symlink_to(folder.root.parent / "masks")
    (output / "inference.json").write_text(json.dumps({"identity": {"images": [["fine", "x", 1, 2], [value, "x", 1, 2]]}}))
    (output / "masks" / "fine.png").touch()
    try:
        clear_outputs(output)
    finally:
        assert (output / "masks" / "fine.png").exists(), "nothing is removed where one name is refused"


def resume(folder: DatasetFolder, value: str) -> None:
    run = Run(folder.root / "runs" / "r")
    run.folder.mkdir(parents=True)
    (run.folder / "link").symlink_to(folder.root.parent)
    run.state.write_text(json.dumps(asdict(replace(training_state(1), checkpoint=value))))
    read_state(run)


READERS = {
    "made.jsonl, samples": lambda folder, value: (edit_journal(folder, value, "samples"), variants(folder)),
    "made.jsonl, square": lambda folder, value: (edit_journal(folder, value, "square"), variants(folder)),
    "manifest.csv, image": lambda folder, value: (edit_table(folder.manifest, "image", value), manifest_readers(folder)),
    "manifest.csv, mask": lambda folder, value: (edit_table(folder.manifest, "mask", value), manifest_readers(folder)),
    "stats.json": lambda folder, value: (
        edit_json(folder.stats_state, lambda state: state["pictures"].append(value)),
        stages.stats(DatasetFolder(folder.root)),
    ),
    "audit.json": lambda folder, value: (edit_json(folder.audit, lambda report: leak(report, value)), draw_report(folder)),
    "export.json": lambda folder, value: (
        (folder.root / "exports" / "hf" / "link").symlink_to(folder.root.parent),
        edit_json(folder.root / "exports" / "hf" / "export.json", lambda mark: mark["files"].insert(0, value)),
        export(DatasetFolder(folder.root), "hf", None, {}),
    ),
    "inference.json": clear_predictions,
    "state.json": resume,
}


@pytest.mark.parametrize(
    ("reader", "way"),
    [(reader, way) for reader in READERS for way in (OUTSIDE if reader == "made.jsonl, samples" else OUTSIDE[:1] + OUTSIDE[5:6])],
)
def test_a_stored_path_that_leads_outside_is_refused(foreign, reader, way):
    outside = foreign.root.parent
    before = {path: path.read_bytes() for path in outside.rglob("secret.*")}
    value = way.format("secret.jpg" if "manifest" in reader else "secret", outside=outside)
    with pytest.raises(InputError, match="expected the relative path of a file inside") as error:
        READERS[reader](foreign, value)
    assert "\n" not in str(error.value)
    assert before == {path: path.read_bytes() for path in outside.rglob("secret.*")}


@pytest.mark.parametrize("name", ["../../secret", "/tmp/x", "a/b", "a\\b", "..", "a\x1b[2J", ""])
@pytest.mark.parametrize(("table", "column"), [("index", "image_id"), ("manifest", "image_id"), ("manifest", "sample")])
def test_a_name_that_becomes_a_path_is_one_part_of_it(foreign, table, column, name):
    edit_table(getattr(foreign, table), column, name)
    with pytest.raises(InputError, match=rf"{table}\.csv: row 3: {column} .*"):
        foreign.read_images() if table == "index" else foreign.read_manifest()


@pytest.mark.parametrize("source", ["../secret.jpg", "/etc/passwd", "C:\\x.jpg", "a/../../b.jpg"])
def test_a_source_lies_below_raw(foreign, source):
    edit_table(foreign.index, "source", source)
    with pytest.raises(InputError, match=r"index\.csv: row 3: source: .* expected the relative path"):
        foreign.read_images()
    with pytest.raises(InputError, match="expected the relative path"):
        SourceFiles(foreign.root).path(source)


def test_every_reader_of_stored_paths_resolves_them_by_the_one_function():
    """A module that joins a stored path to a folder without `path_below` or `PathsBelow` has to be added here on purpose."""
    users = {
        path.relative_to(Path(__file__).parents[1]).as_posix()
        for package in ("pipeline", "segmenter")
        for path in (Path(__file__).parents[1] / package).rglob("*.py")
        if re.search(r"path_below\(|PathsBelow\(", path.read_text())
    }
    assert users == {
        "pipeline/dataset/folder.py",
        "pipeline/dataset/journal.py",
        "pipeline/dataset/manifest.py",
        "pipeline/exports/exporting.py",
        "pipeline/files/below.py",
        "pipeline/indexing/find.py",
        "pipeline/indexing/tables.py",
        "pipeline/report/dataset_page.py",
        "segmenter/data/dataset.py",
        "segmenter/inference/outputs.py",
        "segmenter/report/results.py",
        "segmenter/runs.py",
    }
