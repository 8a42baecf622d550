#!/usr/bin/env python3
"""Times an evaluation beside the prediction itself: all figures of so many images of 512 px, and its memory.

    python benchmarks/evaluation.py [--images 1000]

Truth and probabilities are smooth random blobs, a quarter of the images without lesion, eight images a patient. Prints the
seconds for the measures of the images, those for the tables with their intervals, and the peak memory after a quarter of
the images and after all.
"""

import argparse
import dataclasses
import resource
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from segmenter.configuration import Configuration
from segmenter.configuration.networks import SlightlyFlexibleUNetSettings
from segmenter.data.dataset import Sample
from segmenter.evaluation import write_evaluation
from segmenter.evaluation.measuring import measure_batches

SIDE, BATCH = 512, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    count = parser.parse_args().images
    configuration = Configuration(model=SlightlyFlexibleUNetSettings())
    quarter, peaks, drawing = BATCH * (count // 4 // BATCH), [], 0.0

    def batches():
        nonlocal drawing
        for first in range(0, count, BATCH):
            if first == quarter:
                peaks.append(peak_mb())
            began = time.perf_counter()
            numbers = range(first, min(first + BATCH, count))
            truth, likely = zip(*map(pair, numbers), strict=True)
            samples = [sample(number) for number in numbers]
            drawing += time.perf_counter() - began
            yield samples, np.stack(truth), np.stack(likely)

    began = time.perf_counter()
    tables = measure_batches(batches(), configuration, (300.0, 900.0), {sample(number).name for number in range(count)})
    measured = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_evaluation(Path(folder), tables, {"identity": {}, "trained_on_too": []}, {})
    written = time.perf_counter()
    peaks.append(peak_mb())
    seconds = measured - began - drawing
    print(f"{count} images: {seconds:.1f} s for the measures ({1000 * seconds / count:.0f} ms an image)")
    print(f"{written - measured:.1f} s for tables, groups and intervals")
    print(f"peak memory: {peaks[0]:.0f} MB after {quarter} images, {peaks[1]:.0f} MB after {count}")


def sample(number: int) -> Sample:
    """Sample number so and so; eight are one patient's."""
    patient, name, nowhere = f"P{number // 8}", f"P{number // 8}_{number % 8}", Path()
    told = {"kind": ("DM", "CM")[number % 2], "view": ("CC", "MLO")[number // 2 % 2], "birads": str(3 + number % 3)}
    return dataclasses.replace(Sample(name, "test", nowhere, nowhere, name, "original", patient, "malignant"), details=told)


def pair(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth, (SIDE, SIDE) uint8, and probabilities, (SIDE, SIDE, 1) float32, that agree in part."""
    rng = np.random.default_rng(number)
    coarse = rng.normal(size=(2, 24, 24)).astype(np.float32)
    field, other = (cv2.resize(values, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for values in coarse)
    truth = (field > 1.6).astype(np.uint8) if number % 4 else np.zeros((SIDE, SIDE), np.uint8)
    likely = 1 / (1 + np.exp(-6 * (0.8 * field + 0.4 * other - 1.4)))
    return truth, likely[..., None].astype(np.float32)


def peak_mb() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
