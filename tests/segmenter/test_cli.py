"""The programs' words, exit status, and what they do not import. Data sets are tiny; training is a few steps."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from pipeline.files import read_csv
from segmenter.cli import main

CONFIG = """
[model]
image_width = 16
image_height = 16
base_filters = 2
num_layers = 1
[train]
epochs = 1
batch_size = 2
num_infer_images = 1
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def gray_model(tmp_path):
    pixels = keras.Input((16, 16, 1))
    keras.Model(pixels, keras.layers.Rescaling(1 / 255)(pixels)).save(tmp_path / "gray.keras")
    return tmp_path / "gray.keras"


def command(*words):
    return main([str(word) for word in words])


def imported_tensorflow(*words):
    """Runs a command in a fresh Python; gives its exit status, its output, and whether it imported TensorFlow."""
    program = (
        "import sys; from segmenter.cli import main\ntry: status = main(sys.argv[1:])\nexcept SystemExit as end: "
        "status = end.code\nprint('tensorflow' in sys.modules or 'keras' in sys.modules)\nsys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, timeout=120)
    *lines, tensorflow = done.stdout.splitlines()
    return done.returncode, "\n".join(lines) + done.stderr, tensorflow == "True"


HELP = {
    "--help": "train",
    "train --help": "--resume",
    "evaluate --help": "--split",
    "infer --help": "--strict",
    "cv --help": "--folds",
    "summary --help": "pictures worth opening",
    "inspect --help": "receptive field",
    "preview --help": "--count",
    "models": "AttentionUNet\n  2,027,861 parameters",
}


@pytest.fixture(scope="module")
def without_tensorflow():
    """Exit status and output of each command that explains, and whether TensorFlow was imported by then, in one fresh Python."""
    program = """
import contextlib, io, json, sys
from segmenter.cli import main
results = {}
for command in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()) as output:
        try:
            status = main(command.split())
        except SystemExit as end:
            status = end.code
    results[command] = status, output.getvalue(), "tensorflow" in sys.modules or "keras" in sys.modules
print(json.dumps(results))
"""
    done = subprocess.run([sys.executable, "-c", program, *HELP], capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout)


@pytest.mark.parametrize("command", HELP)
def test_help_explains_without_tensorflow(without_tensorflow, command):
    status, output, tensorflow = without_tensorflow[command]
    assert (status, tensorflow) == (0, False)
    assert HELP[command] in output


def test_from_training_to_the_summary_and_all_again_without_tensorflow(data_folder, config, tmp_path, capsys):
    stages = [
        ["train", data_folder, "--config", config],
        ["evaluate", data_folder, "--name", "tiny", "--split", "valid", "test"],
        ["infer", data_folder, "--name", "tiny"],
    ]
    for stage in stages:
        assert command(*stage) == 0
    capsys.readouterr()
    (data_folder / "stats").mkdir()
    (data_folder / "stats/contact_sheet_test.png").write_text("")
    pages = [data_folder / name for name in ("runs/tiny/report.html", "report.html", "runs/tiny/model_card.md")]
    for page in pages[1:]:
        page.write_text("")
    assert command("summary", data_folder, "--name", "tiny") == 0
    summary = capsys.readouterr().out
    order = ["read first:", *map(str, pages[1:]), "pictures worth opening:", "contact_sheet_test.png"]
    assert [line for line in summary.splitlines() if line.strip().endswith(tuple(order))] == [
        "read first:",
        *(f"  {page}" for page in pages[1:]),
        "pictures worth opening:",
        f"  {data_folder / 'stats/contact_sheet_test.png'}",
    ]
    pages[0].write_text("")
    assert command("summary", data_folder, "--name", "tiny") == 0
    assert f"read first:\n  {pages[0]}\n  {pages[1]}\n  {pages[2]}\n" in capsys.readouterr().out
    for words in (
        "train   6 samples of 6 images, 6 patients",
        "test    Dice of 3 originals with lesions: mean 0.",
        "test has 3 patients, and with fewer than 30 an interval says little;\n  `make cv` trains",
        "contact_sheet_test.png",
        "train_losses.png",
        "worst.png",
        "overlays/P10_L_CM_CC.png",
    ):
        assert words in summary
    capsys.readouterr()
    assert command("evaluate", data_folder, "--name", "tiny", "--threshold", "auto") == 0
    stages[1] += ["--threshold", "auto"]
    assert re.search(r"threshold 0\.\d+, chosen on valid, where mean Dice is 0\.\d+ with it", capsys.readouterr().out)
    assert command(*stages[1]) == 0
    told = ["trained already, 1 epoch, best val_loss", "evaluated already", "inferred already"]
    for stage, words in zip(stages, told, strict=True):
        status, output, tensorflow = imported_tensorflow(*stage)
        assert (status, tensorflow) == (0, False)
        assert words in output


def keys_of(value):
    """All keys of a JSON value, but not those of tables over splits, or of a metric's names."""
    if isinstance(value, list):
        return {key for inner in value for key in keys_of(inner)}
    if not isinstance(value, dict):
        return set()
    inner = {key for name, item in value.items() if name != "values" for key in keys_of(item)}
    return (value.keys() - {"train", "valid", "test"}) | inner


def test_results_as_json_are_one_object_and_nothing_else(data_folder, config, capsys):
    documented = (Path(__file__).resolve().parents[2] / "docs/segmenter.md").read_text()

    def result_of(*words):
        assert command(*words, "--json") == 0
        result = json.loads(capsys.readouterr().out)
        assert all(f"`{key}`" in documented for key in keys_of(result))
        return result

    assert command("train", data_folder, "--config", config) == 0
    capsys.readouterr()
    run = data_folder / "runs/tiny"
    for up_to_date in (False, True):
        evaluate = ["evaluate", data_folder, "--name", "tiny", "--split", "valid", "test", "--threshold", "auto"]
        evaluated = result_of(*evaluate)
        assert set(evaluated) == {"run", "chosen_threshold", "evaluations"}
        assert set(evaluated["chosen_threshold"]) == {"threshold", "mean_dice"}
        valid, test = evaluated["evaluations"]
        assert (valid["split"], test["split"], test["folder"]) == ("valid", "test", str(run / "evaluation/test"))
        assert test["up_to_date"] == up_to_date
        assert (test["originals"], test["images"], test["warning"]) == (3, 3, None)
        assert set(test["metrics"][0]) == {"metric", "label", "average", "value", "low", "high", "images", "patients"}
        assert [row["label"] for row in test["metrics"][:2]] == ["Dice, mean", "Dice, median"]
        assert test["threshold"] == evaluated["chosen_threshold"]["threshold"]
        assert set(test["batches"]["values"]) == {"loss", "dice_coef"}
        inferred = result_of("infer", data_folder, "--name", "tiny")
        lists = {"skipped", "without_seg", "inverted"}
        assert set(inferred) == {"output", "up_to_date", "images", "lesions", "with_partner"} | lists
        assert (inferred["images"], inferred["up_to_date"], inferred["skipped"]) == (3, up_to_date, [])
    summary = result_of("summary", data_folder, "--name", "tiny")
    assert set(summary) == {"dataset", "run", "splits", "dice", "few_patients", "read_first", "pictures"}
    assert summary["splits"]["train"] == {"samples": 6, "images": 6, "patients": 6}
    assert summary["dice"]["test"]["mean"] == pytest.approx(test["metrics"][0]["value"], abs=1e-4)
    assert (summary["dice"]["valid"]["state"], summary["few_patients"]) == ("evaluated", 3)
    assert f"{run}/train_losses.png" in summary["pictures"]
    assert command(*evaluate) == 0
    lines = capsys.readouterr().out
    assert all(f"{row['label']} " in lines and f"{row['value']:.3f}" in lines for row in test["metrics"][:2])


def test_warnings_and_errors_stay_out_of_json(data_folder, gray_model, tmp_path, capsys):
    (tmp_path / "bad.png").write_text("no image")
    words = ["infer", "--model", gray_model, "--images", tmp_path / "bad.png", data_folder / "test", "--output", tmp_path / "out"]
    for _ in range(2):
        assert command(*words, "--json", "--strict") == 2
        captured = capsys.readouterr()
        (skipped,) = json.loads(captured.out)["skipped"]
        assert f"skipped: {skipped}" in captured.err
    assert command("summary", data_folder, "--name", "absent", "--json") == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err[:7]) == ("", "error: ")


