"""Training, evaluation and inference by each backend of Keras that is installed, each in a process of its own."""

import json
import re
import shutil

import pytest
from hidden import run_without
from skips import need_package

from pipeline import cli
from pipeline.files import read_csv

pytestmark = pytest.mark.slow

BACKENDS = ("tensorflow", "jax", "torch")
SEGMENTER = "from segmenter.cli import main; sys.exit(main(sys.argv[1:]))"
CONFIGURATION = """
[model]
image_width = 32
image_height = 32
base_filters = 4
num_layers = 3
learning_rate = 0.01
{model}
[train]
epochs = 1
batch_size = 8
num_infer_images = 1
{train}
[tiledinfer]
split_size = 256
"""


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """A data set of a phantom."""
    folder = tmp_path_factory.mktemp("phantom")
    assert cli.main(["phantom", str(folder / "raw"), "--patients", "8", "--workers", "1"]) == 0
    raw = ["--raw", str(folder / "raw"), "--annotations", str(folder / "raw"), "--out", str(folder / "set")]
    assert cli.main(["dataset", *raw, "--recipe", "v2", "--workers", "1"]) == 0
    return folder / "set"


@pytest.fixture
def configuration(tmp_path):
    """Writes a configuration; returns its path."""

    def write(model="", train=""):
        path = tmp_path / "small.toml"
        path.write_text(CONFIGURATION.format(model=model, train=train))
        return path

    return write


def run(backend, *words, hidden=()):
    """Runs the segmenter with a backend; returns its standard output."""
    done = run_without(hidden, SEGMENTER, *words, environment={"KERAS_BACKEND": backend})
    assert done.returncode == 0, done.stderr
    return done.stdout


def val_losses(folder, name):
    return [float(row["val_loss"]) for row in read_csv(folder / "runs" / name / "train_losses.csv")]


@pytest.fixture(scope="module")
def begun(phantom, tmp_path_factory):
    """The data set with a run of one epoch on TensorFlow, whose weights every backend continues from."""
    path = tmp_path_factory.mktemp("configuration") / "small.toml"
    path.write_text(CONFIGURATION.format(model="", train=""))
    run("tensorflow", "train", phantom, "--config", path, "--name", "begun")
    return phantom


@pytest.fixture(scope="module")
def continued(begun):
    """Continues that run by a backend to its fourth epoch; returns the run's name."""

    def train(backend):
        need_package(backend)
        folder = begun / "runs" / backend
        if not folder.exists():
            shutil.copytree(begun / "runs/begun", folder)
            config = folder / "config.toml"
            run(backend, "train", begun, "--config", config, "--name", backend, "--resume", "--set", "train.epochs=4")
        return backend

    return train


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_three_epochs_from_the_same_weights_end_with_the_same_val_loss(begun, continued, backend):
    theirs, ours = (val_losses(begun, continued(name)) for name in ("tensorflow", backend))
    assert len(ours) == len(theirs) == 4
    assert ours[0] == theirs[0]
    assert ours == pytest.approx(theirs, rel=0.02)
    assert ours[-1] < 0.9 * ours[0], "nothing was learned"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_is_evaluated_applied_and_reported_by_its_backend(begun, continued, backend):
    name, folder = continued(backend), begun / "runs" / backend
    module = need_package(backend)
    versions = json.loads((folder / "versions.json").read_text())
    assert (versions["backend"], versions[backend], "keras" in versions) == (backend, module.__version__, True)
    assert not {*BACKENDS} - {backend} & versions.keys()
    run(backend, "evaluate", begun, "--name", name, "--split", "valid")
    metrics = dict(line.split(",") for line in (folder / "evaluation/valid/evaluation.csv").read_text().splitlines())
    assert float(metrics["loss"]) == pytest.approx(min(val_losses(begun, name)), rel=0.02)
    run(backend, "infer", begun, "--name", name)
    assert list((folder / "predictions/masks").glob("*.png"))
    run(backend, "evaluate", begun, "--name", name, "--split", "test")
    run(backend, "report", begun, "--name", name)
    for page in ("report.html", "model_card.md"):
        text = re.sub(r"<[^>]*>|\s|\|", " ", (folder / page).read_text())
        assert re.search(rf"backend +{backend} ", text), page
        assert re.search(rf" {backend} +{re.escape(module.__version__)} ", text), page
        assert re.search(r"device +(CPU|GPU) ", text), page


def test_jax_trains_and_predicts_where_tensorflow_is_not_installed(phantom, configuration):
    need_package("jax")
    augmented = configuration("generator = true\n[augmentor]\nhflip = true\nrotation = true\nbrightening = true")
    for words in (
        ["train", phantom, "--config", augmented, "--name", "alone"],
        ["evaluate", phantom, "--name", "alone"],
        ["infer", phantom, "--name", "alone", "--tiled", "--augmentation", "flips"],
        ["report", phantom, "--name", "alone"],
    ):
        run("", *words, hidden=["tensorflow", "torch"])
    assert json.loads((phantom / "runs/alone/versions.json").read_text())["backend"] == "jax"


def test_a_resumed_run_on_jax_is_one_that_was_not_interrupted(phantom, configuration):
    need_package("jax")
    path = configuration(model="dropout_rate = 0.2", train="epoch_change_infer = false\ncache_limit_mb = 0")
    run("jax", "train", phantom, "--config", path, "--name", "parts")
    for name, resume in (("parts", ["--resume"]), ("whole", [])):
        run("jax", "train", phantom, "--config", path, "--name", name, "--set", "train.epochs=2", *resume)
    assert val_losses(phantom, "parts") == pytest.approx(val_losses(phantom, "whole"), abs=1e-6)
