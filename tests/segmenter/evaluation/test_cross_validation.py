import csv
import json
import subprocess
import sys

import pytest
from small_sets import training_state

from pipeline.files import InputError, read_csv
from segmenter.cli import main
from segmenter.data.dataset import read_data_set
from segmenter.evaluation import read_summary, write_evaluation
from segmenter.evaluation.cross_validation import describe, pool_folds
from segmenter.evaluation.measuring import Tables
from segmenter.runs import find_trained, open_run, write_state
from segmenter.training import callbacks

CONFIG = """
[model]
image_width = 16
image_height = 16
base_filters = 2
num_layers = 1
[train]
epochs = 2
batch_size = 2
epoch_change_infer = false
"""


@pytest.fixture
def folded(data_folder):
    """Twelve samples of six patients in three folds, with other splits in the manifest; and a configuration."""
    pairs = sorted(data_folder.glob("*/images/*.png"))
    with (data_folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sample", "image_id", "variant", "split", "fold", "patient", "class", "image", "mask"])
        for number, image in enumerate(pairs):
            split, patient = image.parts[-3], number % 6
            files = [f"{split}/{kind}/{image.name}" for kind in ("images", "masks")]
            writer.writerow([image.stem, image.stem, "original", split, patient % 3, f"P{patient}", "malignant", *files])
    (data_folder.parent / "tiny.toml").write_text(CONFIG)
    return data_folder


def cv_command(folder, *more):
    return ["cv", str(folder), "--config", str(folder.parent / "tiny.toml"), *more]


class Epochs(list):
    """The run's name for each trained epoch; an epoch of the run `stop` ends as if Ctrl-C were pressed."""

    stop = ""

    def note(self, run, state):
        write_state(run, state)
        self.append(run.name)
        if run.name == self.stop:
            raise KeyboardInterrupt


@pytest.fixture
def epochs(monkeypatch):
    trained = Epochs()
    monkeypatch.setattr(callbacks, "write_state", trained.note)
    return trained


def test_every_epoch_is_trained_once_and_each_sample_held_out_once(folded, epochs, capsys):
    epochs.stop = "tiny-fold1"
    assert main(cv_command(folded)) == 130
    assert epochs == ["tiny-fold0", "tiny-fold0", "tiny-fold1"]
    assert not (folded / "runs/tiny-cv").exists()

    epochs.stop = ""
    capsys.readouterr()
    assert main(cv_command(folded, "--folds", "3")) == 0
    printed = capsys.readouterr().out
    for line in ("tiny-fold0: trained already", "tiny-fold1: continues after epoch 1", "tiny-cv: 3 folds pooled"):
        assert line in printed
    assert epochs == [f"tiny-fold{fold}" for fold in (0, 0, 1, 1, 2, 2)]

    manifest = {row["sample"]: row for row in read_csv(folded / "manifest.csv")}
    rows = read_csv(folded / "runs/tiny-cv/evaluation/test/per_image.csv")
    assert sorted(row["sample"] for row in rows) == sorted(manifest)
    for row in rows:
        assert row["fold"] == manifest[row["sample"]]["fold"]
        assert row["run"] == f"tiny-fold{row['fold']}"
        assert (folded / f"runs/{row['run']}/evaluation/test/masks/{row['sample']}.png").is_file()
    assert read_summary(folded / "runs/tiny-cv/evaluation/test")["patients"] == 6

    program = "import sys; from segmenter.cli import main; assert main(sys.argv[1:]) == 0; assert 'keras' not in sys.modules"
    again = subprocess.run([sys.executable, "-c", program, *cv_command(folded)], capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert "tiny-cv: all 3 folds were done already" in again.stdout
    assert again.stdout.endswith(printed[printed.index("\nfold ") :])


def test_no_patient_of_a_folds_test_is_in_its_train_or_valid(folded):
    data = read_data_set(folded)
    for fold in range(data.folds):
        fold_data = data.in_fold(fold)
        test, valid, train = ({sample.patient for sample in fold_data.split(split)} for split in ("test", "valid", "train"))
        assert len(test | valid | train) == len(test) + len(valid) + len(train) == 6


def test_a_run_of_a_fold_remembers_its_fold(folded, capsys):
    assert main(["train", *cv_command(folded, "--fold", "1")[1:]]) == 0
    assert json.loads((folded / "runs/tiny-fold1/versions.json").read_text())["fold"] == 1
    held_out = {row["sample"] for row in read_csv(folded / "manifest.csv") if row["fold"] == "1"}
    assert main(["evaluate", str(folded), "--name", "tiny-fold1"]) == 0
    assert {row["sample"] for row in read_csv(folded / "runs/tiny-fold1/evaluation/test/per_image.csv")} == held_out
    assert main(["infer", str(folded), "--name", "tiny-fold1"]) == 0
    assert {path.stem for path in (folded / "runs/tiny-fold1/predictions/masks").glob("*.png")} == held_out
    capsys.readouterr()
    assert main(["summary", str(folded), "--name", "tiny-fold1"]) == 0
    assert "test    4 samples of 4 images, 2 patients" in capsys.readouterr().out
    assert main(["train", *cv_command(folded, "--fold", "2", "--name", "tiny-fold1")[1:]]) == 2
    assert "tiny-fold1: was trained on fold 1, not on fold 2; give another --name" in capsys.readouterr().err
    (folded / "runs/other").mkdir()
    for name in ("best_model.keras", "config.toml"):
        (folded / "runs/other" / name).write_bytes((folded / "runs/tiny-fold1" / name).read_bytes())
    assert main(["infer", str(folded), "--name", "tiny-fold1", "other"]) == 2
    assert "tiny-fold1 was trained on fold 1, and other on the data set's own splits; one has" in capsys.readouterr().err


def empty_fold(folder):
    manifest = folder / "manifest.csv"
    manifest.write_text("".join(line for line in manifest.read_text().splitlines(True) if ",P3," not in line))
    manifest.write_text(manifest.read_text().replace(",0,P0,", ",3,P0,"))


@pytest.mark.parametrize(
    ("damage", "options", "message"),
    [
        pytest.param(
            None,
            ["--folds", "5"],
            "manifest.csv has 3 folds; leave --folds out, or set folds in the recipe's [split] and make the data set again",
            id="other number",
        ),
        pytest.param(empty_fold, [], "the split test is empty; found train 6, valid 4, test 0", id="empty fold"),
        pytest.param(lambda folder: (folder / "manifest.csv").unlink(), [], "has samples without a fold", id="no manifest"),
        pytest.param(None, ["--name", "a/b"], "--name a/b-fold0: expected only letters", id="name"),
    ],
)
def test_a_data_set_that_cannot_be_cross_validated_is_refused_before_any_training(
    folded, epochs, capsys, damage, options, message
):
    if damage:
        damage(folded)
    assert main(cv_command(folded, *options)) == 2
    assert message in capsys.readouterr().err
    assert epochs == []


def evaluated(folder, fold, images, shared=()):
    """A run of a fold and its evaluation; each image is (patient, Dice or None, lesions, detected, false positives)."""
    run = open_run(folder, f"hand-fold{fold}")
    run.folder.mkdir(parents=True)
    run.checkpoint(4).write_text("")
    write_state(run, training_state(4, best_epoch=2 + fold))
    tables = Tables()
    for patient, dice, lesions, detected, false_positives in images:
        name = f"{patient}_L_CM_CC"
        area, metrics = (
            (100, {"precision": 1.0, "iou": dice / (2 - dice)}) if dice is not None else (0, {"precision": None, "iou": None})
        )
        names = {"sample": name, "image_id": name, "patient": patient, "variant": "original", "class": "", "split": "test"}
        counts = {"lesions": lesions, "detected": detected, "false_positives": false_positives}
        centres = {"centre_detected": detected, "centre_false_positives": false_positives}
        strata = {"kind": "CM", "view": "CC", "side": "L", "density": "", "birads": "5", "findings": "", "machine": "1"}
        overlap = {"dice": dice, "truth_px": area, "predicted_px": area, "empty_truth": int(not area)} | metrics
        lengths = dict.fromkeys(("hd95_px", "asd_px", "hd95_source_px", "asd_source_px", "hd95_mm", "asd_mm"))
        overlap |= {"sensitivity": dice, "specificity": 0.9, "nsd": dice} | lengths
        tables.images.append(
            names
            | overlap
            | counts
            | centres
            | strata
            | {"size": "small" if lesions else "", "band_share": 0.0 if lesions else ""}
        )
        for lesion in range(lesions):
            hit = int(lesion < detected)
            shape = {"area_px": 100, "size": "small", "centre_x": 5.0, "centre_y": 5.0}
            tables.lesions.append(
                {"sample": name, "lesion": lesion + 1, **shape, "iou": 0.5 * hit, "detected": hit, "centre_detected": hit}
            )
        found = [*range(1, detected + 1), *[""] * false_positives]
        tables.candidates.extend(
            {"sample": name, "candidate": number, "score": 0.5, "lesion": lesion, "centre_lesion": lesion}
            for number, lesion in enumerate(found, 1)
        )
    summary = {"identity": {"fold": fold}, "trained_on_too": shared, "size_cuts_px": [50, 150], "tolerance_px": 2.0}
    summary |= {"class_names": ["lesion"], "threshold": 0.5}
    write_evaluation(run.evaluation("test"), tables, summary, {"loss": 0.5})
    return run


@pytest.fixture
def hand(tmp_path):
    """Three folds whose metrics can be checked by eye."""
    images = (
        [("P1", 0.2, 1, 1, 0), ("P2", 0.4, 1, 0, 2)],
        [("P3", 0.6, 2, 1, 1), ("P4", None, 0, 0, 1)],
        [("P5", 0.9, 1, 1, 0)],
    )
    return [evaluated(tmp_path, fold, rows) for fold, rows in enumerate(images)]


def test_pooled_metrics_are_over_all_held_out_images_and_the_spread_over_folds(hand, tmp_path):
    pooled = open_run(tmp_path, "hand-cv")
    assert pool_folds(hand, pooled)
    folder = pooled.evaluation("test")
    summary = read_summary(folder)
    metrics = summary["metrics"]
    assert metrics["dice_mean_originals"] == pytest.approx((0.2 + 0.4 + 0.6 + 0.9) / 4)
    assert metrics["dice_median_originals"] == pytest.approx(0.5)
    assert metrics["detection_rate"] == pytest.approx(3 / 5)
    assert metrics["false_positives_per_image"] == pytest.approx(4 / 5)
    assert metrics["fold_dice_mean_mean"] == pytest.approx((0.3 + 0.6 + 0.9) / 3)
    assert metrics["fold_dice_mean_std"] == pytest.approx(0.3)
    assert "fold_hd95_px_mean" not in metrics
    assert "loss" not in metrics
    assert (summary["patients"], summary["patients_in_train"], summary["size_cuts_px"]) == (5, 0, None)
    assert (summary["tolerance_px"], summary["class_names"], summary["threshold"]) == (2.0, ["lesion"], 0.5)
    assert [identity["fold"] for identity in summary["identity"]["folds"]] == [0, 1, 2]
    assert "dice_mean_originals,0.5250" in (folder / "evaluation.csv").read_text().splitlines()
    assert {path.name for path in folder.iterdir()} >= {"per_lesion.csv", "froc.csv", "froc_curve.csv", "metrics.csv"}


def test_a_patient_that_several_folds_trained_on_counts_once(tmp_path):
    images = [[("P1", 0.2, 1, 1, 0)], [("P2", 0.6, 1, 1, 0)]]
    runs = [evaluated(tmp_path, fold, rows, ["P1"]) for fold, rows in enumerate(images)]
    pool_folds(runs, open_run(tmp_path, "hand-cv"))
    summary = read_summary(open_run(tmp_path, "hand-cv").evaluation("test"))
    assert (summary["patients_in_train"], summary["patients"]) == (1, 2)


def test_images_with_a_partner_are_counted_over_the_folds(hand, tmp_path):
    for run, count in zip(hand, (2, 1, 0), strict=True):
        path = run.evaluation("test") / "summary.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"with_partner": count}))
    pool_folds(hand, open_run(tmp_path, "pair-cv"))
    assert read_summary(open_run(tmp_path, "pair-cv").evaluation("test"))["with_partner"] == 3
    assert describe(open_run(tmp_path, "pair-cv"))[-1] == "3 of 5 images with both images of their view"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"with_partner": None}))
    pool_folds(hand, open_run(tmp_path, "hand-cv"))
    assert read_summary(open_run(tmp_path, "hand-cv").evaluation("test"))["with_partner"] is None
    assert "both" not in describe(open_run(tmp_path, "hand-cv"))[-1]


