"""The make targets: each there, each explained, each calling its program with the user's paths in one piece."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TARGETS = [
    "help",
    "install",
    "phantom",
    "index",
    "split",
    "masks",
    "variants",
    "dataset",
    "audit",
    "stats",
    "train",
    "evaluate",
    "infer",
    "report",
    "cv",
    "models",
    "all",
    "test",
    "test-slow",
    "lint",
    "docs",
    "bench",
    "clean",
]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is missing; on Debian: apt-get install make")


def make(*arguments):
    done = subprocess.run(
        ["make", "-C", str(ROOT), "--no-print-directory", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_make_alone_explains_every_target():
    listed = re.findall(r"^  ([a-z-]+) +\S", make(), re.MULTILINE)
    assert listed == TARGETS
    assert make() == make("help")


@pytest.mark.parametrize(
    ("target", "commands"),
    [
        ("dataset", ["pipeline dataset --raw"]),
        ("variants", ["pipeline index", "pipeline split", "pipeline masks", "pipeline variants"]),
        ("infer", ["pipeline dataset", "segmenter train", "segmenter infer"]),
        ("evaluate", ["pipeline dataset", "segmenter train", "segmenter evaluate"]),
        ("report", ["pipeline dataset", "segmenter train", "segmenter evaluate", "pipeline report", "segmenter report"]),
        ("cv", ["pipeline dataset", "segmenter cv"]),
        ("chain", ["segmenter infer", "pipeline report", "segmenter report", "segmenter summary"]),
    ],
)
def test_a_target_runs_what_it_stands_on_in_order(target, commands):
    out = make("-n", "-o", ".venv/installed", target)
    places = [out.index(command) for command in commands]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("gpu", "extras"), [("", "train,dicom,docs,dev"), ("0", "train,dicom,docs,dev"), ("1", "gpu,dicom,docs,dev")]
)
def test_install_takes_all_extras_that_the_targets_need(gpu, extras):
    assert f"-c constraints.txt -e '.[{extras}]'" in make("-n", "-B", "install", f"GPU={gpu}")


def test_an_environment_for_gpus_serves_every_target():
    assert "touch .venv/installed .venv/installed-gpu" in make("-n", "-B", "install", "GPU=1")


def test_a_warning_ends_the_making_of_the_api_pages():
    out = make("-n", "-o", ".venv/installed", "docs")
    assert "python -W error::UserWarning" in out
    assert "--output-directory build/docs pipeline segmenter" in out


def test_paths_with_spaces_stay_whole_and_the_names_follow_recipe_and_config():
    out = make(
        "-n",
        "-o",
        ".venv/installed",
        "infer",
        "RAW=/a b/PKG - CDD",
        "ANNOTATIONS=/a b",
        "OUT=/c d",
        "RECIPE=full",
        "CONFIG=my/own.toml",
        "IMAGES=/e f",
        "WORKERS=3",
        "ASSIGNMENT=/g h.csv",
    )
    assert '--raw "/a b/PKG - CDD" --annotations "/a b" --out "/c d/full" --recipe "full" --workers "3"' in out
    assert '--assignment "/g h.csv"' in out
    assert 'train "/c d/full" --config "my/own.toml" --name "own"' in out
    assert 'infer "/c d/full" --name "own" --images "/e f"' in out


@pytest.mark.parametrize(("target", "program"), [("train", "segmenter train"), ("evaluate", "segmenter evaluate")])
def test_more_options_go_to_the_program_of_the_target_alone(target, program):
    lines = [line for line in make("-n", "-o", ".venv/installed", target, "ARGS=--more").splitlines() if "--more" in line]
    assert len(lines) == 1
    assert program in lines[0]


def test_a_fold_is_trained_under_its_own_name():
    out = make("-n", "-o", ".venv/installed", "evaluate", "CONFIG=my/own.toml", "FOLD=0")
    assert '--config "my/own.toml" --name "own-fold0" --fold "0"' in out
    assert 'evaluate "data_processed/v2" --name "own-fold0"' in out


def test_a_cross_validation_trains_no_run_beside_its_folds():
    out = make("-n", "-o", ".venv/installed", "cv", "CONFIG=my/own.toml", "FOLDS=5")
    assert 'cv "data_processed/v2" --config "my/own.toml" --name "own" --folds "5"' in out
    assert "segmenter train" not in out
    assert "--folds" not in make("-n", "-o", ".venv/installed", "cv")


def test_annotations_are_looked_for_in_raw_by_default():
    assert '--raw "/x" --annotations "/x"' in make("-n", "-o", ".venv/installed", "index", "RAW=/x")


def test_clean_keeps_the_runs(tmp_path):
    folder = tmp_path / "v2"
    for name in ("recipe.toml", "train/images/a.jpg", "runs/quick/best_model.keras"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    make("clean", f"OUT={tmp_path}")
    assert [path.name for path in folder.iterdir()] == ["runs"]
    assert (folder / "runs/quick/best_model.keras").exists()


def test_clean_leaves_a_folder_alone_that_is_no_data_set(tmp_path):
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2" / "letter.txt").write_text("")
    make("clean", f"OUT={tmp_path}")
    assert (tmp_path / "v2" / "letter.txt").exists()
