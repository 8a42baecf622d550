"""A network that takes both images of a view, from training to report."""

import json
from pathlib import Path

import pytest

from pipeline.files import read_csv
from segmenter.cli import main

CONFIG = """
[model]
image_width = 16
image_height = 16
image_channels = 3
base_filters = 2
num_layers = 1
[dataset]
partner = true
partner_dropout = 0.5
[train]
epochs = 1
batch_size = 4
num_infer_images = 1
epoch_change_tiledinfer = true
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "pair.toml"
    path.write_text(CONFIG)
    return path


def command(*words):
    return main([str(word) for word in words])


def dices(folder: Path):
    return [row["dice"] for row in read_csv(folder / "per_image.csv")]


def test_both_modes_are_evaluated_next_to_each_other(views_folder, config, capsys):
    assert command("train", views_folder, "--config", config, "--name", "pair") == 0
    run = views_folder / "runs/pair"
    assert command("evaluate", views_folder, "--name", "pair") == 0
    before = (run / "evaluation/test/summary.json").read_bytes()
    assert command("evaluate", views_folder, "--name", "pair", "--single", "--threshold", "auto") == 0
    assert (run / "evaluation/test/summary.json").read_bytes() == before
    assert (run / "evaluation/threshold_single.json").is_file()
    identities = [
        json.loads((run / f"evaluation/{name}/summary.json").read_text())["identity"] for name in ("test", "test_single")
    ]
    assert [identity["partner"] for identity in identities] == [True, False]
    assert len(dices(run / "evaluation/test_single")) == len(dices(run / "evaluation/test")) == 4
    assert command("evaluate", views_folder, "--name", "pair", "--single", "--threshold", "auto") == 0
    assert "evaluation/test_single: evaluated already" in capsys.readouterr().out


def test_single_images_are_all_that_another_network_takes(views_folder, config, capsys):
    config.write_text(CONFIG.replace("partner = true\npartner_dropout = 0.5\n", ""))
    assert command("train", views_folder, "--config", config, "--name", "one") == 0
    assert command("evaluate", views_folder, "--name", "one", "--single") == 2
    assert "has [dataset] partner = false, so the network takes single images; leave --single out" in capsys.readouterr().err
    assert "partner" not in json.dumps(json.loads((views_folder / "runs/one/versions.json").read_text()))


def test_a_data_set_without_partners_is_refused(data_folder, config, capsys):
    assert command("train", data_folder, "--config", config, "--name", "pair") == 2
    assert "no image of train has a partner in train/partners; make the data set with recipe v2-pairs" in capsys.readouterr().err
