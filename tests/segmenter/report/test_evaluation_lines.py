"""The lines that `evaluate` prints, from tables written here."""

import json
import re

import pandas as pd
import pytest

from pipeline.files import write_csv, write_text
from segmenter.configuration import Configuration
from segmenter.configuration.networks import SlightlyFlexibleUNetSettings
from segmenter.evaluation.aggregation import CURVE_COLUMNS, METRIC_COLUMNS, MetricTables, write_metrics
from segmenter.evaluation.metrics import metric_of
from segmenter.report.evaluation_lines import collect_evaluation, describe_evaluation

NONE = (None, None, None)
BATCH_VALUES = {"loss": 0.27164, "dice_coef": 0.6039}


@pytest.fixture
def write(tmp_path):
    """Writes an evaluation of metrics, variants and values by name."""

    def write_tables(metrics, variants, values):
        table = pd.DataFrame([dict(zip(METRIC_COLUMNS, row, strict=True)) for row in metrics], columns=METRIC_COLUMNS)
        write_metrics(tmp_path, MetricTables(table, pd.DataFrame(columns=CURVE_COLUMNS)))
        columns = ["sample", "variant", "truth_px", "empty_truth", "dice"]
        rows = [{"sample": "x", "variant": name, "truth_px": 9, "empty_truth": 0, "dice": 0.5} for name in variants]
        write_csv(tmp_path / "per_image.csv", columns, rows)
        write_text(tmp_path / "summary.json", json.dumps({"metrics": values}))
        return tmp_path

    return write_tables


def test_dice_comes_first_then_detection_then_images_without_lesions_and_batches_last(write):
    metrics = [
        ("all", "", "hd95_px", 12, 6, 70.0, 60.0, 80.0, 64.123, 58.0, 90.0),
        ("all", "", "dice", 12, 6, 0.6126, 0.5, 0.7, 0.655, 0.56, 0.71),
        ("all", "", "detection_rate", 12, 6, 0.8, 0.7, 0.9, *NONE),
        ("all", "", "false_positives_per_image", 1014, 7, 0.42, 0.1, 0.9, *NONE),
        ("without lesion", "", "share_without_false_positive", 2, 1, 0.5, None, None, *NONE),
        ("view", "CC", "dice", 6, 6, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1),
    ]
    values = BATCH_VALUES | {"dice_count_originals": 12, "dice_count": 72, "dice_mean": 0.6, "threshold": 0.35}
    folder = write(metrics, ["original"] * 14 + ["flipped"] * 70, values)
    lines = describe_evaluation(collect_evaluation(folder, Configuration()))
    assert [re.split(" {2,}", line.strip()) for line in lines] == [
        ["over 14 originals", "95 % interval", "images", "patients"],
        ["Dice, mean", "0.613", "0.500 to 0.700", "12", "6"],
        ["Dice, median", "0.655", "0.560 to 0.710", "12", "6"],
        [metric_of("detection_rate").label, "0.800", "0.700 to 0.900", "12", "6"],
        [metric_of("false_positives_per_image").label, "0.42", "0.10 to 0.90", "1014", "7"],
        ["HD95, px, median", "64.1", "58.0 to 90.0", "12", "6"],
        ["images without lesion"],
        [metric_of("share_without_false_positive").label, "0.500", "–", "2", "1"],
        ["with turned and flipped images: mean Dice 0.600 over 72 images"],
        ["a pixel is lesion where its probability is at least 0.35"],
        ["over batches of 4, as Keras reports them"],
        ["loss", "0.2716"],
        ["dice_coef", "0.6039"],
    ]
    assert {len(line) for line in [*lines[:6], lines[7]]} == {len(lines[0])}


def test_dice_of_each_class_follows_dice_and_batch_values_have_their_names(write):
    metrics = [
        ("all", "", "dice", 2, 2, 0.5, 0.1, 0.9, 0.5, 0.1, 0.9),
        ("all", "", "dice_benign", 1, 1, 0.25, None, None, 0.25, None, None),
        ("all", "", "detection_rate", 2, 2, 1.0, 1.0, 1.0, *NONE),
    ]
    values = BATCH_VALUES | {"dice_coef_benign": 0.5, "dice_coef_malignant": 0.75}
    configuration = Configuration(model=SlightlyFlexibleUNetSettings(num_classes=3))
    lines = describe_evaluation(collect_evaluation(write(metrics, ["flipped"] * 2, values), configuration))
    assert [re.split(" {2,}", line.strip())[0] for line in lines] == [
        "over 2 images, no originals",
        "Dice, mean",
        "Dice, median",
        "Dice, benign, mean",
        metric_of("detection_rate").label,
        "over batches of 4, as Keras reports them",
        "loss",
        "dice_coef",
        "dice_coef_benign",
        "dice_coef_malignant",
    ]
