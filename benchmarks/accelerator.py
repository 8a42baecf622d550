"""Measures training steps and memory of three networks on an accelerator, by any backend of Keras; TensorFlow is not needed.

    KERAS_BACKEND=jax python benchmarks/accelerator.py [--networks quick unet published] [--side 512] [--batches 1 2 4 8 16 32]
    KERAS_BACKEND=torch python benchmarks/accelerator.py --jit off on --csv FILE

The networks are those of the configurations `quick` and `published`, and `unet`, which is `quick` with twice its filters (1.94
million parameters), each with its own loss, metrics and optimizer, on random pairs in memory. A row per batch size is added to
the CSV file as soon as it is measured, so that an interrupted run keeps what it has:

- `first_step_s`: the first step, which compiles;
- `step_ms`, `step_min_ms`, `step_max_ms`: median and extremes of the steps by `train_on_batch` after some to warm up; each
  copies its batch to the device and waits for the loss; `images_per_s` is the batch divided by the median;
- `fit_images_per_s`: one epoch of as many steps by `fit`, which does not wait for each;
- `peak_mib`: the most device memory in use so far, what the backend tries while it compiles included; empty on processors.

Each network, side, precision and jit is measured in a process of its own, the smallest batch first, so that the peak is that of
the row. The first batch that does not fit into memory, or fails, ends it, with a row that says so in `problem`. "float32" is what
the backend makes of it: on a GPU that has TF32, JAX and PyTorch use it for convolutions.
"""

import argparse
import csv
import importlib.util
import itertools
import multiprocessing
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from pipeline.files import InputError, run_program
from segmenter.configuration import Configuration, load_configuration

