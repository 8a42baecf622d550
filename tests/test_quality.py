"""The benchmark: its folds, and an entry from training to the page, on a tiny set."""

import csv
import importlib
import json
import sys
from collections import Counter
from pathlib import Path

import cv2
import pandas as pd
import pytest
from inputs import small_download
from small_sets import make_set

from pipeline.files import InputError, read_csv
from pipeline.page import GROUND_TRUTH_COLOR, rgb
from segmenter.configuration import load_configuration
from segmenter.data.dataset import DataSet, read_data_set

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def protocol(monkeypatch):
    """Imports modules of benchmarks/protocol by name."""
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    return lambda name: importlib.import_module(f"protocol.{name}")


def write_table(path, classes):
    rows = [(f"P{patient}_L_DM_CC{number}", label) for patient, labels in classes.items() for number, label in enumerate(labels)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("Image_name", "Pathology Classification/ Follow up"), *rows])
    return path


def test_the_folds_that_travel_are_those_of_the_protocol(protocol):
    folds = protocol("folds").read_folds()
    assert len(folds) == 326
    assert sorted(Counter(folds.values()).values()) == [65, 65, 65, 65, 66]
    expected = "3e4a2ab6a7e6579183f67de4e04089a0f8d0470030321a5482d258c10ced00d4"
    assert protocol("folds").digest(folds) == expected
    assert expected in (FOLDER.parent / "docs" / "benchmark.md").read_text()


def test_patients_are_dealt_back_and_forth_by_their_images(protocol, tmp_path):
    """Ten patients with one to ten malignant images: the one with most is first, whatever the order of the table."""
    table = write_table(tmp_path / "table.csv", {patient: ["Malignant"] * patient for patient in range(1, 11)})
    folds = protocol("folds").deal_folds(table)
    assert [folds[f"P{patient}"] for patient in range(10, 0, -1)] == [0, 1, 2, 3, 4, 4, 3, 2, 1, 0]


def test_malignant_images_count_before_benign_ones(protocol, tmp_path):
    labels = {1: ["Normal"] * 9, 2: ["Benign"] * 5, 3: ["Malignant"], 4: ["Benign"] * 6, 5: ["Malignant", "Benign"]}
    folds = protocol("folds").deal_folds(write_table(tmp_path / "table.csv", labels))
    assert sorted(folds, key=folds.get) == ["P5", "P3", "P4", "P2", "P1"]


def test_a_set_with_other_folds_is_refused(protocol, tmp_path):
    require = protocol("folds").require_folds
    require(tmp_path, [("P1", 2)], {"P1": 2})
    with pytest.raises(InputError, match=r"has patient P1 in fold 0, but in the benchmark in 2; .*RECIPE=v2-pairs ASSIGNMENT="):
        require(tmp_path, [("P1", 0)], {"P1": 2})
    with pytest.raises(InputError, match="has patient P9 in fold 0, but in the benchmark in none"):
        require(tmp_path, [("P9", 0)], {"P1": 2})


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"name": "v2", "size_px": 512}, "is of recipe v2 at 512 px; expected v2-pairs at 512 px, of CDD-CESM; make it with"),
        ({"name": "v2-pairs", "size_px": 256}, "is of recipe v2-pairs at 256 px; expected"),
        ({"name": "v2-pairs", "size_px": 512, "phantom": True}, "is of recipe v2-pairs at 512 px, of the phantom; expected"),
    ],
)
def test_a_set_of_another_kind_is_refused(protocol, tmp_path, made, message):
    (tmp_path / "dataset.json").write_text(json.dumps(made))
    with pytest.raises(InputError, match=message):
        protocol("folds").require_benchmark_set(tmp_path)
    (tmp_path / "dataset.json").write_text('{"name": "v2-pairs", "size_px": 512, "phantom": false}')
    protocol("folds").require_benchmark_set(tmp_path)


@pytest.fixture
def data(tmp_path):
    return read_data_set(make_set(tmp_path, small_download(tmp_path / "raw", patients=8)).root).in_fold(0)


def test_a_larger_share_of_patients_holds_each_smaller_one(protocol, data):
    keep = protocol("patients").keep_patients
    whole = {sample.patient for sample in data.split("train")}
    half = keep(data, 0.5)
    kept = {sample.patient for sample in half.split("train")}
    assert len(kept) == max(2, round(len(whole) / 2))
    assert kept < whole
    assert {sample.patient for sample in keep(data, 0.1).split("train")} <= kept
    assert half.split("test") == data.split("test")
    assert half.identity != data.identity
    assert keep(data, 1) is data


