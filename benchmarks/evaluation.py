#!/usr/bin/env python3
"""Times an evaluation without the prediction: all metrics of images of 512 px. Also measures its memory.

    python benchmarks/evaluation.py [--images 200]

Ground truth and probabilities are smooth random blobs; a quarter of the images have no lesion, and a patient has eight
images. Prints the seconds for the metrics of the images and for the tables with their intervals, and the peak memory after
a quarter of the images and after all.
"""

import argparse
import dataclasses
import resource
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from results import Row, write_rows

from segmenter.configuration import Configuration
from segmenter.configuration.networks import SlightlyFlexibleUNetSettings
from segmenter.data.dataset import Sample
from segmenter.evaluation import write_evaluation
from segmenter.evaluation.measuring import measure_batches

SIDE, BATCH = 512, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    count = parser.parse_args().images
    configuration = Configuration(model=SlightlyFlexibleUNetSettings())
    quarter, peaks, drawing = BATCH * (count // 4 // BATCH), [], 0.0

    def batches():
        nonlocal drawing
        for first in range(0, count, BATCH):
            if first == quarter:
                peaks.append(peak_mb())
            start = time.perf_counter()
            numbers = range(first, min(first + BATCH, count))
            ground_truth, probabilities = zip(*map(pair, numbers), strict=True)
            samples = [sample(number) for number in numbers]
            drawing += time.perf_counter() - start
            yield samples, np.stack(ground_truth), np.stack(probabilities)

    start = time.perf_counter()
    tables = measure_batches(batches(), configuration, (300.0, 900.0))
    measured = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_evaluation(Path(folder), tables, {"identity": {}, "trained_on_too": []}, {})
    written = time.perf_counter()
    peaks.append(peak_mb())
    seconds = measured - start - drawing
    print(f"{count} images: {seconds:.1f} s for the metrics ({1000 * seconds / count:.0f} ms per image)")
    print(f"{written - measured:.1f} s for tables, groups and intervals")
    print(f"peak memory: {peaks[0]:.0f} MB after {quarter} images, {peaks[1]:.0f} MB after {count}")
    size = f"{count} images of {SIDE} px"
    write_rows(
        "evaluation",
        [
            Row("metrics, per image", size, 1000 * seconds / count, "ms"),
            Row("tables, groups and intervals", size, written - measured, "s"),
            Row("peak memory", f"after {quarter} images", peaks[0], "MB"),
            Row("peak memory", f"after {count} images", peaks[1], "MB", reference=f"after {quarter}", ratio=peaks[1] / peaks[0]),
        ],
    )


def sample(number: int) -> Sample:
    """The sample with a number; eight samples belong to one patient."""
    patient, name, nowhere = f"P{number // 8}", f"P{number // 8}_{number % 8}", Path()
    details = {"kind": ("DM", "CM")[number % 2], "view": ("CC", "MLO")[number // 2 % 2], "birads": str(3 + number % 3)}
    return dataclasses.replace(Sample(name, "test", nowhere, nowhere, name, "original", patient, "malignant"), details=details)


def pair(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Ground truth, (SIDE, SIDE) uint8, and probabilities, (SIDE, SIDE, 1) float32, that agree partly."""
    rng = np.random.default_rng(number)
    coarse = rng.normal(size=(2, 24, 24)).astype(np.float32)
    field, other = (cv2.resize(values, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for values in coarse)
    ground_truth = (field > 1.6).astype(np.uint8) if number % 4 else np.zeros((SIDE, SIDE), np.uint8)
    probabilities = 1 / (1 + np.exp(-6 * (0.8 * field + 0.4 * other - 1.4)))
    return ground_truth, probabilities[..., None].astype(np.float32)


def peak_mb() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
