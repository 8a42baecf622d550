"""One declaration adds a column: in a copy of the code, `age` appears in manifest, groups, exports and card."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from inputs import TABLE, Download, small_recipe

ROOT = Path(__file__).resolve().parents[1]
DECLARATION = '    Column("age", optional=True, exported=True, group="age", header="age"),\n'
EVALUATE = """
import sys
from pathlib import Path
import numpy as np
from segmenter.configuration import Configuration
from segmenter.data.dataset import read_data_set
from segmenter.evaluation import write_evaluation
from segmenter.evaluation.measuring import measure_batches

folder, out = map(Path, sys.argv[1:])
samples = [sample for sample in read_data_set(folder).samples if sample.is_original]
masks = np.zeros((len(samples), 32, 32), np.uint8)
masks[:, 8:20, 8:20] = 1
tables = measure_batches([(samples, masks, masks[..., None].astype(np.float32))], Configuration(), None)
write_evaluation(out, tables, {"identity": {}, "trained_on_too": []}, {})
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of both packages whose contract declares one more column."""
    root = tmp_path_factory.mktemp("copy")
    for package in ("pipeline", "segmenter"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    contract = root / "pipeline" / "contract" / "columns.py"
    text = contract.read_text()
    before = '    Column("regions", int),\n'
    assert text.count(before) == 1
    contract.write_text(text.replace(before, DECLARATION + before))
    return root


@pytest.fixture(scope="module")
def folder(copy, tmp_path_factory):
    """A data set that the copy made from a table with two ages."""
    root = tmp_path_factory.mktemp("aged")
    download = Download(root / "raw")
    for patient in range(1, 7):
        download.add(f"P{patient}_L_DM_CC")
    raw = download.write().root
    table = pd.read_csv(raw / TABLE, dtype=str, keep_default_na=False)
    table["Age"] = [str(40 + number % 2) for number in range(len(table))]
    table.to_csv(raw / TABLE, index=False)
    recipe = small_recipe(root / "small.toml")
    run(copy, "-m", "pipeline", "dataset", "--raw", raw, "--out", root / "set", "--recipe", recipe, "--workers", "1")
    return root / "set"


def run(copy, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    process = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_the_manifest_has_the_column(folder):
    manifest = pd.read_csv(folder / "manifest.csv")
    assert list(manifest.columns[13:17]) == ["findings", "machine", "age", "regions"]
    assert manifest.groupby("image_id")["age"].nunique().eq(1).all()
    assert set(manifest["age"]) == {40, 41}


def test_the_card_and_the_description_count_its_groups(folder):
    card = (folder / "README.md").read_text()
    assert "| age: 40 | " in card
    assert "| age: 41 | " in card
    assert set(json.loads((folder / "dataset.json").read_text())["groups"]["age"]) == {"40", "41"}


@pytest.mark.parametrize(("format_name", "file"), [("coco", "instances_train.json"), ("hf", "train/metadata.jsonl")])
def test_exports_carry_it(copy, folder, format_name, file):
    run(copy, "-m", "pipeline", "export", folder, "--format", format_name)
    assert '"age": "4' in (folder / "exports" / format_name / file).read_text()


def test_an_evaluation_groups_images_by_it(copy, folder, tmp_path):
    script = tmp_path / "evaluate.py"
    script.write_text(EVALUATE)
    run(copy, script, folder, tmp_path / "out")
    metrics = pd.read_csv(tmp_path / "out" / "metrics.csv", dtype=str)
    assert set(metrics.loc[metrics["group"] == "age", "value"]) == {"40", "41"}