def test_every_entry_has_a_configuration(protocol):
    for name, entry in protocol("entries").ENTRIES.items():
        configuration = entry.configuration()
        assert configuration.train.epochs * (configuration.train.steps_per_epoch or 1) > 5, name
        assert configuration.dataset.partner is (name not in ("quick", "published")), name


TINY = {
    "model": {"image_width": 16, "image_height": 16, "base_filters": 2, "num_layers": 2},
    "train": {"epochs": 2, "batch_size": 8, "patience": 9},
}


@pytest.fixture
def records(protocol, monkeypatch, tmp_path):
    """The module, writing below the test's folder."""
    module = protocol("records")
    monkeypatch.setattr(module, "FOLDER", tmp_path / "quality")
    monkeypatch.setattr(module, "LOOKS", tmp_path / "quality" / "looks.csv")
    return module


def has_color(path, color):
    """Whether an image has pixels of a color."""
    return bool((cv2.imread(str(path))[..., ::-1] == rgb(color)).all(axis=-1).any())


def test_entries_and_baselines_end_on_the_page(protocol, records, data, monkeypatch, tmp_path):
    quality, leaderboard, page = importlib.import_module("quality"), protocol("leaderboard"), protocol("page")
    entry = protocol("entries").Entry("a tiny network", "quick", TINY)
    budgeted = protocol("entries").Entry("the published one", "quick", TINY, budget_of="unet")
    for name, value in {"unet": entry, "published": budgeted}.items():
        monkeypatch.setitem(protocol("entries").ENTRIES, name, value)
    whole = read_data_set(data.folder)
    for name in ("unet", "published", "empty", "whole-breast"):
        quality.run_fold(name, 0, whole, "result")

    monkeypatch.setattr(leaderboard, "TABLE", tmp_path / "leaderboard.csv")
    rows = {row["entry"]: row for row in leaderboard.write_leaderboard(ceiling=0.8)}
    assert rows["empty"]["dice_mean"] == 0
    assert 0 < rows["whole-breast"]["dice_mean"] < 1
    assert rows["whole-breast"]["ceiling_share"] == rows["whole-breast"]["dice_mean"] / 0.8
    assert rows["unet"]["difference"] == pytest.approx(rows["unet"]["dice_mean"] - rows["published"]["dice_mean"])
    assert rows["unet"]["multiply_accumulates"] > rows["unet"]["parameters"] > 0
    assert len(rows["unet"]["folds_sha256"]) == 64
    cost = records.read_folds("published")["0"]
    assert cost["core_s"] <= 1.5 * records.read_folds("unet")["0"]["core_s"] or cost["epochs"] == 1
    assert [(row["entry"], row["fold"]) for row in read_csv(records.LOOKS)] == [(name, "0") for name in rows]

    monkeypatch.setattr(page, "PAGE", tmp_path / "results.md")
    for name in ("CHARTS", "OUTLINES"):
        monkeypatch.setattr(page.pictures, name, tmp_path / f"{name.lower()}.png")
    first = leaderboard.first_trained(list(rows.values()))
    assert first["entry"] == "unet"
    page.pictures.draw_outlines(whole, "unet", "single", columns=2, rows=1)
    page.write_results(list(rows.values()), 0.8)
    assert cv2.imread(str(tmp_path / "charts.png")).std() > 10
    assert has_color(tmp_path / "outlines.png", GROUND_TRUTH_COLOR)
    text = (tmp_path / "results.md").read_text()
    assert "![Contours of test images](outlines.png)" in text
    assert "| a tiny network | one image | 1 of 5 |" in text
    assert f"(epochs: {cost['epochs']})" in " ".join(text.split())
    assert "| size of a lesion, by terciles of training | small |" in text
    assert "| empty | one image | 1 | 0 | 0 | 0 | 0 |" in text


def test_entries_are_not_compared_on_other_masks(protocol):
    image = {"sample": "P1_L_DM_CC", "image_id": "P1_L_DM_CC", "patient": "P1", "dice": 0.5, "truth_px": 9}
    images, compare = pd.DataFrame([image]), protocol("leaderboard").compare
    assert compare(images, images.assign(dice=0.25)).value == 0.25
    with pytest.raises(InputError, match="of 1 of 1 images differ between two entries, such as P1_L_DM_CC with 9 and 8 px"):
        compare(images, images.assign(truth_px=8))


