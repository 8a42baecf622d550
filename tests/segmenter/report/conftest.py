"""A data set and a run of it, for tests of reports."""

import csv

import pytest
from report_runs import describe, evaluate
from small_sets import training_state

from pipeline.files import write_text
from segmenter.configuration import Configuration
from segmenter.data.dataset import read_data_set
from segmenter.evaluation.cross_validation import pool_folds
from segmenter.report import charts
from segmenter.runs import open_run, record_start, write_state


@pytest.fixture
def folder(tmp_path, write_pair, draw_pair):
    """Fourteen images of seven patients, ten in test; P5's two have no lesion. With a manifest and a dataset.json."""
    rows = []
    for number in range(14):
        patient, split = f"P{number // 2 + 1}", "test" if number < 10 else "train" if number < 12 else "valid"
        side, kind, view = ("L", "CM", "CC") if number % 2 == 0 else ("R", "DM", "MLO")
        name, (image, mask) = f"{patient}_{side}_{kind}_{view}", draw_pair(number)
        if patient == "P5":
            mask[:] = 0
        write_pair(tmp_path / "set", split, name, image, mask)
        label = "malignant" if mask.any() else "normal"
        row = {"sample": name, "image_id": name, "variant": "original", "split": split, "fold": number // 2 % 3}
        row |= {"patient": patient, "class": label, "kind": kind, "view": view, "side": side}
        rows.append(row | {"image": f"{split}/images/{name}.png", "mask": f"{split}/masks/{name}.png"})
    with (tmp_path / "set" / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    describe(tmp_path / "set")
    return tmp_path / "set"


@pytest.fixture
def run(folder):
    """A run that was trained for three epochs, the second the best, and evaluated on test."""
    run = open_run(folder, "tiny")
    evaluate(run, read_data_set(folder), Configuration())
    write_text(run.folder / "train_losses.csv", "epoch,loss,val_loss\n1,0.9,0.8\n2,0.5,0.6\n3,0.4,0.7\n")
    write_text(run.folder / "train_metrics.csv", "epoch,dice_coef,val_dice_coef\n1,0.1,0.2\n2,0.5,0.4\n3,0.6,0.3\n")
    write_text(run.folder / "last_epoch_0003.keras", "")
    write_state(run, training_state(3, best_epoch=2, wait=1))
    return run


@pytest.fixture
def pooled(folder):
    """A cross-validation of three folds."""
    data, configuration = read_data_set(folder), Configuration()
    runs = [open_run(folder, f"tiny-fold{fold}") for fold in range(3)]
    for fold, run in enumerate(runs):
        evaluate(run, data.in_fold(fold), configuration)
        write_text(run.folder / "last_epoch_0002.keras", "")
        write_state(run, training_state(2, wait=1))
    pooled = open_run(folder, "tiny-cv")
    pool_folds(runs, pooled)
    record_start(pooled, configuration, {})
    pooled.versions.unlink()
    return pooled


@pytest.fixture
def without_charts(monkeypatch):
    """For pages whose charts no test inspects: drawing them takes most of the time."""
    for name in ("training", "froc", "froc_by_size", "strata", "size", "folds"):
        monkeypatch.setattr(charts, f"{name}_chart", lambda *_: "a chart")
