"""Measures the processor time that varying a pair of 512 px takes, with each variation alone and with all of them.

    python benchmarks/augmentation.py [--runs 5] [--batch 8]

Batches are drawn and varied as both loaders do it, compiled. Variations are applied to each pair, but for the row of a
probability of 0.5. The rows of all variations have OpenCV's `remap` and `GaussianBlur` of the same pairs, once each, as their
reference: a floor for moving pixels and smoothing on a processor. A compilation takes the processor time of a first call, less
that of a second one.
"""

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np
from results import Row, median_ratio, summarize, write_rows

from pipeline.files import run_program
from segmenter.augmentation import VARIATIONS, make_variation
from segmenter.backend import compiled, load_backend
from segmenter.configuration import load_configuration

SIDE = 512
EVERY = "all variations"
EVERYTHING: dict[str, object] = dict.fromkeys(VARIATIONS, True) | {
    "angle_range": (-20.0, 20.0),
    "shrinks": (0.8, 0.9),
    "shears": (0.1,),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="timed runs per row (5)")
    parser.add_argument("--batch", type=int, default=8, help="pairs per batch (8)")
    arguments = parser.parse_args()
    load_backend()
    random = np.random.default_rng(1)
    # Smooth, as mammograms are.
    images = cv2.GaussianBlur(random.integers(0, 256, (SIDE, SIDE, arguments.batch), np.uint8), (0, 0), 3)
    images = np.ascontiguousarray(images.transpose(2, 0, 1))[..., None]
    rows = []
    for name in VARIATIONS:
        rows += measure(name, {"each pair": 1.0}, pick(name), images, arguments.runs)
    rows += measure(EVERY, {"each pair": 1.0, "probability 0.5": 0.5}, EVERYTHING, images, arguments.runs)
    write_rows("augmentation", rows)
    return 0


def measure(name: str, probabilities: dict[str, float], settings: dict[str, object], images: np.ndarray, runs: int) -> list[Row]:
    """One row per probability, by its setting, which are measured alternately; and one of the compilation of all variations."""
    prepared = {setting: prepare(settings, probability, images) for setting, probability in probabilities.items()}
    floor: list[float] = []
    values: dict[str, list[float]] = {setting: [] for setting in prepared}
    for _ in range(runs):
        floor.append(processor_ms(lambda: move_and_smooth(images), len(images)))
        for setting, (function, _) in prepared.items():
            values[setting].append(processor_ms(function, len(images)))
    if name != EVERY:
        return [summarize(name, setting, values[setting], "ms per pair") for setting in prepared]
    reference = "remap and GaussianBlur of OpenCV"
    rows = [
        summarize(name, setting, milliseconds, "ms per pair", reference=reference, ratio=median_ratio(milliseconds, floor))
        for setting, milliseconds in values.items()
    ]
    return [*rows, summarize("compilation", name, [seconds for _, seconds in prepared.values()], "s")]


def pick(name: str) -> dict[str, object]:
    """The settings of [augmentor] that turn one variation on."""
    return {name: EVERYTHING[name]} | ({"angle_range": EVERYTHING["angle_range"]} if name == "rotation" else {})


def prepare(settings: dict[str, object], probability: float, images: np.ndarray) -> tuple[Callable[[], object], float]:
    """A function that varies the next batch, and the processor seconds that its compilation took."""
    size = {"generator": True, "image_width": SIDE, "image_height": SIDE}
    configuration = load_configuration("quick", {"model": size, "augmentor": settings | {"probability": probability}})
    variation, masks = make_variation(configuration, seed=1), images // 128
    vary, batches = compiled(variation.apply), iter(range(1_000_000))

    def function() -> object:
        numbers = np.arange(len(images)) + next(batches) * len(images)
        return [np.asarray(squares) for squares in vary(variation.draw(numbers), images, masks)]

    start = time.process_time()
    function()
    first = time.process_time()
    function()
    return function, first - start - (time.process_time() - first)


def processor_ms(function: Callable[[], object], pairs: int) -> float:
    """Processor time of all threads per pair, in ms, the mean of three calls."""
    start = time.process_time()
    for _ in range(3):
        function()
    return (time.process_time() - start) / 3 / pairs * 1000


def move_and_smooth(images: np.ndarray) -> None:
    """What OpenCV takes to move the pixels of pairs by a field, and to blur the images."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32) + np.float32(0.5)
    for image in images:
        for mode in (cv2.INTER_LINEAR, cv2.INTER_NEAREST):
            moved = cv2.remap(image, columns, rows, mode)
        cv2.GaussianBlur(moved, (11, 11), 1.5)


if __name__ == "__main__":
    run_program(main)
