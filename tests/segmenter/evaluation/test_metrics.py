"""A metric of single images needs only one declaration."""

from pathlib import Path

import numpy as np
import pytest

from segmenter.configuration import Configuration
from segmenter.data.dataset import Sample
from segmenter.evaluation import comparison
from segmenter.evaluation.aggregation import read_table
from segmenter.evaluation.evaluator import write_evaluation
from segmenter.evaluation.measuring import measure_batches
from segmenter.evaluation.metrics import EMPTY_METRICS, IMAGE_METRICS, PIXELS, RATES, ImageMetric, metric_of
from segmenter.report.contents import strata_columns
from segmenter.runs import Run

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"


@pytest.fixture
def excess(monkeypatch):
    """A metric that the program does not have: the number of pixels predicted in excess."""
    metric = ImageMetric(
        "Excess, px",
        "pixels predicted beyond the ground truth's number",
        0,
        PIXELS,
        lower_is_better=True,
        by_group=True,
        compared=True,
        compute=lambda measured: measured.overlap.predicted_px - measured.overlap.truth_px if measured.overlap.truth_px else None,
    )
    monkeypatch.setitem(IMAGE_METRICS, "excess_px", metric)
    return metric


def write(run, widths):
    """An evaluation of two images with a lesion of 2 x 4 pixels; `widths` are the predicted columns of each."""
    samples = [
        Sample(f"P{number}", "test", Path(), Path(), f"P{number}", "original", f"P{number}", "benign") for number in (1, 2)
    ]
    ground_truth, likely = np.zeros((2, 8, 8), np.uint8), np.zeros((2, 8, 8, 1), np.float32)
    ground_truth[:, 2:4, :4] = 1
    for number, width in enumerate(widths):
        likely[number, 2:4, :width] = 0.9
    tables = measure_batches([(samples, ground_truth, likely)], Configuration(), None)
    write_evaluation(run.evaluation("test"), tables, {"identity": {"schema": 0}, "trained_on_too": None, "tolerance_px": 2.0}, {})
    return comparison.read_evaluated(run.folder, "test")


def test_a_metric_is_one_declaration(excess, tmp_path):
    first, second = (write(Run(tmp_path / name), widths) for name, widths in (("one", (5, 6)), ("two", (5, 4))))
    assert first.images["excess_px"].tolist() == [2, 4]
    metrics = read_table(first.run.evaluation("test") / "metrics.csv").set_index(["group", "value", "metric"])
    assert metrics.loc[("all", "", "excess_px"), ["mean", "median", "images"]].tolist() == [3, 3, 2]
    assert metrics.loc[("class", "benign", "excess_px"), "mean"] == 3
    table = comparison.compare_runs([first, second]).set_index(["metric", "statistic"])
    assert table.loc[("excess_px", "mean"), ["difference", "images_better", "images_equal"]].tolist() == [-2, 1, 1]
    assert metric_of("excess_px") is excess
    assert "Excess, px" in strata_columns()


def test_lower_is_better_decides_who_gained(excess, tmp_path):
    runs = [write(Run(tmp_path / name), widths) for name, widths in (("one", (6, 6)), ("two", (5, 5)))]
    table = comparison.compare_runs(runs).set_index(["metric", "statistic"])
    assert table.loc[("excess_px", "mean"), "images_better"] == 2


def test_dice_of_a_class_needs_no_declaration():
    assert (metric_of("dice_benign").label, metric_of("dice_benign").digits) == ("Dice, benign", 3)


@pytest.mark.parametrize("name", [*IMAGE_METRICS, *RATES, *EMPTY_METRICS])
def test_each_metric_is_documented(name):
    stem = name.removeprefix("centre_")  # the page describes the second criterion in a sentence
    assert f"`{stem}`" in DOCUMENT.read_text(encoding="utf-8")
