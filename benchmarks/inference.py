"""Measures `infer` against bare `model.predict`, and the time of a cold start to the first mask.

    python benchmarks/inference.py [--images 32] [--runs 3]

Images are drawn, 512 x 512 JPEG. Both networks are untrained: that of `quick`, and SlightlyFlexibleUNet at 512 px with its
default settings. `predict` gets the images from memory, at the network's side; `infer` reads them and writes masks,
probabilities, overlays and the table of lesions. "One thread" is the same without reading ahead and writing behind. A cold
start is `cesm-segmenter infer` with one image in a process of its own; its rows for ONNX need the extra `onnx`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
from results import Row, measure_alternately, median_ratio, summarize, write_rows

from pipeline.files import is_installed
from pipeline.files.processes import Inline
from pipeline.geometry import square_image
from pipeline.sources import read_image
from segmenter.configuration import InferSettings
from segmenter.inference import run as inference
from segmenter.inference.jobs import find_jobs
from segmenter.inference.plan import Plan, load_backends, load_models
from segmenter.library import build_model
from segmenter.readers import open_readers

BATCH = 8
NETWORKS = {"quick, 128 px": {"side": 128, "base_filters": 8}, "default, 512 px": {"side": 512}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_images(folder / "images", arguments.images)
        for setting, keys in NETWORKS.items():
            file = folder / f"{keys['side']}.keras"
            write_model(file, **keys)
            rows += measure_throughput(setting, file, folder, arguments.runs)
        rows += measure_cold_start(folder, arguments.runs)
    write_rows("inference", rows)


def draw_images(folder: Path, count: int) -> None:
    """Writes gray images of 512 px, each with a bright disc in smooth noise."""
    folder.mkdir()
    for number in range(count):
        generator = np.random.default_rng(number)
        coarse = generator.integers(0, 120, (32, 32)).astype(np.uint8)
        image = cv2.resize(coarse, (512, 512), interpolation=cv2.INTER_CUBIC)
        cv2.circle(image, tuple(generator.integers(100, 400, 2).tolist()), 40, 230, -1)
        cv2.imwrite(str(folder / f"{number}.jpg"), image, (cv2.IMWRITE_JPEG_QUALITY, 95))


def write_model(file: Path, **keys: int) -> None:
    """Writes an untrained network that calls a small part of an image lesion, as a trained one does."""
    from segmenter.models.saved_models import save_for_prediction

    model = build_model(**keys)
    model.get_layer("lesion").bias.assign([-2.0])
    save_for_prediction(model, file)


def measure_throughput(setting: str, file: Path, folder: Path, runs: int) -> list[Row]:
    """Images per second of `infer`, with threads and with one, and of `model.predict`."""
    plan, output = Plan((file,), InferSettings(batch_size=BATCH)), folder / "out"
    load_backends(plan.model_files)
    predictor = load_models(plan)
    inference.load_models = lambda _: predictor
    jobs = find_jobs([folder / "images"], None)
    squares = np.stack([square_image(read_image(job.image), predictor.height) for job in jobs])[..., None]

    def infer(readers: Callable, writers: Callable, *, masks_only: bool = False) -> None:
        shutil.rmtree(output, ignore_errors=True)
        inference.open_readers, inference.ThreadPoolExecutor = readers, writers
        settings = plan.settings.model_copy(update={"masks_only": masks_only})
        inference.infer(replace(plan, settings=settings), jobs, output, {})

    functions = {
        "predict": lambda: predictor.model.predict(squares, batch_size=BATCH, verbose=0),
        "infer": lambda threads=inference.ThreadPoolExecutor: infer(open_readers, threads),
        "infer --masks-only": lambda threads=inference.ThreadPoolExecutor: infer(open_readers, threads, masks_only=True),
        "one thread": lambda: infer(lambda _: Inline(), lambda _: Inline()),
    }
    measure_alternately(functions, 1)  # traces the model
    seconds = measure_alternately(functions, runs)
    return [
        summarize(
            f"{name} of {len(jobs)} images",
            setting,
            per_second(len(jobs), seconds[name]),
            "images/s",
            reference="model.predict",
            ratio=median_ratio(seconds["predict"], seconds[name]),
            target=">= 0.9" if name.startswith("infer") else "",
        )
        for name in functions
    ]


def per_second(count: int, seconds: Sequence[float]) -> list[float]:
    """Images per second of each run."""
    return [count / value for value in seconds]


def measure_cold_start(folder: Path, runs: int) -> list[Row]:
    """Seconds from the start of the program to its end with one mask written, for the network of `quick`."""
    files = {"Keras": folder / "128.keras"}
    if all(map(is_installed, ("onnx", "onnxruntime", "tf2onnx"))):
        files = {"ONNX": folder / "128.onnx"} | files
        subprocess.run([sys.executable, "-m", "segmenter", "export", folder / "128.keras"], check=True, stdout=subprocess.DEVNULL)

    def start(file: Path) -> None:
        shutil.rmtree(folder / "cold", ignore_errors=True)
        words = ["--model", file, "--images", folder / "images" / "0.jpg", "--output", folder / "cold"]
        subprocess.run([sys.executable, "-m", "segmenter", "infer", *words], check=True, capture_output=True)

    seconds = measure_alternately({name: lambda file=file: start(file) for name, file in files.items()}, runs)
    return [
        summarize(
            "cold start to the first mask",
            name,
            values,
            "s",
            reference="Keras",
            ratio=median_ratio(values, seconds["Keras"]),
            target="< 2" if name == "ONNX" else "",
        )
        for name, values in seconds.items()
    ]


if __name__ == "__main__":
    main()