def test_one_row_per_fold(hand, tmp_path):
    pool_folds(hand, open_run(tmp_path, "hand-cv"))
    with pytest.raises(InputError, match="hand-cv: is a cross-validation and has no model of its own; name the run of one"):
        find_trained(tmp_path, "hand-cv")
    text = (tmp_path / "runs/hand-cv/evaluation/test/folds.csv").read_text()
    assert text.splitlines() == [
        "fold,patients,images,epochs,best_epoch,dice_mean,dice_median,nsd,hd95_px,detection_rate,false_positives_per_image",
        "0,2,2,4,2,0.3000,0.3000,0.3000,,0.5000,1.0000",
        "1,2,2,4,3,0.6000,0.6000,0.6000,,0.5000,1.0000",
        "2,1,1,4,4,0.9000,0.9000,0.9000,,1.0000,0.0000",
    ]


def test_pooling_again_is_only_done_where_a_fold_has_changed(hand, tmp_path):
    pooled = open_run(tmp_path, "hand-cv")
    assert pool_folds(hand, pooled)
    assert not pool_folds(hand, pooled)
    path = hand[1].evaluation("test") / "summary.json"
    path.write_text(path.read_text().replace('"fold": 1', '"fold": "another"'))
    assert pool_folds(hand, pooled)


def test_the_table_is_aligned(hand, tmp_path):
    pooled = open_run(tmp_path, "hand-cv")
    pool_folds(hand, pooled)
    lines = describe(pooled)
    by_fold = lines[: lines.index("")]
    assert [line.split()[0] for line in by_fold] == ["fold", "0", "1", "2", "mean", "std"]
    assert len({len(line) for line in by_fold}) == 1
    assert by_fold[4].split() == ["mean", "0.600", "0.600", "0.600", "0.667", "0.667"]
    dice = next(line for line in lines if line.startswith("dice "))
    assert dice.split()[:4] == ["dice", "4", "4", "0.525"]
    assert " to " in dice