def test_scored_masks_of_another_program_become_an_entry(protocol, records, tmp_path):
    add, leaderboard, data = protocol("submissions").add_scored, protocol("leaderboard"), DataSet(tmp_path, (), "this one")
    evaluation = tmp_path / "runs" / "nnunet" / "evaluation" / "test"
    evaluation.mkdir(parents=True)
    summary = {"identity": {"data_identity": "this one"}, "scored": {"pooled": True, "missing": []}, "patients": 5}

    def write_summary(**changes):
        (evaluation / "summary.json").write_text(json.dumps(summary | {"trained_on_too": None} | changes))

    samples = [f"P{number}_L_DM_CC" for number in range(5)]
    folds = "".join(f"{sample},{4 - number}\n" for number, sample in enumerate(samples))
    (evaluation / "per_image.csv").write_text("sample,fold\n" + folds)
    for name in ("per_lesion.csv", "froc.csv"):
        (evaluation / name).write_text("sample,area_px\n" + "".join(f"{sample},9\n" for sample in samples))
    write_summary(identity={"data_identity": "another one"})
    with pytest.raises(InputError, match=r"holds no scores of masks on all folds of this data set; .* --name nnunet --fold all"):
        add(data, "nnunet", "pair", {}, "result")
    write_summary(trained_on_too=["P3"])
    with pytest.raises(InputError, match="1 of 5 patients were trained on, the first is P3; train on the folds"):
        add(data, "nnunet", "pair", {}, "result")
    with pytest.raises(InputError, match="best: is an entry of the package; score the masks again with another --name"):
        add(data, "best", "pair", {}, "result")
    assert not records.FOLDER.exists()
    write_summary()
    add(data, "nnunet", "pair", {"title": "nnU-Net", "core_s": 120.0}, "result")
    for name in records.TABLES:
        rows = read_csv(records.FOLDER / "nnunet" / "pair" / name)
        assert [(row["sample"], row["fold"]) for row in rows] == [(samples[4 - fold], str(fold)) for fold in range(5)]
    assert leaderboard.entries_with_results() == [("nnunet", "pair")]
    assert leaderboard.title_of("nnunet") == "nnU-Net"
    assert leaderboard._cost("nnunet", records.read_folds("nnunet"))["core_minutes_per_fold"] == 2
    assert leaderboard._cost("nnunet", {"0": {}})["core_minutes_per_fold"] is None
    assert [row["fold"] for row in read_csv(records.LOOKS)] == ["0", "1", "2", "3", "4"]


def table_of_images(dices):
    """The columns of per_image.csv that are needed, for two images of each patient, both with one Dice."""
    names = [(f"P{patient}_L_{kind}_CC", patient, dice) for patient, dice in enumerate(dices, 1) for kind in ("DM", "CM")]
    lines = [f"{name},{name},P{patient},original,{dice},9,0" for name, patient, dice in names]
    return "\n".join(["sample,image_id,patient,variant,dice,truth_px,empty_truth", *lines, ""])


def test_the_learning_curve_has_the_paired_difference_from_all_patients(protocol, records, tmp_path, monkeypatch):
    """Each of three patients is 0.2 worse with a quarter of the training patients, so the interval has no width."""
    rows = []
    for entry, patients, dices in (("unet", 80, (0.9, 0.7, 0.5)), ("unet-25", 20, (0.7, 0.5, 0.3))):
        evaluation = tmp_path / entry
        evaluation.mkdir()
        for name in records.TABLES:
            (evaluation / name).write_text(table_of_images(dices))
        records.add_tables(entry, "pair", 0, evaluation)
        records.add_fold(entry, 0, {"train_patients": patients})
        rows.append({"entry": entry, "mode": "pair", "folds": 1, "dice_mean": sum(dices) / 3})
    curve, page = protocol("curve"), protocol("page")
    quarter, whole = curve.read_points(rows)
    assert (quarter.share, quarter.patients, whole.share, whole.difference) == (0.25, 20, 1, None)
    assert [quarter.difference.value, quarter.difference.low, quarter.difference.high] == pytest.approx([-0.2] * 3)
    assert curve.read_points(rows[:1]) == []
    monkeypatch.setattr(page.pictures, "CURVE", tmp_path / "curve.png")
    page.pictures.draw_curve([quarter, whole])
    assert cv2.imread(str(tmp_path / "curve.png")).std() > 10
    text = "\n".join(page._curve([quarter, whole]))
    assert "| 25% | 20 | pair | 1 of 5 | 0.500 | -0.200 (-0.200 to -0.200) |" in text
    assert "| 100% | 80 | pair | 1 of 5 | 0.700 | - |" in text


