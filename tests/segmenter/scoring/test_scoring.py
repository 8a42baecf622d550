"""Masks of any program scored as a run, without Keras."""

import json
import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import segmenter
from pipeline.files import sha256
from segmenter.cli import main
from segmenter.configuration import Configuration
from segmenter.data.dataset import read_data_set
from segmenter.evaluation import evaluate, read_summary
from segmenter.evaluation.aggregation import read_table
from segmenter.evaluation.cross_validation import pool_folds
from segmenter.runs import open_run, record_start

TABLES = ("per_image.csv", "per_lesion.csv", "froc.csv", "metrics.csv", "froc_curve.csv")


class Blurred:
    """Predicts the smoothed image, so that probabilities have many values and some lesions grow together."""

    side, height, width, channels, crop = 32, 32, 32, 1, "none"

    def predict(self, images):
        likely = np.stack([cv2.GaussianBlur(image.astype(np.float32) / 290, (7, 7), 0) for image in images[..., 0]])
        self.seen = getattr(self, "seen", []) + list(likely)
        return likely[..., None]


@pytest.fixture
def evaluate_own(monkeypatch):
    """Makes a run of this program, evaluated on test; returns it and the probabilities that its model predicted by sample."""

    def make(data, name):
        predictor = Blurred()
        monkeypatch.setattr("segmenter.evaluation.evaluator.load", lambda *_: predictor)
        run = open_run(data.folder, name)
        run.folder.mkdir(parents=True)
        run.best_model.write_text("a model")
        record_start(run, Configuration(), {"data_identity": data.identity, "fold": data.fold})
        train = data.split("train")
        identity = {"model_sha256": sha256(run.best_model), "data_identity": data.identity}
        folder = run.evaluation("test")
        evaluate(run.best_model, data.split("test"), Configuration(), folder, identity, train=train, trained_on=())
        return run, dict(zip([sample.name for sample in data.split("test")], predictor.seen, strict=True))

    return make


@pytest.fixture
def own(evaluate_own, data_folder):
    """A run of this program and what its model predicted."""
    return evaluate_own(read_data_set(data_folder), "own")


def score(folder, *options, name="other"):
    return main(["evaluate", str(folder), "--name", name, *map(str, options)])


def write_all(folder, likely, suffix):
    folder.mkdir()
    for name, values in likely.items():
        if suffix == ".npy":
            np.save(folder / f"{name}.npy", values)
        elif suffix == ".npz":
            np.savez(folder / f"{name}.npz", probabilities=np.stack([1 - values, values])[:, None])
        else:
            assert cv2.imwrite(str(folder / f"{name}.png"), np.rint(values * 65535).astype(np.uint16))
    return folder


def assert_same_tables(first, second):
    for name in TABLES:
        expected, table = (read_table(folder / name) for folder in (first, second))
        expected = expected.drop(columns="run", errors="ignore")  # of a cross-validation
        assert list(expected) == list(table)
        # Tables have scores with four decimals, to which 16 bits may round differently.
        scores = {"score", "threshold"} & set(table)
        for column in table:
            if table[column].dtype.kind == "f":
                np.testing.assert_allclose(table[column], expected[column], rtol=0, atol=1e-4 if column in scores else 1e-12)
            else:
                assert table[column].equals(expected[column])


@pytest.mark.parametrize(("suffix", "precision"), [(".npy", "float32"), (".npz", "float32"), (".png", "16 bits")])
def test_own_masks_have_the_same_metrics_when_they_are_scored(own, data_folder, tmp_path, suffix, precision):
    run, likely = own
    probabilities = write_all(tmp_path / "likely", likely, suffix)
    assert score(data_folder, "--masks", run.evaluation("test") / "masks", "--probabilities", probabilities) == 0
    other = open_run(data_folder, "other")
    assert_same_tables(run.evaluation("test"), other.evaluation("test"))
    summaries = [read_summary(one.evaluation("test")) for one in (run, other)]
    assert summaries[1]["scored"]["probabilities"] == precision
    shared = summaries[1]["metrics"].keys()
    assert {name: summaries[0]["metrics"][name] for name in shared} == pytest.approx(summaries[1]["metrics"], abs=1e-12)
    assert "dice_mean_originals" in shared
    for mask in (run.evaluation("test") / "masks").iterdir():
        assert mask.read_bytes() == (other.evaluation("test") / "masks" / mask.name).read_bytes()