def test_settings_of_inference_follow_the_configuration(data_folder, config, capsys):
    assert command("train", data_folder, "--config", config) == 0
    config.write_text(CONFIG + "[infer]\nthreshold = 0.25\n")
    assert command("train", data_folder, "--config", config) == 0
    assert "threshold = 0.25" in (data_folder / "runs/tiny/config.toml").read_text()
    assert "trained already" in capsys.readouterr().out
    config.write_text(CONFIG.replace("base_filters = 2", "base_filters = 4"))
    assert command("train", data_folder, "--config", config) == 2
    assert "has [model] base_filters = 2, not 4; give another --name" in capsys.readouterr().err


def test_set_changes_the_configuration_that_a_run_has(data_folder, config, capsys):
    words = ["train", data_folder, "--config", config, "--set", "model.base_filters=4"]
    assert command(*words) == 0
    assert "base_filters = 4" in (data_folder / "runs/tiny/config.toml").read_text()
    assert command(*words) == 0
    assert "trained already" in capsys.readouterr().out
    assert command("train", data_folder, "--config", config) == 2
    assert "has [model] base_filters = 4, not 2" in capsys.readouterr().err
    assert command(*words[:-1], "model.base_filter=4") == 2
    assert "}: [model] base_filter: unknown key; expected one of" in capsys.readouterr().err


