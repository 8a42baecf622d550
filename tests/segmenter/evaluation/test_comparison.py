"""Runs compared with each other, on tables small enough to count by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.files import InputError
from segmenter.cli import main
from segmenter.evaluation.comparison import COLUMNS, compare_runs, describe, primary_metrics, read_evaluated

IMAGES = [  # sample, patient, truth_px, lesions
    ("P1_L_CM_CC", "P1", 100, 1),
    ("P1_L_DM_CC", "P1", 80, 2),
    ("P2_L_CM_CC", "P2", 60, 1),
    ("P3_L_CM_CC", "P3", 0, 0),
]
NONE = np.nan
DETECTED = (1, 1, 0, 0)


def write(folder, dices, *, detected=DETECTED, false_positives=(0, 0, 0, 1), images=IMAGES, **summary):
    """A run whose evaluation on test has these metrics for its images; NSD is half of Dice, HD95 is 10 (1 - Dice)."""
    rows = []
    for (sample, patient, truth_px, lesions), dice, hits, wrong in zip(images, dices, detected, false_positives, strict=True):
        row = {"sample": sample, "image_id": sample, "patient": patient, "variant": "original", "truth_px": truth_px}
        row |= {"dice": dice, "nsd": dice / 2, "hd95_px": 10 * (1 - dice), "sensitivity": dice, "precision": dice}
        rows.append(row | {"lesions": lesions, "detected": hits, "false_positives": wrong})
    rows.append(rows[0] | {"sample": "flipped_P1_L_CM_CC", "variant": "flipped", "dice": 0.0})
    annotated = [(sample, truth_px // lesions, 5.0, y) for sample, _, truth_px, lesions in images for y in range(lesions)]
    path = folder / "evaluation" / "test"
    path.mkdir(parents=True)
    per_image = pd.DataFrame(rows)
    per_image.assign(empty_truth=(per_image["truth_px"] == 0).astype(int)).to_csv(path / "per_image.csv", index=False)
    per_lesion = pd.DataFrame(annotated, columns=["sample", "area_px", "centre_x", "centre_y"])
    per_lesion.assign(lesion=1, detected=1).to_csv(path / "per_lesion.csv", index=False)
    contents = {"identity": {}, "tolerance_px": 2.0, "patients": 3, "patients_in_train": 0} | summary
    (path / "summary.json").write_text(json.dumps(contents))
    return folder


def read(*folders):
    return [read_evaluated(folder, "test") for folder in folders]


def compare(*folders):
    return compare_runs(read(*folders))


def row_of(table, metric, statistic):
    (row,) = table[(table["metric"] == metric) & (table["statistic"] == statistic)].to_dict("records")
    return row


@pytest.fixture
def first(tmp_path):
    return write(tmp_path / "set/runs/first", (0.5, 0.4, 0.2, NONE))


def test_differences_by_hand(first, tmp_path):
    second = write(tmp_path / "set/runs/second", (0.7, 0.8, 0.2, NONE), detected=(1, 2, 0, 0), false_positives=(1, 0, 0, 3))
    table = compare(first, second)
    assert list(table.columns) == COLUMNS
    mean = row_of(table, "dice", "mean")
    assert (mean["images"], mean["patients"]) == (3, 2), "an image without lesion has no Dice, a turned one does not count"
    values = [mean[name] for name in ("reference_value", "run_value", "difference")]
    assert values == pytest.approx([1.1 / 3, 1.7 / 3, 0.2])
    assert [mean[f"images_{name}"] for name in ("better", "worse", "equal")] == [2, 0, 1]
    median = row_of(table, "dice", "median")
    assert [median[name] for name in ("reference_value", "run_value", "difference")] == pytest.approx([0.4, 0.7, 0.3])
    distance = row_of(table, "hd95_px", "mean")
    assert distance["difference"] == pytest.approx(-2)
    assert (distance["images_better"], distance["images_worse"]) == (2, 0), "a smaller distance is better"
    rate = row_of(table, "detection_rate", "rate")
    assert [rate[name] for name in ("reference_value", "run_value", "difference")] == pytest.approx([2 / 4, 3 / 4, 1 / 4])
    alarms = row_of(table, "false_positives_per_image", "rate")
    assert (alarms["images"], alarms["patients"]) == (4, 3)
    assert [alarms[name] for name in ("reference_value", "run_value", "difference")] == pytest.approx([1 / 4, 4 / 4, 3 / 4])


def test_an_interval_is_of_differences_between_the_same_drawn_patients(tmp_path):
    """Both runs vary widely over patients; their difference does not, so its interval is a point."""
    dices = np.linspace(0.1, 0.7, 12)
    images = [(f"P{number}_L_CM_CC", f"P{number}", 50, 1) for number in range(12)]
    flat = {"images": images, "detected": [1] * 12, "false_positives": [0] * 12}
    runs = [write(tmp_path / f"set/runs/{gain}", dices + gain, **flat) for gain in (0.0, 0.1, -0.1)]
    rows = [compare(runs[0], other) for other in runs[1:]]
    for table, gain, verdict in zip(rows, (0.1, -0.1), ("better", "worse"), strict=True):
        row = row_of(table, "dice", "mean")
        assert [row["low"], row["difference"], row["high"]] == pytest.approx([gain] * 3)
        assert row["verdict"] == verdict
    assert row_of(rows[0], "hd95_px", "mean")["verdict"] == "exploratory"
    by_distance, by_rate = (compare_runs(read(*runs[:2]), name) for name in ("hd95_px", "detection_rate"))
    assert row_of(by_distance, "hd95_px", "mean")["verdict"] == "better"
    assert row_of(by_distance, "dice", "mean")["verdict"] == "exploratory"
    assert row_of(by_rate, "detection_rate", "rate")["verdict"] == "open"


def test_one_row_is_primary_and_has_the_verdict(first, tmp_path):
    second = write(tmp_path / "set/runs/second", (0.7, 0.8, 0.2, NONE))
    for name in primary_metrics():
        table = compare_runs(read(first, second), name)
        (row,) = table[table["role"] == "primary"].to_dict("records")
        assert name == (f"{row['metric']}-median" if row["statistic"] == "median" else row["metric"])
        assert set(table.loc[table["role"] == "exploratory", "verdict"]) == {"exploratory"}
        assert row["verdict"] in ("better", "worse", "open")


def test_verdicts_on_several_runs_share_the_five_percent(tmp_path):
    """Gains whose 95 % interval just excludes 0: enough for one comparison, not for three."""
    gains = np.linspace(-0.072, 0.2, 12)
    images = [(f"P{number:02}_L_CM_CC", f"P{number:02}", 50, 1) for number in range(12)]
    flat = {"images": images, "detected": [1] * 12, "false_positives": [0] * 12}
    runs = [
        write(tmp_path / f"set/runs/{name}", 0.5 + add, **flat)
        for name, add in zip("abcd", [0 * gains, *[gains] * 3], strict=True)
    ]
    alone, several = compare(*runs[:2]), compare(*runs)
    rows = several[several["role"] == "primary"]
    assert row_of(alone, "dice", "mean")["low"] > 0
    assert row_of(alone, "dice", "mean")["verdict"] == "better"
    assert rows["low"].tolist() == [row_of(alone, "dice", "mean")["low"]] * 3
    assert rows["verdict"].tolist() == ["open"] * 3
    assert "3 runs are compared with the reference, so verdicts take an interval of 98.3 %" in "\n".join(describe(several))


def test_images_of_one_patient_are_not_independent_cases(tmp_path):
    """Twelve patients of eight images with equal gains each: by image the interval would be a third as wide."""
    gains = np.repeat(np.linspace(-0.1, 0.2, 12), 8)
    images = [(f"P{number // 8}_{number % 8}", f"P{number // 8}", 50, 1) for number in range(96)]
    flat = {"images": images, "detected": [1] * 96, "false_positives": [0] * 96}
    runs = [write(tmp_path / f"set/runs/{name}", 0.5 + add, **flat) for name, add in (("a", 0 * gains), ("b", gains))]
    row = row_of(compare(*runs), "dice", "mean")
    by_patient = 2 * 2.201 * np.linspace(-0.1, 0.2, 12).std(ddof=1) / 12**0.5  # by Student's t for twelve patients
    assert row["high"] - row["low"] == pytest.approx(by_patient, rel=0.1)


def test_few_patients_get_no_verdict_and_a_warning(tmp_path):
    images = [(f"P{number}_L_CM_CC", f"P{number}", 50, 1) for number in range(5)]
    flat = {"images": images, "detected": [1] * 5, "false_positives": [0] * 5}
    runs = [write(tmp_path / f"set/runs/{gain}", np.full(5, 0.5 + gain), **flat) for gain in (0.0, 0.1)]
    table = compare(*runs)
    assert row_of(table, "dice", "mean")["verdict"] == "open"
    message = (
        "Few patients (5 for some metrics): intervals are wide, and hold the true value less often than 95 %; with fewer than\n6 "
    )
    assert message in "\n".join(describe(table))


def test_where_some_patients_gain_and_others_lose_it_is_open(first, tmp_path):
    row = row_of(compare(first, write(tmp_path / "set/runs/second", (0.6, 0.4, 0.1, NONE))), "dice", "mean")
    assert row["low"] < 0 < row["high"]
    assert row["verdict"] == "open"


def test_the_order_of_rows_does_not_matter(first, tmp_path):
    order = [2, 0, 3, 1]
    values = [(0.7, 0.8, 0.2, NONE), DETECTED, (0, 0, 0, 1), IMAGES]
    dices, detected, wrong, images = ([column[index] for index in order] for column in values)
    mixed = write(tmp_path / "set/runs/b", dices, detected=detected, false_positives=wrong, images=images)
    straight = write(tmp_path / "set/runs/a", values[0])
    pd.testing.assert_frame_equal(compare(first, straight).drop(columns="run"), compare(first, mixed).drop(columns="run"))


def fewer(folder):
    return write(folder, (0.5, 0.4, 0.2), images=IMAGES[:3], detected=DETECTED[:3], false_positives=(0, 0, 0))


def another_ground_truth(folder):
    return write(folder, (0.5, 0.4, 0.2, NONE), images=[("P1_L_CM_CC", "P1", 101, 1), *IMAGES[1:]])


def another_number(folder):
    return write(folder, (0.5, 0.4, 0.2, NONE), images=[("P1_L_CM_CC", "P1", 100, 2), *IMAGES[1:]])


def moved(folder):
    path = write(folder, (0.5, 0.4, 0.2, NONE)) / "evaluation/test/per_lesion.csv"
    pd.read_csv(path).assign(centre_x=9.0).to_csv(path, index=False)


def no_column(folder):
    path = write(folder, (0.5, 0.4, 0.2, NONE)) / "evaluation/test/per_image.csv"
    pd.read_csv(path).drop(columns="nsd").to_csv(path, index=False)


def unfinished(folder):
    (write(folder, (0.5, 0.4, 0.2, NONE)) / "evaluation/test/summary.json").unlink()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (fewer, "their evaluations of test hold 3 and 4 images, with 1 in only one of them, such as P3_L_CM_CC; compare runs"),
        (another_ground_truth, "annotated lesions of 1 of 4 images differ, such as P1_L_CM_CC with 101 and 100 px of lesion; "),
        (another_number, "annotated lesions of 1 of 4 images differ, such as P1_L_CM_CC with 100 and 100 px of lesion; compare"),
        (moved, "annotated lesions of 3 of 4 images differ, such as P1_L_CM_CC with 100 and 100 px of lesion; compare runs"),
        (
            lambda folder: write(folder, (0.5, 0.4, 0.2, NONE), tolerance_px=4.0),
            "nsd_tolerance_px was 4.0 and 2.0; evaluate both with the same tolerance",
        ),
        (no_column, "lacks nsd, because an earlier version wrote it; make it with `cesm-segmenter evaluate"),
        (unfinished, "holds no finished evaluation; make it with `cesm-segmenter evaluate"),
        (lambda folder: None, "there is no such run; give the folder of a run, DATASET/runs/NAME"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused_with_a_reason(first, tmp_path, make, message):
    make(tmp_path / "set/runs/second")
    with pytest.raises(InputError) as error:
        compare(first, tmp_path / "set/runs/second")
    assert message in str(error.value)


def test_the_command_prints_warns_and_writes(first, tmp_path, capsys):
    second = write(tmp_path / "set/runs/second", (0.7, 0.8, 0.2, NONE), patients_in_train=2)
    out = tmp_path / "out"
    assert main(["compare", str(first), str(second), "--output", str(out)]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0] == second.as_posix()
    dice = next(line for line in lines if "dice, mean" in line)
    assert " ".join(dice.split()).startswith("dice, mean 3 2 0.367 0.567 +0.200 ")
    assert lines[3] == dice, "the primary metric comes first"
    assert dice.endswith("open")
    assert "  images by Dice: 2 better, 0 worse, 1 equal" in lines
    assert any("The verdict is by dice, mean alone" in line for line in lines)
    assert printed.err == (
        f"warning: {second.as_posix()}: 2 of 3 patients of test were trained on: these metrics are inflated, and say little "
        "about new patients\n"
    )
    assert list(pd.read_csv(out / "comparison.csv").columns) == COLUMNS
    assert (out / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_an_evaluation_that_is_missing_is_one_line_and_status_2(first, tmp_path, capsys):
    assert main(["compare", str(first), str(tmp_path / "nowhere")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_another_primary_metric_is_chosen_by_name(first, tmp_path, capsys):
    second = write(tmp_path / "set/runs/second", (0.7, 0.8, 0.2, NONE))
    assert main(["compare", str(first), str(second), "--primary", "hd95_px-median"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].startswith("  hd95_px, median")
    assert main(["compare", str(first), str(second), "--primary", "dise"]) == 2
    assert capsys.readouterr().err.startswith(
        "error: --primary dise: is not a compared metric; expected one of dice, dice-median,"
    )
