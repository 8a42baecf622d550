"""The make targets: each there, each explained, each calling its program with the user's paths in one piece."""

import re
import shutil
import subprocess
import time
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
    "torture",
    "lint",
    "docs",
    "mutation",
    "bench",
    "benchmark",
    "clean",
]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is missing; on Debian: apt-get install make")


def run_make(*arguments):
    command = ["make", "-C", str(ROOT), "--no-print-directory", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def make(*arguments):
    done = run_make(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(*arguments):
    """What make prints when it refuses something before any stage runs; the environment counts as installed."""
    done = run_make("-o", ".venv/installed", *arguments)
    assert done.returncode == 2
    assert "index:" not in done.stdout, "no stage ran"
    return done.stderr


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


def test_predictions_are_those_of_the_trained_run_and_not_of_the_model_of_the_package():
    for target in ("infer", "chain"):
        lines = [line for line in make("-n", "-o", ".venv/installed", target).splitlines() if "segmenter infer" in line]
        assert lines
        assert all('--name "quick"' in line for line in lines)


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
    *checks, line = lines
    assert program in line
    name = program.replace("segmenter", "segmenter --check")
    assert [name in check for check in checks] == [True], "checked first, and of the stages before it nothing"


@pytest.mark.parametrize("target", ["phantom", "index", "masks", "variants", "dataset", "audit"])
def test_a_scheduler_goes_to_all_that_works_over_images_and_to_its_check(target):
    out = make("-n", "-o", ".venv/installed", target, "SCHEDULER=tcp://node 1:8786")
    lines = [line for line in out.splitlines() if f"pipeline {target} " in line]
    assert lines
    assert all('--scheduler "tcp://node 1:8786"' in line for line in lines)
    assert "--scheduler" not in make("-n", "-o", ".venv/installed", target)


def test_a_fold_is_trained_under_its_own_name():
    out = make("-n", "-o", ".venv/installed", "evaluate", "CONFIG=my/own.toml", "FOLD=0")
    assert '--config "my/own.toml" --name "own-fold0" --fold "0"' in out
    assert 'evaluate "data_processed/v2" --name "own-fold0"' in out


def test_masks_of_another_program_are_scored_without_a_training():
    out = make("-n", "-o", ".venv/installed", "evaluate", "NAME=nnunet", "FOLD=2", "ARGS=--masks 'my masks' --missing empty")
    assert "segmenter train" not in out
    assert "dataset" in out
    assert """ --name "nnunet" --fold "2" --masks 'my masks' --missing empty""" in out


def test_a_cross_validation_trains_no_run_beside_its_folds():
    out = make("-n", "-o", ".venv/installed", "cv", "CONFIG=my/own.toml", "FOLDS=5")
    assert 'cv "data_processed/v2" --config "my/own.toml" --name "own" --folds "5"' in out
    assert "segmenter train" not in out
    assert "--folds" not in make("-n", "-o", ".venv/installed", "cv")


def test_annotations_are_looked_for_in_raw_by_default():
    assert '--raw "/x" --annotations "/x"' in make("-n", "-o", ".venv/installed", "index", "RAW=/x")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("recipe=full", "recipe is not a variable of this Makefile; did you mean RECIPE?"),
        ("Raw=x", "Raw is not a variable of this Makefile; did you mean RAW?"),
        ("DATSET=x", "DATSET is not a variable of this Makefile; did you mean DATASET?"),
        ("EPOCHS=3", "EPOCHS is not a variable of this Makefile; it has RAW ANNOTATIONS"),
    ],
)
@pytest.mark.parametrize("target", ["help", "train", "all"])
def test_a_misspelt_variable_is_refused_with_the_right_spelling(target, setting, message):
    assert message in refused(target, setting)


def test_variables_of_make_and_of_the_environment_are_no_misspellings():
    assert "Targets:" in make("help", "SHELL=/bin/sh", "RAW=x", "NAME=y", "ARGS=")


ATTACKS = ["`touch {}`", "$(shell touch {})", "$(touch {})", "$$(touch {})", 'a"; touch {}; "', "a\ntouch {}", "a\\"]


@pytest.mark.parametrize(
    ("variable", "attacks"),
    [("RAW", ATTACKS)]
    + [
        (name, ATTACKS[:1])
        for name in [
            "ANNOTATIONS",
            "OUT",
            "RECIPE",
            "DATASET",
            "CONFIG",
            "NAME",
            "IMAGES",
            "ASSIGNMENT",
            "FOLD",
            "FOLDS",
            "WORKERS",
            "SCHEDULER",
        ]
    ]
    + [("PYTHON", ATTACKS[:2]), ("GPU", ATTACKS[1:2])],
)
def test_values_that_a_shell_would_run_are_refused_and_nothing_runs(tmp_path, variable, attacks):
    mark = tmp_path / "mark"
    for attack in attacks:
        message = refused("index", f"{variable}={attack.format(mark)}")
        assert f"{variable} holds" in message
        assert "which the shell would run or change; rename the file or folder" in message
    assert not mark.exists()


def test_values_of_the_environment_are_not_run_either(tmp_path, monkeypatch):
    monkeypatch.setenv("CONFIG", f"$(shell touch {tmp_path}/mark)")
    assert "CONFIG holds $, which the shell" in refused("train")
    assert not (tmp_path / "mark").exists()