def test_a_budget_is_spent_to_the_end_whatever_interrupts_it(protocol, data, monkeypatch):
    """An epoch costs two seconds; the second training is interrupted at its end, and the third one knows its length and cost."""
    running, entry = (
        protocol("running"),
        protocol("entries").Entry("tiny", "quick", TINY | {"train": TINY["train"] | {"patience": 99}}),
    )
    train, lengths = running.train_run, []

    def watched(run, configuration, *arguments, **options):
        lengths.append(configuration.train.epochs)
        if len(lengths) == 2:
            train(run, configuration.model_copy(), *arguments, **options)
            raise KeyboardInterrupt
        return train(run, configuration, *arguments, **options)

    monkeypatch.setattr(running, "train_run", watched)
    run = running.open_run(data.folder, running.run_name("tiny", 0))
    monkeypatch.setattr(running, "_core_seconds", lambda: 2.0 * running._epochs(run))
    with pytest.raises(KeyboardInterrupt):
        running.train_entry("tiny", entry, data, budget_s=6.5)
    running.train_entry("tiny", entry, data, budget_s=6.5)
    assert lengths == [1, 3, 3]
    assert running.read_cost(run) == {"core_s": 6.0, "epochs": 3}


def test_results_of_another_configuration_are_not_pooled_and_not_kept(protocol, records, monkeypatch):
    quality, entries = importlib.import_module("quality"), protocol("entries")
    unet = entries.ENTRIES["unet"]
    records.add_fold("unet", 0, {"configuration_sha256": unet.digest()})
    assert quality.has_result("unet", 0)
    assert not quality.has_result("unet", 1)
    monkeypatch.setitem(entries.ENTRIES, "unet", entries.replace(unet, patients=0.5))
    with pytest.raises(InputError, match=r"fold 0 is of another configuration .* `run DATASET --entry unet --restart`"):
        quality.has_result("unet", 0)
    records.add_fold("unet", 1, {"configuration_sha256": entries.ENTRIES["unet"].digest()})
    with pytest.raises(InputError, match="folds 0 and 1 differ in configuration_sha256 and cannot be pooled; train them again"):
        protocol("leaderboard").pool("unet", "pair", None)


def test_a_fold_replaces_its_earlier_rows_only(records, tmp_path):
    for fold, dice in ((0, "0.1"), (1, "0.2"), (0, "0.3")):
        evaluation = tmp_path / f"{fold}{dice}"
        evaluation.mkdir()
        for name in records.TABLES:
            (evaluation / name).write_text(f"sample,dice\nP{fold}_L_DM_CC,{dice}\n")
        records.add_tables("unet", "single", fold, evaluation)
    rows = read_csv(records.FOLDER / "unet" / "single" / "per_image.csv")
    assert [(row["fold"], row["dice"]) for row in rows] == [("0", "0.3"), ("1", "0.2")]


def test_choices_are_compared_on_the_same_images(protocol, monkeypatch, tmp_path):
    """The second choice is 0.2 worse on both images of each of three patients, so the interval has no width."""
    screening = protocol("screening")
    for name in ("TABLE", "IMAGES"):
        monkeypatch.setattr(screening, name, tmp_path / f"{name.lower()}.csv")
    for choice, dices in {"wide": (0.9, 0.7, 0.5), "narrow": (0.7, 0.5, 0.3)}.items():
        (tmp_path / choice).mkdir()
        (tmp_path / choice / "per_image.csv").write_text(table_of_images(dices))
        configuration = load_configuration("best", {"model": {"base_filters": 8}})
        screening.add_screened(choice, configuration, {"core_s": 90.0}, {"threshold": 0.5}, tmp_path / choice)
    table = "\n".join(protocol("page")._screening())
    quiet = "train.epoch_change_infer = True"
    assert f"| wide | model.base_filters = 8, {quiet} | 1.5 | 0.7000 (0.5000 to 0.9000) | 0.7000 | - |" in table
    assert (
        f"| narrow | model.base_filters = 8, {quiet} | 1.5 | 0.5000 (0.3000 to 0.7000) | 0.5000 | -0.200 (-0.200 to -0.200) |"
        in table
    )
