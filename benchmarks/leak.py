#!/usr/bin/env python3
"""Measures how much a split by sample, as published, inflates a score: the same small network, data and budget on both sides.

    python benchmarks/leak.py data_processed/v2-published data_processed/v2
    python benchmarks/leak.py --print        prints the table of the last measurement and draws docs/leak.png

Both data sets must be made from the same sources. Two experiments:

- `as-made`: the network is trained on `v2-published` with its split by sample, and on `v2` with its split by patient;
  each is tested on its own test split. Masks and test images differ as the data sets do.
- `folds`: five trainings per side, all on `v2`. On one side the folds are drawn by sample, so a turned copy of a test image
  may be in training; on the other they are drawn by patient. Each sample is tested once on each side, by a network that
  was not trained on it. Training by sample sees more images and patients (3 of 5 variants of nearly all) than training by
  patient (all variants of 3 of 5).
- `matched`: as `folds` by patient, but patients in training are exchanged for those that are tested, as many patients with as
  many images. One variant of each of their images is tested, the others are in training, and validation stays the same.

Both sides of an experiment have the same number of steps; the epoch with the lowest val_loss is evaluated. Dice is that of all
test samples with a lesion, on the data set's grid. Rows are added to `leak.csv` after each training, and a training that has
rows is not repeated; `leak_epochs.csv` has the Dice over batches of each epoch. Runs are in DATASET/runs/leak-*.
"""

import argparse
import hashlib
import os
import random
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pandas as pd
from matplotlib.figure import Figure

from pipeline.contract import parse_sample
from pipeline.files import InputError, read_csv, run_program, write_csv
from segmenter.configuration import Configuration
from segmenter.configuration.networks import SlightlyFlexibleUNetSettings
from segmenter.data.dataset import DataSet, Sample, read_data_set
from segmenter.evaluation.bootstrap import Estimate, PatientBootstrap

