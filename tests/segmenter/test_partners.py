"""A network that takes both images of a view, from training to report."""

import json

import pytest

from pipeline.files import read_csv
from segmenter.cli import main
from segmenter.runs import Run

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


@pytest.fixture(scope="module")
def trained(tmp_path_factory, write_views):
    """A run of a network that takes both images of a view, evaluated with both."""
    root = tmp_path_factory.mktemp("trained")
    (root / "pair.toml").write_text(CONFIG)
    folder = write_views(root / "views", train=4, valid=2, test=2)
    assert command("train", folder, "--config", root / "pair.toml", "--name", "pair") == 0
    assert command("evaluate", folder, "--name", "pair") == 0
    return Run(folder / "runs/pair")


def test_both_modes_are_evaluated_next_to_each_other(trained, capsys):
    before = (trained.evaluation("test") / "summary.json").read_bytes()
    words = ("evaluate", trained.data_folder, "--name", "pair", "--single", "--threshold", "auto")
    assert command(*words) == 0
    assert (trained.evaluation("test") / "summary.json").read_bytes() == before
    folders = [trained.evaluation("test", single=single) for single in (False, True)]
    assert [json.loads((folder / "summary.json").read_text())["identity"]["partner"] for folder in folders] == [True, False]
    assert [len(read_csv(folder / "per_image.csv")) for folder in folders] == [4, 4]
    assert (trained.folder / "evaluation/threshold_single.json").is_file()
    assert not (trained.folder / "evaluation/threshold.json").exists()
    assert command(*words) == 0
    assert "evaluation/test_single: evaluated already" in capsys.readouterr().out


def test_a_report_shows_both_modes(trained):
    assert command("evaluate", trained.data_folder, "--name", "pair", "--single") == 0
    assert command("report", trained.data_folder, "--name", "pair") == 0
    page, card = ((trained.folder / name).read_text() for name in ("report.html", "model_card.md"))
    assert "The network takes both images of a view, low-energy and subtracted" in page
    assert "It was also evaluated without the other one." in page
    assert page.count("single image</td>") == page.count("both images</td>") > 5
    assert "| Dice | single image |" in card
    assert "3 channels, levels 0 to 1: low-energy, subtracted, and the annotated one of the two again" in page
    evaluated = trained.evaluation("test", single=True)
    aside = evaluated.rename(evaluated.with_name("aside"))
    assert command("report", trained.data_folder, "--name", "pair") == 0
    assert "How well it does without the other one was not evaluated" in (trained.folder / "report.html").read_text()
    aside.rename(evaluated)


def test_the_two_modes_can_be_compared(trained, capsys):
    assert command("evaluate", trained.data_folder, "--name", "pair", "--single") == 0
    assert command("compare", trained.folder, trained.evaluation("test", single=True)) == 0
    assert "evaluation/test_single" in capsys.readouterr().out


def test_an_inference_of_the_run_finds_the_partners_of_its_test(trained):
    assert command("infer", trained.data_folder, "--name", "pair") == 0
    assert [row["status"] for row in read_csv(trained.predictions / "partners.csv")] == ["registered"] * 4


@pytest.mark.slow
def test_a_cross_validation_pools_both_modes(tmp_path, write_views, config):
    folder = write_views(tmp_path / "views", train=4, valid=2)
    rows = ["sample,image_id,variant,split,fold,patient,class,kind,image,mask"]
    for number, image in enumerate(sorted(folder.glob("*/images/*.png"))):
        split, name = image.parts[-3], image.stem
        files = f"{split}/images/{image.name},{split}/masks/{image.name}"
        rows.append(
            f"{name},{name},original,{split},{number // 2 % 3},{name.split('_')[0]},malignant,{name.split('_')[2]},{files}"
        )
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    assert command("cv", folder, "--config", config) == 0
    pooled = Run(folder / "runs/pair-cv")
    for single in (False, True):
        assert len(read_csv(pooled.evaluation("test", single=single) / "per_image.csv")) == 12
        assert len(read_csv(pooled.evaluation("test", single=single) / "folds.csv")) == 3
    assert command("report", folder, "--name", "pair-cv") == 0
    assert "It was also evaluated without the other one." in (pooled.folder / "report.html").read_text()


def test_single_images_are_all_that_another_network_takes(views_folder, config, capsys):
    config.write_text(CONFIG.replace("partner = true\npartner_dropout = 0.5\n", ""))
    assert command("train", views_folder, "--config", config, "--name", "one") == 0
    assert command("evaluate", views_folder, "--name", "one", "--single") == 2
    assert "has [dataset] partner = false, so the network takes single images; leave --single out" in capsys.readouterr().err
    assert "partner" not in json.dumps(json.loads((views_folder / "runs/one/versions.json").read_text()))


def test_a_data_set_without_partners_is_refused(data_folder, config, capsys):
    assert command("train", data_folder, "--config", config, "--name", "pair") == 2
    assert "no image of train has a partner in train/partners; make the data set with recipe v2-pairs" in capsys.readouterr().err