COLUMNS = (
    "device",
    "backend",
    "version",
    "keras",
    "network",
    "parameters",
    "side",
    "channels",
    "precision",
    "jit",
    "batch",
    "steps",
    "first_step_s",
    "step_ms",
    "step_min_ms",
    "step_max_ms",
    "images_per_s",
    "fit_images_per_s",
    "peak_mib",
    "loss",
    "problem",
)
NETWORKS: dict[str, tuple[str, dict[str, object]]] = {
    "quick": ("quick", {}),
    "unet": ("quick", {"base_filters": 16}),
    "published": ("published", {}),
}
PRECISIONS = ("float32", "mixed_bfloat16")
WARM_UP = 4  # untimed steps, of which the first compiles


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--side", nargs="+", type=int, help="in pixels (each network's own, and 512)")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--jit", nargs="+", choices=("on", "off"), help="compile the step (on, but off with torch)")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 2, 4, 8, 16, 32], help="images per step (1 2 4 8 16 32)")
    parser.add_argument("--steps", type=int, default=20, help="timed steps per row (20)")
    parser.add_argument("--limit", type=float, help="seconds after which a process is stopped, with the rows that it has")
    parser.add_argument("--csv", type=Path, default=Path("accelerator.csv"), help="to which rows are added (accelerator.csv)")
    arguments = parser.parse_args()
    if not (backend := os.environ.get("KERAS_BACKEND")):
        raise InputError("KERAS_BACKEND is not set; set it to jax, torch or tensorflow")
    for module in ("keras", backend):
        if importlib.util.find_spec(module) is None:
            raise InputError(f"{module} is not installed; install it, or set KERAS_BACKEND to a backend that is")
    jits = arguments.jit or ["off" if backend == "torch" else "on"]
    failed = 0
    for network, precision, jit in itertools.product(arguments.networks, arguments.precisions, jits):
        for side in arguments.side or sorted({load_configuration(NETWORKS[network][0]).model.image_width, 512}, reverse=True):
            failed += not measure_apart(configure(network, side, precision, jit), network, arguments)
    return 1 if failed else 0


def configure(network: str, side: int, precision: str, jit: str) -> Configuration:
    """The configuration of one of `NETWORKS` at a side in pixels."""
    name, changes = NETWORKS[network]
    size = {"image_width": side, "image_height": side}
    switches = {"mixed_precision": precision == "mixed_bfloat16", "jit_compile": jit == "on"}
    return load_configuration(name, {"model": changes | size | switches})


def measure_apart(configuration: Configuration, network: str, arguments: argparse.Namespace) -> bool:
    """Measures one configuration in a process of its own; returns whether that ended by itself and without a fault."""
    process = multiprocessing.get_context("spawn").Process(
        target=measure, args=(configuration, network, sorted(arguments.batches), arguments.steps, arguments.csv)
    )
    process.start()
    process.join(arguments.limit)
    if process.is_alive():
        process.kill()
        process.join()
        print(f"{network}: stopped after {arguments.limit:g} s", flush=True)
    return process.exitcode == 0


def measure(configuration: Configuration, network: str, batches: list[int], steps: int, table: Path) -> None:
    """Measures one configuration, and adds and prints a row per batch size."""
    from segmenter.backend import pin_keras

    pin_keras()
    import keras

    from segmenter.training.compilation import compile_model

    keras.utils.set_random_seed(1)
    settings = configuration.model
    model = compile_model(configuration)
    backend = describe_backend()
    print("{device}; {backend} {version}, Keras {keras}".format(**backend), flush=True)
    row: dict[str, object] = backend | {
        "network": network,
        "parameters": model.count_params(),
        "side": settings.image_width,
        "channels": settings.image_channels,
        "precision": PRECISIONS[settings.mixed_precision],
        "jit": "on" if settings.jit_compile else "off",
    }
    for batch in batches:
        try:
            values = measure_batch(model, batch, steps)
        except Exception as error:  # of any type, by backend; the row states it
            values = {"problem": explain(error)}
        add_row(table, row | {"batch": batch} | values)
        if "problem" in values:
            break


def measure_batch(model: Any, batch: int, steps: int) -> dict[str, object]:
    """Returns the measurements of one batch size."""
    rng = np.random.default_rng(1)
    side, channels = model.input_shape[1], model.input_shape[3]
    images = rng.integers(0, 256, (steps * batch, side, side, channels), np.uint8)
    masks = rng.integers(0, 2, (steps * batch, side, side, 1), np.uint8)
    reset_peak()
    seconds, values = [], []
    for step in range(WARM_UP + steps):
        pairs = slice(step % steps * batch, (step % steps + 1) * batch)
        start = time.perf_counter()
        values = model.train_on_batch(images[pairs], masks[pairs])
        seconds.append(time.perf_counter() - start)
    timed = seconds[WARM_UP:]
    peak = peak_memory()
    fit = {"batch_size": batch, "shuffle": False, "verbose": 0}
    model.fit(images[: 2 * batch], masks[: 2 * batch], **fit)
    start = time.perf_counter()
    model.fit(images, masks, **fit)
    fit_s = time.perf_counter() - start
    return {
        "steps": steps,
        "first_step_s": f"{seconds[0]:.2f}",
        "step_ms": f"{1000 * statistics.median(timed):.2f}",
        "step_min_ms": f"{1000 * min(timed):.2f}",
        "step_max_ms": f"{1000 * max(timed):.2f}",
        "images_per_s": f"{batch / statistics.median(timed):.1f}",
        "fit_images_per_s": f"{steps * batch / fit_s:.1f}",
        "peak_mib": "" if peak is None else f"{peak / 2**20:.0f}",
        "loss": f"{float(values[0]):.4f}",
    }


def describe_backend() -> dict[str, str]:
    """The device that Keras runs on, the backend and its version."""
    import keras

    name = keras.backend.backend()
    module = importlib.import_module(name)
    if name == "jax":
        device = module.devices()[0].device_kind
    elif name == "torch":
        device = module.cuda.get_device_name() if module.cuda.is_available() else "cpu"
    else:
        gpus = module.config.list_physical_devices("GPU")
        device = module.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "cpu"
    return {"device": device, "backend": name, "version": module.__version__, "keras": keras.__version__}


def reset_peak() -> None:
    """Forgets the peak so far, where the backend can."""
    if (torch := sys.modules.get("torch")) and torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_memory() -> int | None:
    """The most device memory that the backend had in use, in bytes; None where it does not count."""
    import keras

    name = keras.backend.backend()
    module = importlib.import_module(name)
    if name == "torch":
        return module.cuda.max_memory_allocated() if module.cuda.is_available() else None
    if name == "jax":
        return (module.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    return module.config.experimental.get_memory_info("GPU:0")["peak"] if module.config.list_physical_devices("GPU") else None


def explain(error: Exception) -> str:
    """One line: out of memory, or the error's type and the first line of its text."""
    text = str(error)
    if any(sign in text for sign in ("RESOURCE_EXHAUSTED", "out of memory", "OOM when allocating", "Out of memory")):
        return "out of memory"
    return f"{type(error).__name__}: {text.strip().splitlines()[0] if text.strip() else ''}"[:300]


def add_row(table: Path, row: dict[str, object]) -> None:
    """Adds a row to the table, made with its header where there is none, and prints it."""
    is_new = not table.exists()
    with table.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(row)
    shown = ("network", "side", "precision", "jit", "batch", "step_ms", "images_per_s", "fit_images_per_s", "peak_mib", "problem")
    print(*(f"{key}={row[key]}" for key in shown if row.get(key, "") != ""), flush=True)


if __name__ == "__main__":
    sys.exit(run_program(main))