TABLE = Path(__file__).parent / "leak.csv"
HISTORY = Path(__file__).parent / "leak_epochs.csv"
PICTURE = Path(__file__).parents[1] / "docs" / "leak.png"
SIDES = {"sample": "by sample, as published", "patient": "by patient"}
COLORS = {"sample": "#bb5566", "patient": "#4477aa"}
COLUMNS = ("experiment", "split", "fold", "epochs", "data", "sample", "patient", "seen", "dice")
EPOCH_COLUMNS = ("experiment", "split", "fold", "epoch", "train_dice", "valid_dice")
SIDE, BATCH, STEPS_PER_EPOCH = 64, 16, 100
EPOCHS = {"as-made": 60, "folds": 30, "matched": 30}
SEED = 1
MATCHED_FOLDS = (0, 1, 2)  # of the five, for the sake of time
Rows = list[dict[str, object]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("published", type=Path, nargs="?", help="a data set of recipe v2-published")
    parser.add_argument("sound", type=Path, nargs="?", help="a data set of recipe v2 from the same sources")
    parser.add_argument("--print", action="store_true", help="print the table, draw the picture, and measure nothing")
    arguments = parser.parse_args()
    if not arguments.print:
        if not arguments.sound:
            parser.error("expected two data sets, of the recipes v2-published and v2")
        measure_all(read_data_set(arguments.published), read_data_set(arguments.sound))
    print_table()
    draw(PICTURE)
    return 0


def measure_all(published: DataSet, sound: DataSet) -> None:
    """Does the trainings that have no rows in `leak.csv` yet."""
    published_ids, sound_ids = ({sample.image_id for sample in data.samples} for data in (published, sound))
    if missing := sorted(published_ids - sound_ids):
        raise InputError(f"{sound.folder}: lacks {missing[0]} of {published.folder}; make both from the same sources")
    if extra := sorted(sound_ids - published_ids):
        print(f"only in {sound.folder}, left out: {', '.join(extra)}", flush=True)
        sound = replace(sound, samples=tuple(sample for sample in sound.samples if sample.image_id in published_ids))
    by_sample = split_by_sample(sound, SEED)
    trainings = [("as-made", "sample", 0, published), ("as-made", "patient", 0, sound)]
    for fold in range(sound.folds):
        trainings += [("folds", "sample", fold, by_sample.in_fold(fold)), ("folds", "patient", fold, sound.in_fold(fold))]
    trainings += [("matched", "sample", fold, exchange_patients(sound.in_fold(fold), SEED)) for fold in MATCHED_FOLDS]
    for experiment, split, fold, data in trainings:
        rows = read_csv(TABLE, COLUMNS) if TABLE.is_file() else []
        key = {"experiment": experiment, "split": split, "fold": str(fold)}
        settings = {"epochs": str(EPOCHS[experiment]), "data": hashlib.sha256(data.identity.encode()).hexdigest()[:12]}
        earlier = [row for row in rows if key.items() <= row.items()]
        if not all(settings.items() <= row.items() for row in earlier):
            raise InputError(f"{TABLE}: holds {experiment}, split by {split}, fold {fold} of other data or epochs; move it away")
        if not earlier:
            start = time.monotonic()
            measured, epochs = measure(experiment, split, fold, data)
            history = read_csv(HISTORY, EPOCH_COLUMNS) if HISTORY.is_file() else []
            others = [row for row in history if not key.items() <= row.items()]
            write_csv(HISTORY, EPOCH_COLUMNS, others + [key | row for row in epochs])
            write_csv(TABLE, COLUMNS, rows + [key | settings | row for row in measured])
            print(f"{experiment}, split by {split}, fold {fold}: {time.monotonic() - start:.0f} s", flush=True)


def split_by_sample(data: DataSet, seed: int) -> DataSet:
    """Returns the data set with folds drawn by sample instead of by patient, as the published split was."""
    order = sorted(data.samples, key=lambda sample: sample.name)
    random.Random(seed).shuffle(order)
    count = data.folds
    samples = tuple(replace(sample, fold=index % count) for index, sample in enumerate(order))
    return DataSet(data.folder, samples, f"{data.identity} dealt by sample with seed {seed}")


def exchange_patients(data: DataSet, seed: int) -> DataSet:
    """Moves test patients to train, except for one variant of each of their images, and as many train patients out of it.

    Of 2000 random choices of train patients, the one is taken whose number of images is nearest to the test patients'.
    """
    chance = random.Random(seed)
    images = {split: {sample.image_id: sample.patient for sample in data.split(split)} for split in ("train", "test")}
    patients, count = sorted(set(images["train"].values())), len(set(images["test"].values()))
    per_patient = Counter(images["train"].values())
    choices = [chance.sample(patients, count) for _ in range(2000)]
    out = min(choices, key=lambda choice: abs(sum(per_patient[patient] for patient in choice) - len(images["test"])))
    variants = sorted({sample.variant for sample in data.samples})
    tested = {image: chance.choice(variants) for image in sorted(images["test"])}

    def move(sample: Sample) -> Sample:
        if sample.split == "test" and sample.variant != tested[sample.image_id]:
            return replace(sample, split="train")
        return replace(sample, split="") if sample.split == "train" and sample.patient in out else sample

    samples = tuple(map(move, data.samples))
    return replace(data, samples=samples, identity=f"{data.identity} with patients exchanged by seed {seed}")


def measure(experiment: str, split: str, fold: int, data: DataSet) -> tuple[Rows, Rows]:
    """Trains once and returns one row per test sample with a lesion, and one per epoch."""
    from segmenter.evaluation import evaluate
    from segmenter.runs import begin_or_resume, open_run, trained_on
    from segmenter.training.trainer import train

    network = SlightlyFlexibleUNetSettings(
        image_width=SIDE,
        image_height=SIDE,
        image_channels=1,
        input_normalize=True,
        base_filters=8,
        base_kernels=(3, 3),
        num_layers=5,
        loss="bce_dice_loss",
        metrics=("dice_coef",),
    )
    epochs = EPOCHS[experiment]
    schedule = {"epochs": epochs, "patience": epochs, "steps_per_epoch": STEPS_PER_EPOCH, "batch_size": BATCH, "seed": SEED}
    configuration = Configuration.model_validate({"model": network, "train": schedule | {"epoch_change_infer": False}})
    run = open_run(data.folder, f"leak-{experiment}-{split}-{fold}")
    state = begin_or_resume(run, configuration, data, resume=False, restart=False)
    if not (state and state.is_finished(configuration.train)):
        state = train(run, configuration, data, state)
    tested = data.split("test")
    train_samples, out = data.split("train"), run.evaluation("test")
    evaluate(run.best_model, tested, configuration, out, {}, train=train_samples, trained_on=trained_on(run))
    dices = {row["sample"]: row["dice"] for row in read_csv(out / "per_image.csv", ("sample", "dice"))}
    trained = {sample.image_id for sample in train_samples}
    epochs = [
        {"epoch": f"{at['epoch']:.0f}", "train_dice": f"{at['dice_coef']:.4f}", "valid_dice": f"{at['val_dice_coef']:.4f}"}
        for at in state.history
    ]
    return [row(sample, trained, dices[sample.name]) for sample in tested if dices[sample.name]], epochs


def row(sample: Sample, trained: set[str], dice: str) -> dict[str, object]:
    """The table's row of a test sample; `seen` is 1 if a variant of the same image was in training."""
    return {"sample": sample.name, "patient": sample.patient, "seen": int(sample.image_id in trained), "dice": dice}


def read_sides(experiment: str) -> dict[str, pd.DataFrame]:
    """The rows of an experiment by kind of split, sorted by sample."""
    rows = pd.read_csv(TABLE)
    return {
        side: rows[(rows["experiment"] == experiment) & (rows["split"] == side)].sort_values("sample", ignore_index=True)
        for side in SIDES
    }


def print_table() -> None:
    """Prints the measurements, with 95 % intervals by patient."""
    print("| experiment | split | test samples, images, patients | Dice, mean | median |\n| --- | --- | --- | ---: | ---: |")
    for experiment in EPOCHS:
        for side, rows in read_sides(experiment).items():
            if len(rows):
                dice, bootstrap = rows["dice"].to_numpy(), PatientBootstrap(rows["patient"])
                counts = f"{len(rows)}, {rows['sample'].map(image_of).nunique()}, {rows['patient'].nunique()}"
                metrics = f"{describe(bootstrap.mean(dice))} | {describe(bootstrap.median(dice))}"
                print(f"| {experiment} | {SIDES[side]} | {counts} | {metrics} |")
    for experiment in ("folds", "matched"):
        if len(pairs := paired(experiment)):
            differences = (pairs["dice_sample"] - pairs["dice_patient"]).to_numpy()
            gain = PatientBootstrap(pairs["patient"]).mean(differences)
            print(f"\n{experiment}, {len(pairs)} samples in both: mean Dice by sample - by patient = {describe(gain)}")
            if experiment == "matched":
                print(f"by patient, the same samples: {describe(PatientBootstrap(pairs['patient']).mean(pairs['dice_patient']))}")
    print(
        "\n| folds, epoch | Dice on train | on valid, by sample | by patient | difference |\n| --- | ---: | ---: | ---: | ---: |"
    )
    for epoch, at in by_epoch().iterrows():
        if epoch in (5, 10, 20, 30):
            sample, patient = at["valid_dice", "sample"], at["valid_dice", "patient"]
            train = at["train_dice"].mean()
            print(f"| {epoch} | {train:.3f} | {sample:.3f} | {patient:.3f} | {sample - patient:.3f} |")


def paired(experiment: str) -> pd.DataFrame:
    """The samples of an experiment that were tested on both sides, with both Dice; by patient, `matched` is `folds`."""
    sample, patient = read_sides(experiment)["sample"], read_sides("folds")["patient"]
    return sample.merge(patient, on=["sample", "patient"], suffixes=("_sample", "_patient"))


def by_epoch() -> pd.DataFrame:
    """Mean Dice over the folds by epoch: columns train_dice and valid_dice, each by kind of split."""
    rows = pd.read_csv(HISTORY)
    return rows[rows["experiment"] == "folds"].pivot_table(["train_dice", "valid_dice"], "epoch", "split")


def image_of(sample: str) -> str:
    """The image that a sample is a variant of."""
    return parse_sample(sample)[1].image_id


def describe(estimate: Estimate) -> str:
    """Formats a value with its interval."""
    interval = "" if estimate.low is None else f" ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{estimate.value:.3f}{interval}"


def draw(path: Path) -> None:
    """Draws mean Dice of both sides with intervals, each patient's mean Dice on both sides of `folds`, and Dice by epoch."""
    figure = Figure(figsize=(13, 4), layout="constrained")
    left, right, late = figure.subplots(1, 3)
    labels = []
    for experiment in EPOCHS:
        for side, rows in read_sides(experiment).items():
            if len(rows):
                estimate = PatientBootstrap(rows["patient"]).mean(rows["dice"].to_numpy())
                left.plot([estimate.low, estimate.high], [len(labels)] * 2, color=COLORS[side], linewidth=2)
                left.plot(estimate.value, len(labels), "o", color=COLORS[side], markersize=8)
                labels.append(f"{experiment}\n{SIDES[side]}")
    left.set_yticks(range(len(labels)), labels)
    left.invert_yaxis()
    left.set(xlabel="mean Dice of test samples, 95 % interval by patient", title="Test Dice")
    if len(pairs := paired("folds")):
        means = pairs.groupby("patient")[["dice_patient", "dice_sample"]].mean()
        right.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        right.plot(means["dice_patient"], means["dice_sample"], "o", color="#228833", markersize=4, alpha=0.7)
        right.set(xlabel="split by patient", ylabel="split by sample", title="Mean Dice of each patient, folds", aspect="equal")
    for side, color in COLORS.items():
        late.plot(by_epoch()["valid_dice", side], color=color, label=f"valid, split {SIDES[side]}")
        late.plot(by_epoch()["train_dice", side], ":", color=color, label=f"train, split {SIDES[side]}")
    late.set(xlabel="epoch of 100 steps", ylabel="Dice over batches, mean of 5 folds", title="As the network memorises")
    late.legend(frameon=False, fontsize=8)
    for ax in (left, right, late):
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    print(f"drew {path}")


if __name__ == "__main__":
    raise SystemExit(run_program(main))