def test_a_run_of_the_former_name_of_classes_still_opens(data_folder, config, capsys):
    assert command("train", data_folder, "--config", config, "--name", "full") == 0
    capsys.readouterr()
    assert command("summary", data_folder, "--name", "full") == 0
    assert "runs/full" in capsys.readouterr().out


def test_inference_by_a_model_file_alone(data_folder, gray_model, tmp_path, capsys):
    images = [data_folder / "test/images/P10_L_CM_CC.png", data_folder / "test/images/P11_L_CM_CC.png"]
    (tmp_path / "bad.png").write_text("no image")
    words = ["infer", "--model", gray_model, "--images", *images, tmp_path / "bad.png", "--output", tmp_path / "out"]
    for again in ("skipped: ", "inferred already"):
        assert command(*words) == 0
        told = capsys.readouterr()
        assert again in told.out + told.err
        assert "bad.png: starts with" in told.err
        assert "2 images, 2 lesions, 1 skipped" in told.out
    assert command(*words, "--strict") == 2


def test_inverted_images_are_predicted_with_a_warning(data_folder, gray_model, tmp_path, capsys):
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), 255 - cv2.circle(np.zeros((64, 64), np.uint8), (20, 30), 15, 100, -1))
    words = ["infer", "--model", gray_model, "--images", tmp_path / "a.png", tmp_path / "b.png", "--output", tmp_path / "out"]
    for _ in ("first", "again"):
        assert command(*words) == 0
        expected = f"warning: 2 images with a white background, the first is {tmp_path / 'a.png'}; are gray levels inverted?"
        assert expected in capsys.readouterr().err