def test_single_quotes_and_signs_of_the_shell_in_paths_are_kept(tmp_path):
    mark, raw = tmp_path / "mark", f"-O'Brien; touch {tmp_path}/mark & #'"
    for target in ("help", "index", "clean"):
        run_make("-o", ".venv/installed", target, f"RAW={raw}", f"OUT={tmp_path}/o'; touch {mark}; '", "PYTHON=absent")
    closing = [
        line for line in make("-n", "-o", ".venv/installed", "chain", f"RAW={raw}").splitlines() if line.startswith("echo ")
    ]
    printed = subprocess.run(["sh", "-c", "\n".join(closing)], capture_output=True, text=True, check=True).stdout
    assert f'make cv RAW="{raw}"\n' in printed
    assert not mark.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--a 'b c' \"d e\"", ["--a", "b c", "d e"]),
        ("--patient '^(P[0-9]+)_$$'", ["--patient", "^(P[0-9]+)_$"]),
        (
            "`touch MARK`; touch MARK $$(touch MARK) | b > MARK",
            ["`touch", "MARK`;", "touch", "MARK", "$(touch", "MARK)", "|", "b", ">", "MARK"],
        ),
        ("a\nb", ["a", "b"]),
    ],
)
def test_more_options_are_split_into_words_and_never_run(tmp_path, arguments, words):
    mark = str(tmp_path / "mark")
    *_, line = make("-n", "-o", ".venv/installed", "audit", "ARGS=" + arguments.replace("MARK", mark)).splitlines()
    shown = subprocess.run(["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-len(words) :] == [word.replace("MARK", mark) for word in words]
    assert not Path(mark).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("$(shell touch MARK)", "in make, write $$ for the character $"),
        ("--a 'b", "cannot be split into words; is a quote left open, or does python3 not run?"),
    ],
)
def test_options_that_make_would_run_or_that_end_in_a_quote_are_refused(tmp_path, arguments, message):
    assert message in refused("audit", "ARGS=" + arguments.replace("MARK", str(tmp_path / "mark")))
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["train", "CONFIG=quik"], "--config quik: is not a known configuration", id="config"),
        pytest.param(["all", "CONFIG=full"], "full is called classes now; give classes instead", id="renamed"),
        pytest.param(["cv", "CONFIG=TMP/absent.toml"], "absent.toml: cannot be read", id="file"),
        pytest.param(["report", "NAME=a/b"], "--name a/b: expected only letters", id="name"),
        pytest.param(["evaluate", "RECIPE=v3"], "no recipe 'v3'; known are full, v1, v2", id="recipe"),
        pytest.param(["train", "FOLD=5"], "fold 5: recipe 'v2' has the folds 0 to 4", id="fold"),
        pytest.param(["train", "FOLD=first"], "fold first: recipe 'v2' has the folds 0 to 4", id="no fold"),
        pytest.param(["cv", "FOLDS=3"], "3 folds: recipe 'v2' has 5", id="folds"),
        pytest.param(["infer", "IMAGES=TMP/absent"], "absent: is not there", id="images"),
        pytest.param(["evaluate", "ARGS=--thresold 0.4"], "unknown option --thresold; did you mean --threshold?", id="option"),
        pytest.param(["train", "ARGS=--set train.epoch=3"], "[train] epoch: unknown key; expected one of epochs", id="set"),
        pytest.param(["audit", "ARGS=--jsn"], "unknown option --jsn; did you mean --json?", id="option of a later stage"),
        pytest.param(["all", "ARGS=--json"], "all takes no ARGS; give them to the target of one program", id="no program"),
    ],
)
def test_what_is_wrong_is_found_before_any_stage_runs(tmp_path, arguments, message):
    if not (ROOT / ".venv/bin/python").exists():
        pytest.skip("no .venv here; make install makes it")
    raw = ["RAW=" + str(tmp_path / "no images"), "OUT=" + str(tmp_path / "out")]
    began = time.monotonic()
    assert message in refused(*(word.replace("TMP", str(tmp_path)) for word in arguments), *raw)
    assert time.monotonic() - began < 10
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("recipe", "dataset"), [("v2", "phantom-v2"), ("full", "phantom-full"), ("my/own.toml", "phantom-own")])
def test_a_phantom_has_data_sets_of_its_own(tmp_path, recipe, dataset):
    raw = tmp_path / "a phantom"
    raw.mkdir()
    plain = dataset.removeprefix("phantom-")
    assert f'--out "data_processed/{plain}"' in make("-n", "-o", ".venv/installed", "dataset", f"RAW={raw}", f"RECIPE={recipe}")
    (raw / "PHANTOM.txt").write_text("")
    assert f'--out "data_processed/{dataset}"' in make("-n", "-o", ".venv/installed", "dataset", f"RAW={raw}", f"RECIPE={recipe}")
    own = make("-n", "-o", ".venv/installed", "dataset", f"RAW={raw}", "DATASET=mine")
    assert '--out "data_processed/mine"' in own


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        (["RAW=data_raw"], 'RAW="data_raw"'),
        (
            ["RAW=/a b", "ANNOTATIONS=/c", "OUT=/d", "RECIPE=full", "DATASET=mine"],
            'RAW="/a b" ANNOTATIONS="/c" OUT="/d" RECIPE="full" DATASET="mine"',
        ),
    ],
)
def test_the_closing_lines_repeat_what_the_next_commands_need(arguments, settings):
    out = make("-n", "-o", ".venv/installed", "chain", *arguments, "CONFIG=own.toml")
    assert f'make cv {settings} CONFIG="own.toml"\'' in out
    assert f'make infer {settings} CONFIG="own.toml" IMAGES=FOLDER' in out
    assert f"make report {settings} CONFIG=FILE.toml" in out


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
