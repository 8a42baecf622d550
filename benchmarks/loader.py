"""Measures both loaders, with pairs in memory and read from files, against what a training step of `quick` consumes.

    python benchmarks/loader.py [--patients 8] [--runs 5] [--seconds 2]

The pairs are those of a phantom, 512 px as the recipe v2 writes them. Loaders and the training step take turns. A loader's row
is the number of pairs per second that it yields when nothing else runs; the row of waiting is the share of a training that
passes in `next`, while the loader reads ahead on the same processors as the step.
"""

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from results import Row, median_ratio, summarize, write_rows

from pipeline import cli
from pipeline.files import run_program
from segmenter.backend import load_backend
from segmenter.configuration import load_configuration
from segmenter.data.dataset import Sample, read_data_set

BATCH = 8
STEP = "training step of quick"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=8, help="of the phantom, at least 6 (8)")
    parser.add_argument("--runs", type=int, default=5, help="of each loader (5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run (2)")
    arguments = parser.parse_args()
    load_backend()
    with tempfile.TemporaryDirectory() as folder:
        samples = make_samples(Path(folder), arguments.patients)
        write_rows("loader", measure(samples, arguments.runs, arguments.seconds))
    return 0


def make_samples(folder: Path, patients: int) -> list[Sample]:
    """The training samples of a phantom's data set."""
    raw, made = str(folder / "raw"), str(folder / "set")
    cli.main(["phantom", raw, "--patients", str(patients)])
    cli.main(["dataset", "--raw", raw, "--annotations", raw, "--out", made, "--recipe", "v2"])
    return list(read_data_set(Path(made)).split("train"))


def measure(samples: list[Sample], runs: int, seconds: float) -> list[Row]:
    """The rows of all loaders."""
    loaders = {
        (side, kept, kind): load(samples, side, kept == "in memory", kind)
        for side, kept, kind in itertools.product((128, 512), ("in memory", "from files"), ("tf.data", "PyDataset"))
    }
    model, batch = compile_quick(), next(loaders[128, "in memory", "PyDataset"])
    model.train_on_batch(*batch)
    steps: list[float] = []
    rates: dict[tuple, list[float]] = {name: [] for name in loaders}
    waits: dict[tuple, list[float]] = {name: [] for name in loaders if name[0] == 128}
    for _ in range(runs):
        steps.append(rate(lambda: model.train_on_batch(*batch), seconds))
        for name, batches in loaders.items():
            rates[name].append(rate(lambda batches=batches: next(batches), seconds))
        for name in waits:
            waits[name].append(wait_share(model, loaders[name], seconds))
    rows = [summarize(STEP, "128 px", steps, "pairs/s")]
    for (side, kept, kind), values in rates.items():
        compared = {"reference": STEP, "ratio": median_ratio(values, steps), "target": ">= 10"} if side == 128 else {}
        rows.append(summarize(f"{kind}, {kept}", f"{side} px", values, "pairs/s", **compared))
    for (side, kept, kind), values in waits.items():
        rows.append(summarize(f"waiting for {kind}, {kept}", f"{side} px", values, "% of training", target="< 2"))
    return rows


def load(samples: list[Sample], side: int, cache: bool, kind: str) -> Iterator[Any]:
    """The batches of one loader, without end, after the first of them."""
    from segmenter.data import py_dataset, tf_data
    from segmenter.data.batches import Pairs, Schedule
    from segmenter.data.pairs import PairFormat

    pairs, schedule = Pairs(samples, PairFormat(side, side, 1), cache=cache), Schedule(len(samples), BATCH, shuffle=True, seed=1)
    if kind == "tf.data":
        batches = iter(tf_data.training_dataset(pairs, schedule, 0, None))
    else:
        batches = iter(py_dataset.Batches(py_dataset.reader(pairs, schedule, None)))
    next(batches)
    return batches


def compile_quick() -> Any:
    """The network of `quick`, compiled."""
    from segmenter.training.compilation import compile_model

    return compile_model(load_configuration("quick"))


def rate(function: Any, seconds: float) -> float:
    """Pairs per second of a function that takes or yields a batch."""
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        function()
        count += BATCH
    return count / (time.perf_counter() - start)


def wait_share(model: Any, batches: Iterator[Any], seconds: float) -> float:
    """The percentage of a training that passes while it waits for the next batch."""
    waited, start = 0.0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        asked = time.perf_counter()
        images, masks = map(np.asarray, next(batches))
        waited += time.perf_counter() - asked
        model.train_on_batch(images, masks)
    return 100 * waited / (time.perf_counter() - start)


if __name__ == "__main__":
    sys.exit(run_program(main))