def test_pooled_masks_have_the_metrics_of_the_cross_validation(evaluate_own, data_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("segmenter.evaluation.cross_validation.read_state", lambda _: SimpleNamespace(epoch=1, best_epoch=1))
    data = read_data_set(data_folder)
    rows = [
        f"{one.name},{one.split},{number % 3},{one.patient},malignant,original,{one.name},{one.split}/images/{one.name}.png,"
        f"{one.split}/masks/{one.name}.png\n"
        for number, one in enumerate(sorted(data.samples, key=lambda one: one.name))
    ]
    columns = "sample,split,fold,patient,class,variant,image_id,image,mask\n"
    (data_folder / "manifest.csv").write_text(columns + "".join(rows))
    data = read_data_set(data_folder)
    folds = [evaluate_own(data.in_fold(fold), f"own-fold{fold}") for fold in range(3)]
    pooled = open_run(data_folder, "own-cv")
    assert pool_folds([run for run, _ in folds], pooled)
    likely = write_all(tmp_path / "likely", {name: one for _, each in folds for name, one in each.items()}, ".npy")
    masks = [run.evaluation("test") / "masks" for run, _ in folds]
    assert score(data_folder, "--fold", "all", "--masks", *masks, "--probabilities", likely, "--json") == 0
    assert_same_tables(pooled.evaluation("test"), open_run(data_folder, "other").evaluation("test"))


def test_results_for_programs_have_no_metrics_over_batches(own, data_folder, capsys):
    run, _ = own
    assert score(data_folder, "--masks", run.evaluation("test") / "masks", "--json") == 0
    result = json.loads(capsys.readouterr().out)["evaluations"][0]
    assert (result["batches"], result["threshold"], result["missing"], result["up_to_date"]) == (None, None, 0, False)
    table = segmenter.evaluate_masks(data_folder, run.evaluation("test") / "masks", "library")
    dice = table.query("group == 'all' and metric == 'dice'")["mean"].item()
    assert dice == pytest.approx(result["metrics"][0]["value"], abs=1e-12)


def test_everything_works_without_keras(own, data_folder, capsys):
    run, _ = own
    code = "import sys; from segmenter.cli import main; status = main(sys.argv[1:])\nprint(status, *sys.modules)"
    masks = str(run.evaluation("test") / "masks")

    def loaded(*arguments):
        process = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True)
        status, *names = process.stdout.splitlines()[-1].split()
        assert status == "0"
        assert not {name.split(".")[0] for name in names} & {"tensorflow", "keras", "jax", "torch"}

    loaded("evaluate", data_folder, "--name", "other", "--masks", masks)
    loaded("report", data_folder, "--name", "other")


def test_report_card_summary_and_comparison_state_that_masks_are_of_another_program(own, data_folder, capsys):
    run, _ = own
    assert score(data_folder, "--masks", run.evaluation("test") / "masks") == 0
    other = open_run(data_folder, "other")
    assert main(["compare", str(run.folder), str(other.folder)]) == 0
    assert "images by Dice: 0 better, 0 worse, 3 equal" in capsys.readouterr().out
    assert main(["report", str(data_folder), "--name", "other"]) == 0
    page, card = ((other.folder / name).read_text() for name in ("report.html", "model_card.md"))
    for text in (page, card):
        assert "SlightlyFlexibleUNet" not in text
        assert "of another program: 3 .png" in text
        assert "taken as they are" in text
        assert "learning rate" not in text
    assert "there is no FROC curve; how many" in page
    assert "It is unknown whether patients of test are also in train" in card
    checklist = (other.folder / "claim.md").read_text()
    assert "| 22 | Network | – | describe input, output, layers and size |" in checklist
    assert "| 32 | Test on internal data | 3 images of 3 patients of the same data set, split test: mean Dice" in checklist
    assert main(["summary", str(data_folder), "--name", "other"]) == 0
    assert "Dice of 3 originals with lesions" in capsys.readouterr().out
