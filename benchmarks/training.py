"""Measures training steps on processors: precision, XLA, oneDNN, channels, batch sizes, sides and networks.

    python benchmarks/training.py [--groups NAME ...] [--runs 5]     a few minutes; the groups of DEFAULT
    python benchmarks/training.py --full                             all groups, for a quiet machine

A group is a list of settings, of which the first is the reference; the rows of groups that are not measured stay. Each setting
runs in a process of its own, and these take their steps in turn, so that ratios hold on a busy machine. A step is
`train_on_batch` on random pairs in memory, with the loss, metrics and optimizer of the configuration. `first step` includes
tracing and, with XLA, compiling. Memory is the most that the process had in use, with TensorFlow itself, of which
`import tensorflow` takes some 450 MB.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from results import Row, measure_alternately, median_ratio, summarize, write_rows

from pipeline.files import InputError, run_program
from segmenter.configuration import Configuration, load_configuration
from segmenter.configuration.networks import MODEL_SETTINGS


@dataclass(frozen=True)
class Setting:
    """What a group compares.

    Attributes:
      name: of the setting in the table.
      model: changed keys of [model].
      batch: images per step.
      environment: variables that TensorFlow reads when it starts.
    """

    name: str
    model: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 8
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """Settings of one network at one side; the first is the reference.

    Attributes:
      config: the name of a configuration.
      model: changed keys of [model], for all settings.
    """

    config: str
    settings: Sequence[Setting]
    model: Mapping[str, Any] = field(default_factory=dict)


BF16, XLA = {"mixed_precision": True}, {"jit_compile": True}


def precisions(batch: int, *, xla: bool = True) -> list[Setting]:
    """float32, bfloat16, and float32 compiled by XLA."""
    settings = [Setting("float32", batch=batch), Setting("bfloat16", BF16, batch)]
    return [*settings, Setting("float32, XLA", XLA, batch)] if xla else settings


def sized(side: int, **changes: object) -> dict[str, object]:
    """Keys of [model] for a side in pixels."""
    return {"image_width": side, "image_height": side} | changes


GROUPS = {
    "quick": Group("quick", [*precisions(8), Setting("bfloat16, XLA", BF16 | XLA)]),
    "quick, channels and oneDNN": Group(
        "quick",
        [
            Setting("float32"),
            Setting("float32, 3 channels", {"image_channels": 3}),
            Setting("float32 without oneDNN", environment={"TF_ENABLE_ONEDNN_OPTS": "0"}),
            Setting("float32, oneDNN in bfloat16", environment={"ONEDNN_DEFAULT_FPMATH_MODE": "BF16"}),
        ],
    ),
    "quick, batches": Group("quick", [Setting("float32", batch=batch) for batch in (8, 1, 2, 4, 16, 32)]),
    "UNet of 1.9 M": Group("quick", precisions(4), sized(256, base_filters=16)),
    "UNet of 1.9 M at 512 px": Group("quick", precisions(2), sized(512, base_filters=16)),
    "published": Group("published", precisions(2, xla=False)),
} | {name: Group("quick", precisions(4), sized(128, model=name)) for name in MODEL_SETTINGS}
DEFAULT = ("quick", "quick, channels and oneDNN", "quick, batches", "UNet of 1.9 M", "published")
OF_QUICK = ("model", "image_width", "image_height", "image_channels", "learning_rate", "loss", "metrics")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", nargs="+", default=DEFAULT, metavar="NAME", help=f"some of: {'; '.join(GROUPS)}")
    parser.add_argument("--full", action="store_true", help="all groups")
    parser.add_argument("--runs", type=int, default=5, help="steps per setting (5)")
    arguments = parser.parse_args()
    if unknown := set(arguments.groups) - set(GROUPS):
        raise InputError(f"{', '.join(sorted(unknown))}: not a group; there are {'; '.join(GROUPS)}")
    names = list(GROUPS) if arguments.full else arguments.groups
    for name in names:
        print(f"{name}: measuring {len(GROUPS[name].settings)} settings", flush=True)
        # After each group, so that an interrupted run keeps what it has.
        write_rows("training", measure_group(name, GROUPS[name], arguments.runs), keep=True)
    return 0


def measure_group(name: str, group: Group, runs: int) -> list[Row]:
    """The rows of one group."""
    workers = {}
    try:
        for setting in group.settings:
            workers[f"{setting.name}, batch {setting.batch}"] = Worker(configure(group, setting), setting)
        steps = measure_alternately({key: worker.step for key, worker in workers.items()}, runs)
        reports = {key: worker.report() for key, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.close()
    return make_rows(name, group, steps, reports)


def configure(group: Group, setting: Setting) -> Configuration:
    """The configuration of a setting. Another network has its own defaults, and the input, loss and metrics of `quick`."""
    changes = dict(group.model) | dict(setting.model)
    configuration = load_configuration(group.config)
    if "model" not in changes:
        return load_configuration(group.config, {"model": changes})
    shared = {key: value for key, value in configuration.model.model_dump().items() if key in OF_QUICK}
    return Configuration.model_validate({"model": shared | changes})


def make_rows(name: str, group: Group, steps: Mapping[str, Sequence[float]], reports: Mapping[str, Mapping]) -> list[Row]:
    """Rows of seconds per step and per image, the first step, memory, and multiply-accumulates of the reference."""
    rows = []
    batches = dict(zip(steps, (setting.batch for setting in group.settings), strict=True))
    reference = next(iter(steps))
    side, parameters = reports[reference]["side"], reports[reference]["parameters"] / 1e6
    title = f"{name}, {parameters:.1f} M parameters, {side} px"
    for key, seconds in steps.items():
        per_image = {other: [second / batches[other] for second in steps[other]] for other in (key, reference)}
        for measurement, values, references in (
            ("step", seconds, steps[reference]),
            ("image", per_image[key], per_image[reference]),
        ):
            compared = {} if key == reference else {"reference": reference, "ratio": median_ratio(values, references)}
            rows.append(summarize(f"{title}: {measurement}", key, values, "s", **compared))
        rows.append(Row(f"{title}: first step", key, reports[key]["first_step_s"], "s"))
        rows.append(Row(f"{title}: peak memory", key, reports[key]["peak_mb"], "MB"))
    rows.append(Row(f"{title}: multiply-accumulates of one prediction", "", reports[reference]["macs"] / 1e9, "G"))
    return rows


class Worker:
    """A process that trains one model, a step when it is asked to."""

    def __init__(self, configuration: Configuration, setting: Setting):
        self.connection, other = multiprocessing.Pipe()
        before = dict(os.environ)
        os.environ.update(setting.environment)
        self.process = multiprocessing.get_context("spawn").Process(target=work, args=(configuration, setting.batch, other))
        self.process.start()
        os.environ.clear()
        os.environ.update(before)
        other.close()
        self.connection.recv()  # two steps to warm up are done

    def step(self) -> None:
        """Takes one step."""
        self.connection.send("step")
        self.connection.recv()

    def report(self) -> dict[str, float]:
        """What the process measured itself."""
        self.connection.send("report")
        return self.connection.recv()

    def close(self) -> None:
        """Ends the process."""
        self.connection.close()
        self.process.join()


def work(configuration: Configuration, batch: int, connection: Connection) -> None:
    """Trains in a process of its own until the connection is closed."""
    from segmenter.backend import load_backend

    load_backend()
    from segmenter.models.inspection import count_multiply_accumulates
    from segmenter.training.compilation import compile_model

    settings = configuration.model
    model = compile_model(configuration)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (batch, settings.image_height, settings.image_width, settings.image_channels), np.uint8)
    masks = rng.integers(0, 2, (batch, settings.image_height, settings.image_width, 1), np.uint8)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        model.train_on_batch(images, masks)
        seconds.append(time.perf_counter() - start)
    connection.send("ready")
    while True:
        try:
            command = connection.recv()
        except EOFError:
            return
        if command == "step":
            model.train_on_batch(images, masks)
            connection.send("done")
            continue
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        report = {"first_step_s": seconds[0], "peak_mb": peak / 1e6, "side": settings.image_width}
        report |= {"parameters": model.count_params(), "macs": sum(count_multiply_accumulates(model).values())}
        connection.send(report)


if __name__ == "__main__":
    sys.exit(run_program(main))
