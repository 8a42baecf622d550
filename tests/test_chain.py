"""From raw files to a prediction, through the two programs, on the smallest phantom."""

import csv

import cv2
import numpy as np
import pytest
from inputs import small_recipe

import pipeline.cli
import segmenter.cli

CONFIG = """
[model]
image_width = 32
image_height = 32
base_filters = 4
num_layers = 3
[train]
epochs = 1
batch_size = 4
num_infer_images = 1
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Phantom, data set, model, evaluation and predictions, each made by its command; paths hold spaces."""
    root = tmp_path_factory.mktemp("a project")
    raw, folder, config = root / "raw data", root / "data sets" / "small", root / "tiny.toml"
    config.write_text(CONFIG)
    recipe = small_recipe(root / "small.toml", variants=("original", "flipped"))
    (root / "small.toml").write_text((root / "small.toml").read_text().replace("size_px = 32", "size_px = 64"))
    for program, arguments in (
        (pipeline.cli, ["phantom", raw, "--patients", 6, "--workers", 1]),
        (pipeline.cli, ["dataset", "--raw", raw, "--out", folder, "--recipe", recipe, "--workers", 1]),
        (segmenter.cli, ["train", folder, "--config", config]),
        (segmenter.cli, ["evaluate", folder, "--name", "tiny", "--split", "valid", "test"]),
        (segmenter.cli, ["infer", folder, "--name", "tiny", "--images", raw]),
    ):
        assert program.main([str(argument) for argument in arguments]) == 0, arguments
    return raw, folder


def test_the_data_set_is_complete(project):
    _, folder = project
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["split"] for row in rows} == {"train", "valid", "test"}
    assert "This is a phantom" in (folder / "README.md").read_text()


def test_the_evaluation_has_a_dice_for_each_original_of_test(project):
    _, folder = project
    with (folder / "runs/tiny/evaluation/test/per_image.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["variant"] for row in rows} == {"original", "flipped"}
    assert all(0 <= float(row["dice"]) <= 1 for row in rows)


def test_predictions_have_the_size_of_their_sources(project):
    raw, folder = project
    masks = sorted((folder / "runs/tiny/predictions/masks").glob("*.png"))
    sources = {path.stem: path for path in raw.rglob("*.jpg")}
    assert {path.stem for path in masks} == set(sources)
    for path in masks[:5]:
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert mask.shape == cv2.imread(str(sources[path.stem]), cv2.IMREAD_GRAYSCALE).shape
        assert set(np.unique(mask)) <= {0, 255}


def test_each_command_again_finds_everything_done(project, capsys):
    raw, folder = project
    assert pipeline.cli.main(["phantom", str(raw), "--patients", "6", "--workers", "1"]) == 0
    assert segmenter.cli.main(["train", str(folder), "--config", str(folder.parents[1] / "tiny.toml")]) == 0
    assert segmenter.cli.main(["evaluate", str(folder), "--name", "tiny"]) == 0
    assert segmenter.cli.main(["infer", str(folder), "--name", "tiny", "--images", str(raw)]) == 0
    out = capsys.readouterr().out
    assert all(words in out for words in ("was there already", "trained already", "evaluated already", "inferred already"))


def test_the_summary_names_counts_dice_and_pictures(project, capsys):
    _, folder = project
    assert segmenter.cli.main(["summary", str(folder), "--name", "tiny"]) == 0
    out = capsys.readouterr().out
    assert "contact_sheet_train.png" in out
    assert "Dice" in out
