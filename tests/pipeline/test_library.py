"""The pipeline as one imports it."""

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from inputs import small_download, small_recipe
from small_sets import make_set

import pipeline
from pipeline import library
from pipeline.contract import COLUMN_NAMES
from pipeline.files import all_cores
from pipeline.workers import Inline

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A set of six patients, made by the library."""
    root = tmp_path_factory.mktemp("library")
    small_download(root / "raw")
    return pipeline.make_dataset(root / "raw", root / "set", small_recipe(root / "small.toml"), workers=1)


@pytest.fixture
def foreign(tmp_path):
    """A folder without a manifest: two patients in train, one in test, 16 px; a different square each."""
    for number, split in enumerate(("train", "train", "test"), 1):
        image = np.full((16, 16), 30, np.uint8)
        image[4 * number - 2 : 4 * number, 2:9] = 200
        for kind, pixels in (("images", image), ("masks", (image > 100).astype(np.uint8) * 255)):
            (tmp_path / split / kind).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / split / kind / f"P{number}_L_CM_CC.png"), pixels)
    return tmp_path


def test_make_dataset_writes_the_bytes_that_the_stages_write(made, tmp_path):
    by_stages = make_set(tmp_path)
    assert (made.folder / "manifest.csv").read_bytes() == by_stages.manifest.read_bytes()
    assert (made.folder / "audit.json").is_file()
    assert (made.folder / "stats" / "contact_sheet_train.png").is_file()


def test_the_manifest_is_a_table_with_numbers_and_texts(made):
    manifest = made.manifest
    assert tuple(manifest.columns) == COLUMN_NAMES
    assert manifest["sample"].is_unique
    assert manifest["lesion_px"].dtype == np.int64
    assert manifest["spacing_mm"].dtype == np.float64
    assert manifest["spacing_mm"].isna().all()
    assert manifest["machine"].map(type).unique().tolist() == [str]


def test_splits_count_patients_images_and_samples(made):
    splits = made.splits
    assert splits.index.tolist() == ["train", "valid", "test"]
    assert splits.columns.tolist() == ["patients", "images", "samples"]
    assert splits["patients"].sum() == 6
    assert splits["samples"].sum() == len(made.manifest)


def test_what_was_dropped_is_a_table(tmp_path):
    download = small_download(tmp_path / "raw")
    next(download.root.rglob("*.jpg")).unlink()
    data = pipeline.make_dataset(download.root, tmp_path / "set", small_recipe(tmp_path / "small.toml"), workers=1)
    assert data.rejects["reason"].tolist() == ["file-missing"]
    assert data.rejects.columns.tolist() == ["image", "reason", "where", "words"]


def test_a_pair_is_two_arrays(made):
    sample = made.manifest["sample"][0]
    image, mask = made.read_pair(sample)
    assert image.shape == mask.shape == (32, 32)
    assert image.dtype == mask.dtype == np.uint8
    assert set(np.unique(mask)) == {0, 1}
    assert mask.sum() == made.manifest["lesion_px"][0]
    with pytest.raises(pipeline.InputError, match=r"has no sample 'P99'; \.manifest lists them"):
        made.read_pair("P99")


def test_a_set_describes_itself(made):
    assert made.describe()["counts"]["all"]["patients"] == 6
    assert repr(made).startswith(f"Dataset('{made.folder}': train ")
    assert "<table" in made._repr_html_()
    assert pipeline.open_dataset(made.folder).manifest.equals(made.manifest)


def test_a_report_is_a_page(made):
    assert made.report().read_text().startswith("<!")


def test_anybodys_folder_opens_with_what_its_names_say(foreign):
    data = pipeline.open_dataset(str(foreign))
    assert tuple(data.manifest.columns) == COLUMN_NAMES
    assert data.manifest[["sample", "split", "patient", "kind", "image"]].values.tolist()[0] == [
        *("P1_L_CM_CC", "train", "P1", "CM", "train/images/P1_L_CM_CC.png")
    ]
    assert data.manifest["lesion_px"].isna().all()
    assert data.splits["patients"].tolist() == [2, 0, 1]
    assert data.rejects.empty
    assert data.audit().empty
    with pytest.raises(pipeline.InputError, match=r"has no dataset\.json, because it was not made by a recipe"):
        data.describe()


def test_a_planted_leak_is_a_finding(foreign):
    for kind in ("images", "masks"):
        shutil.copy(foreign / "test" / kind / "P3_L_CM_CC.png", foreign / "train" / kind)
    found = pipeline.audit_dataset(foreign)
    assert found["code"].tolist() == ["image-in-splits", "patient-in-splits", "duplicate-pixels"]
    assert found["count"].tolist() == [1, 1, 1]
    assert found["examples"][1] == ("P3: 1 in train, 1 in test",)
    assert not found["expected"].any()


def test_an_audit_takes_the_workers_that_it_is_given(foreign, monkeypatch):
    opened = []
    monkeypatch.setattr(library, "open_executor", lambda *arguments: opened.append(arguments) or Inline())
    pipeline.Dataset(foreign).audit(workers=3)
    pipeline.audit_dataset(foreign, scheduler="tcp://node1:8786")
    assert opened == [(3, "", [foreign]), (all_cores(), "tcp://node1:8786", [foreign])]


def test_findings_that_a_recipe_asks_for_are_expected_and_no_warning(tmp_path, recwarn):
    small_download(tmp_path / "raw")
    recipe = small_recipe(tmp_path / "small.toml")
    data = pipeline.make_dataset(tmp_path / "raw", tmp_path / "set", recipe, settings={"split": {"by": "sample"}}, workers=1)
    assert data.audit()["expected"].all()
    assert len(data.audit()) > 0
    assert not [warning for warning in recwarn if "audit" in str(warning.message)]


def test_a_recipe_may_be_loaded_before(tmp_path):
    small_download(tmp_path / "raw")
    recipe = pipeline.load_recipe(Path(small_recipe(tmp_path / "small.toml")), {"image": {"size_px": 16}})
    data = pipeline.make_dataset(tmp_path / "raw", tmp_path / "set", recipe, workers=1)
    assert data.read_pair(data.manifest["sample"][0])[0].shape == (16, 16)
    with pytest.raises(pipeline.InputError, match="give them to load_recipe, because the recipe is loaded already"):
        pipeline.make_dataset(tmp_path / "raw", tmp_path / "set", recipe, settings={"image": {"size_px": 32}})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda root: pipeline.make_dataset(root / "nowhere", root / "set"), "nowhere: no such folder; RAW names the folder"),
        (lambda root: pipeline.make_dataset(root, root / "set", "v3"), "no recipe 'v3'; known are full"),
        (
            lambda root: pipeline.make_dataset(root, root / "set", settings={"split": {"sed": 1}}),
            r"v2\.toml with the settings .*: \[split\] sed: unknown key; expected one of by, seed, fractions, folds",
        ),
        (lambda root: pipeline.open_dataset(root / "nowhere"), "nowhere: there is no such folder"),
        (lambda root: pipeline.open_dataset(root), "holds no train/images, valid/images or test/images with files"),
        (lambda root: pipeline.audit_dataset(root), "holds no train/images, valid/images or test/images with files"),
        (lambda root: pipeline.make_phantom(root / "phantom", patients=2), "needs at least 6 patients"),
        (
            lambda root: pipeline.make_phantom(root / "phantom", dicom="flat"),
            "dicom 'flat': expected one of '', 'plain', 'varied'",
        ),
    ],
)
def test_faults_are_input_errors(tmp_path, call, message):
    with pytest.raises(pipeline.InputError, match=message):
        call(tmp_path)


def test_a_script_without_a_guard_makes_a_set_with_several_processes(tmp_path):
    """Workers that ran the script again would each begin with a line of their own."""
    small_download(tmp_path / "raw")
    recipe = small_recipe(tmp_path / "small.toml")
    script = tmp_path / "script.py"
    script.write_text(
        f"import pipeline\nprint('begun')\nprint(pipeline.make_dataset({str(tmp_path / 'raw')!r}, {str(tmp_path / 'set')!r}, "
        f"{str(recipe)!r}, workers=2).splits['patients'].sum())\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin"}
    )
    assert done.stdout.split() == ["begun", "6"], done.stderr


def test_tables_are_pandas(made):
    assert all(isinstance(table, pd.DataFrame) for table in (made.manifest, made.splits, made.rejects, made.audit()))