def test_missing_weights_cost_no_run_and_are_told_before_anything_is_written(data_folder, config, tmp_path, capsys):
    text = '[model]\nmodel = "EfficientUNet"\nimage_width = 32\nimage_height = 32\nweights = "there/is/none.keras"\n'
    (tmp_path / "weights.toml").write_text(text)
    assert command("train", data_folder, "--config", config, "--name", "kept") == 0
    best = data_folder / "runs/kept/best_model.keras"
    before = best.read_bytes()
    assert command("train", data_folder, "--config", tmp_path / "weights.toml", "--name", "kept", "--restart") == 2
    assert best.read_bytes() == before
    assert command("train", data_folder, "--config", tmp_path / "weights.toml", "--name", "fresh") == 2
    assert 'there/is/none.keras: there is no such file; give its path, or weights = "none"' in capsys.readouterr().err
    assert not (data_folder / "runs/fresh").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["infer", "x", "--name", "a", "--threshold", "abc"], "abc is neither a number between 0 and 1 nor otsu"),
        pytest.param(
            ["evaluate", "x", "--name", "a", "--threshold", "otsu"], "otsu is neither a number between 0 and 1 nor auto"
        ),
        pytest.param(["infer", "x", "--name", "a", "--smallest-lesion", "-3"], "-3 is not a whole number of pixels"),
        pytest.param(["infer", "x", "--name", "a", "--smallest-lesion", "few"], "few is not a whole number of pixels"),
        pytest.param(["infer", "x", "--name", "a", "--output", __file__], "is a file; give a folder to write to"),
        pytest.param(["convert-config", "x.config", "--output", "x.config"], "x.config does not end in .toml"),
        pytest.param(["preview", "x", "--config", "classes", "--output", "sheet.jpg"], "sheet.jpg does not end in .png"),
    ],
)
def test_arguments_that_cannot_be_are_told(words, told, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert told in capsys.readouterr().err


def test_networks_are_listed_with_the_sides_that_they_take(capsys):
    assert command("models") == 0
    told = capsys.readouterr().out
    assert "AttentionUNet\n  2,027,861 parameters with the default settings\n  sides: multiples of 16" in told
    assert "sides: 32, 64, 128, 256, 384, 512 (up to 512), from patch_size 4" in told


def test_an_inspection_of_a_configuration_and_of_a_file(config, gray_model, tmp_path, capsys):
    assert command("inspect", "--config", config, "--output", tmp_path / "one") == 0
    told = capsys.readouterr().out
    assert re.search(r"parameters +61\n", told)  # 1 * 9 * 2 + 2, 2 * 9 * 2 + 2, 2 + 1
    assert re.search(r"receptive_field_px +5\n", told)
    assert "layers.csv" in told
    assert command("inspect", "--model", gray_model, "--output", tmp_path / "other") == 0
    assert "Rescaling" in (tmp_path / "other/layers.csv").read_text()
    assert command("inspect", "--name", "tiny") == 2
    assert "--name needs DATASET" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_in_a_real_process_is_status_130_and_the_same_command_goes_on(data_folder, config):
    long = "epochs = 400\npatience = 400\nepoch_change_infer = false"
    config.write_text(CONFIG.replace("epochs = 1", long))
    words = [sys.executable, "-m", "segmenter", "train", str(data_folder), "--config", str(config)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("epoch 2:"):
                process.send_signal(signal.SIGINT)
                break
        process.stdout.read()
        error = process.stderr.read()
    assert process.returncode == 130
    assert error.splitlines()[-1] == "interrupted; run the same command again to continue from here"
    state = json.loads((data_folder / "runs/tiny/state.json").read_text())
    config.write_text(config.read_text().replace("epochs = 400", f"epochs = {state['epoch'] + 1}"))
    done = subprocess.run([*words, "--resume"], capture_output=True, text=True, timeout=120)
    assert f"continues after epoch {state['epoch']}" in done.stdout
    rows = read_csv(data_folder / "runs/tiny/train_losses.csv")
    assert [int(row["epoch"]) for row in rows] == list(range(1, state["epoch"] + 2))


def empty_test(folder):
    no_model(folder)
    for path in (folder / "test").rglob("*.png"):
        path.unlink()


def empty_valid(folder):
    for path in (folder / "valid").rglob("*.png"):
        path.unlink()


def no_model(folder):
    (folder / "runs/tiny").mkdir(parents=True)
    (folder / "runs/tiny/best_model.keras").write_text("no model")
    (folder / "runs/tiny/config.toml").write_text(CONFIG)


def misspelt(folder):
    (folder.parent / "tiny.toml").write_text("[model]\nbase_filter = 2")


@pytest.mark.parametrize(
    ("harm", "words", "told"),
    [
        pytest.param(
            misspelt, "train SET --config TMP/tiny.toml", "tiny.toml: [model] base_filter: unknown key; expected", id="key"
        ),
        pytest.param(None, "train", "DATASET is missing; give the path", id="no data set named"),
        pytest.param(
            None, "train SET --config quik", "--config quik: is not a known configuration; expected one of", id="config"
        ),
        pytest.param(None, "train SET --config TMP/absent.toml", "absent.toml: cannot be read (No such file", id="config file"),
        pytest.param(None, "train TMP/absent", "absent: there is no such folder; the data sets in", id="no folder"),
        pytest.param(None, "train TMP", "is not a data set: it has no train/images and no valid/images", id="no data set"),
        pytest.param(
            empty_valid, "train SET --config TMP/tiny.toml", "split valid is empty; found train 6, valid 0,", id="valid"
        ),
        pytest.param(None, "train SET --config TMP/tiny.toml --resume", "runs/tiny: has nothing to resume", id="resume"),
        pytest.param(None, "train SET --name a/b", "--name a/b: expected only letters", id="name"),
        pytest.param(None, "train SET --fold 1", "has samples without a fold; folds come from the column fold", id="no folds"),
        pytest.param(None, "evaluate SET --name tiny", "tiny: has no best_model.keras; no run here has a model", id="no run"),
        pytest.param(no_model, "evaluate SET --name tiny", "best_model.keras: is not a Keras model: it starts", id="no model"),
        pytest.param(
            empty_test, "evaluate SET --name tiny", "the split test is empty; found train 6, valid 3, test 0", id="test"
        ),
        pytest.param(None, "infer", "infer: names neither images nor a model; give a file or folder", id="nothing"),
        pytest.param(None, "infer TMP/absent", "absent: is not there; give a file or folder of images", id="neither"),
        pytest.param(None, "infer --name tiny", "--name needs DATASET", id="name alone"),
        pytest.param(None, "infer --model x.keras", "--model x.keras: --output DIR is missing", id="no output"),
        pytest.param(None, "infer --model x.keras --output out", "--model x.keras: --images is missing", id="no images"),
        pytest.param(
            None, "infer --model x.keras --images SET --output out", "--model x.keras: there is no such file", id="no file"
        ),
        pytest.param(no_model, "infer SET --name tiny --images TMP/absent", "absent: is not there", id="absent images"),
        pytest.param(None, "summary SET --name tiny", "tiny: has no best_model.keras", id="summary"),
    ],
)
def test_bad_input_is_one_line_and_status_2(data_folder, config, tmp_path, capsys, harm, words, told):
    if harm:
        harm(data_folder)
    words = words.replace("SET", str(data_folder)).replace("TMP", str(tmp_path)).split()
    assert command(*words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert told in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        pytest.param("train SET --config quick --name a", 0, "", id="good"),
        pytest.param("train SET --config quik", 2, "did you mean quick?", id="config"),
        pytest.param("train SET --config full", 2, "full is called classes now", id="renamed"),
        pytest.param("cv SET --set train.epoch=3", 2, "[train] epoch: unknown key", id="set"),
        pytest.param("evaluate SET --name a/b", 2, "--name a/b: expected only letters", id="name"),
        pytest.param("infer SET --name a b/c", 2, "--name b/c: expected only letters", id="names"),
        pytest.param("infer SET --name a --images SET", 2, "absent: is not there", id="images"),
        pytest.param("infer --model x.keras", 0, "", id="no name"),
        pytest.param("models", 0, "", id="no arguments"),
    ],
)
def test_a_check_reads_the_arguments_alone_without_tensorflow(tmp_path, words, status, told):
    words = words.replace("SET", str(tmp_path / "absent")).split()
    assert imported_tensorflow("--check", *words)[::2] == (status, False)
    assert told in imported_tensorflow("--check", *words)[1]


@pytest.mark.parametrize(
    "words",
    [
        ["infer", "x", "--name"],
        ["evaluate", "x"],
        ["infer", "x", "--name", "a", "--threshold", "2"],
        ["train", "x", "--resume", "--restart"],
    ],
)
def test_bad_usage_is_status_2(words):
    with pytest.raises(SystemExit) as end:
        command(*words)
    assert end.value.code == 2
