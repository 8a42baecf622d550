"""A data set's folder: how often its files are opened, and that changes from outside are noticed."""

import json
import subprocess
import sys

import pytest
from inputs import small_download, small_recipe
from small_sets import make_set

from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError
from pipeline.indexing.tables import Reject

# Runs the program with a count of the files that are opened below the data set's folder, by name.
COUNTING = """
import collections, json, os, sys
opened, root = collections.Counter(), sys.argv[1] + os.sep
def count(event, arguments):
    if event == "open" and str(arguments[0]).startswith(root):
        opened[os.path.basename(arguments[0])] += 1
from pipeline.cli import main
sys.addaudithook(count)
status = main(sys.argv[2:])
print(json.dumps(opened), file=sys.stderr)
sys.exit(status)
"""


def count_opens(folder, *arguments):
    command = [sys.executable, "-c", COUNTING, str(folder), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stderr.splitlines()[-1])


def test_a_data_set_is_made_with_each_file_opened_once(tmp_path):
    folder, raw = tmp_path / "set", small_download(tmp_path / "raw").root
    recipe = small_recipe(tmp_path / "small.toml")
    command = ["dataset", "--raw", raw, "--out", folder, "--recipe", recipe, "--workers", 1]
    names = ("recipe.toml", "index.csv", "regions.csv", "rejects.csv", "assignment.csv", "manifest.csv", "made.jsonl")
    first, again = (count_opens(folder, *command) for _ in range(2))
    # Rejects and manifest are known from writing them; the journal is opened to add lines.
    written = {"rejects.csv": 0, "manifest.csv": 0}
    assert {name: first.get(name, 0) for name in names} == dict.fromkeys(names, 1) | written
    assert {name: again.get(name, 0) for name in names} == dict.fromkeys(names, 1) | {"assignment.csv": 3}


@pytest.fixture
def folder(tmp_path):
    return make_set(tmp_path)


def test_a_manifest_that_somebody_changes_is_read_again(folder):
    rows, digest = folder.read_manifest(), folder.digest()
    assert DatasetFolder(folder.root).digest() == digest
    folder.manifest.write_text(folder.manifest.read_text().replace("Mass", "Distortion"))
    assert folder.read_manifest() == [row | {"findings": "Distortion"} for row in rows]
    assert folder.digest() != digest
    folder.manifest.unlink()
    assert folder.digest() == ""
    with pytest.raises(InputError, match=r"has no manifest.csv; run the stage 'variants' first"):
        folder.read_manifest()


def test_a_state_that_is_missing_or_broken_is_empty(folder):
    assert folder.read_state(folder.work / "none.json") == {}
    for text in ("{", "[1]"):
        folder.split_state.write_text(text)
        assert folder.read_state(folder.split_state) == {}


def test_rejects_are_written_sorted_and_only_where_they_change(folder):
    rejects = [Reject("P2", "file-missing", "row 3", "is gone"), Reject("P1", "no-region", "row 2", "has no region")]
    folder.write_rejects(rejects)
    stamp = folder.rejects.stat().st_mtime_ns
    assert DatasetFolder(folder.root).read_rejects() == folder.read_rejects() == rejects[::-1]
    assert folder.rejects.read_text().startswith("image,reason,where,words\nP1,no-region,row 2,has no region\n")
    folder.write_rejects(rejects)
    assert folder.rejects.stat().st_mtime_ns == stamp
    folder.rejects.unlink()
    folder.write_rejects(rejects)
    assert folder.rejects.exists()
