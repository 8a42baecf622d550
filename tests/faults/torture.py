"""Kills each stage at each of its changes of the file system, runs the same command again, and compares all bytes.

Run by `make torture`. Each stage of a data set of six images and their partners is killed at every call that `shim` counts, once
as a kill and once as a power cut; afterwards the same command must end with the bytes of a run that nobody interrupted. So is a
training of three epochs, at each fifth call.
"""

import argparse
import functools
import itertools
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from faults.contents import contents
from faults.shim import KILLED, run_in_fork
from inputs import small_download, small_recipe

import pipeline.exports
import pipeline.phantom
import pipeline.report.charts
import pipeline.report.dataset_page  # noqa: F401  # loaded before the forks
import segmenter.cli
from pipeline.cli import COMMANDS, main
from pipeline.workers import Inline
from segmenter.backend import load_backend

# A stage, and what must have run before it. Later stages of the list find what the earlier ones left.
STAGES = ("index", "split", "masks", "variants", "stats", "report", "coco", "hf", "nnunet", "tfrecord", "via")
ALONE = ("dataset", "phantom")
TRAIN = "train"  # after dataset: three epochs of one step
ALL = (*STAGES, *ALONE, TRAIN)
_TRAINING_EVERY = 5  # of its calls only each fifth is taken, because a point takes 10 seconds
_TINY = """[model]
model = "SlightlyFlexibleUNet"
image_width = 16
image_height = 16
base_filters = 2
num_layers = 2
[train]
epochs = 3
batch_size = 8
steps_per_epoch = 1
num_infer_images = 1
deterministic = true
"""


@dataclass(frozen=True)
class Point:
    """One interruption: the stage, the number of the call, and whether the power was cut."""

    stage: str
    call: int
    power: bool

    def __str__(self) -> str:
        return f"{self.stage}, call {self.call}, {'power cut' if self.power else 'kill'}"


class Torture:
    """Interrupts stages in a folder of its own.

    Args:
      root: an empty folder.
    """

    def __init__(self, root: Path):
        self.root, self.place = root, root / "here"
        cv2.setNumThreads(1)  # here, since a fork would wait for threads of OpenCV that it does not have
        small_download(root / "start" / "raw", patients=3)
        recipe = Path(small_recipe(root / "start" / "small.toml", variants=("original", "mirrored")))
        recipe.write_text(recipe.read_text().replace("[split]", "[partner]\nuse = true\n[split]"))
        (root / "start" / "tiny.toml").write_text(_TINY)

    def command(self, stage: str) -> Callable[[], int]:
        """The command line of a stage."""
        folder = str(self.place / "set")
        making = ["--raw", str(self.place / "raw"), "--out", folder, "--recipe", str(self.place / "small.toml")]
        if stage in ("index", "dataset"):
            arguments = [stage, *making]
        elif stage == "phantom":
            arguments = [stage, str(self.place / "phantom"), "--patients", "6"]
        elif stage == TRAIN:
            return functools.partial(segmenter.cli.main, [stage, folder, "--config", str(self.place / "tiny.toml")])
        elif stage in STAGES[:6]:
            arguments = [stage, folder]
        else:
            arguments = ["export", folder, "--format", stage]
        return functools.partial(main, arguments)

    def run(self, stages: Sequence[str], every: int = 1) -> Iterator[tuple[Point, str]]:
        """Yields each point, and what was wrong after it; empty where all bytes are right."""
        state = self.root / "start"
        for stage in STAGES:
            if stage in stages:
                yield from self._interrupt(stage, state, every)
            if stage == max((name for name in stages if name in STAGES), key=STAGES.index, default=""):
                break
            state = self._advance(stage, state)
        for stage in ALONE:
            if stage in stages:
                yield from self._interrupt(stage, self.root / "start", every)
        if TRAIN in stages:
            load_backend()  # once; its threads start in the forks, with the first operation
            import segmenter.training.trainer  # noqa: F401

            yield from self._interrupt(TRAIN, self._advance("dataset", self.root / "start"), every * _TRAINING_EVERY)

    def _advance(self, stage: str, before: Path) -> Path:
        after = self.root / f"after-{stage}"
        self._restore(before)
        self._run(stage, 0, power=False)
        shutil.copytree(self.place, after, copy_function=shutil.copy2)
        return after

    def _restore(self, state: Path) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(state, self.place, copy_function=shutil.copy2)

    def _run(self, stage: str, call: int, *, power: bool) -> tuple[int, int]:
        return run_in_fork(functools.partial(self._work, stage), call, power=power, output=self.root / "printed.txt")

    def _work(self, stage: str) -> int:
        """Runs a stage in this process, which is a fork, so that the calls have one order."""
        tempfile.tempdir = str(self.root)  # for what a killed process leaves there
        for module in COMMANDS:
            if hasattr(module, "open_workers"):
                module.open_workers = lambda *_: Inline()
            if hasattr(module, "start_workers"):
                module.start_workers = lambda *_: None
        return self.command(stage)()

    def _interrupt(self, stage: str, state: Path, every: int) -> Iterator[tuple[Point, str]]:
        self._restore(state)
        status, calls = self._run(stage, 0, power=False)
        if status != 0:
            raise RuntimeError(f"{stage} fails: {(self.root / 'printed.txt').read_text()}")
        expected = contents(self.place)
        for call in range(1, calls + 1, every):
            for power in (False, True):
                self._restore(state)
                killed, _ = self._run(stage, call, power=power)
                status, _ = self._run(stage, 0, power=False)
                yield Point(stage, call, power), self._fault(killed, status, expected)

    def _fault(self, killed: int, status: int, expected: dict[str, str]) -> str:
        if killed != KILLED:
            return f"it was to be killed, and ended with status {killed}"
        if status != 0:
            return f"the second run ended with status {status}: {(self.root / 'printed.txt').read_text()[-300:]}"
        found = contents(self.place)
        differing = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        return f"other bytes than without an interruption: {', '.join(differing[:5])}" if differing else ""


def _report(result: tuple[Point, str]) -> bool:
    """Prints a point that did not survive; whether it did."""
    point, fault = result
    if fault:
        print(f"{point}: {fault}", flush=True)
    return not fault


def run_all() -> int:
    """Runs the program; the exit status is 1 where a point did not survive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", nargs="+", default=ALL, choices=ALL)
    parser.add_argument(
        "--every",
        type=int,
        default=1,
        help=f"only each of so many calls, of train {_TRAINING_EVERY} times as many (default: %(default)s)",
    )
    arguments = parser.parse_args()
    counts: list[tuple[int, int]] = []
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        points = Torture(Path(folder)).run(arguments.stages, arguments.every)
        for stage, results in itertools.groupby(points, key=lambda result: result[0].stage):
            outcomes = list(map(_report, results))
            counts.append((len(outcomes), sum(outcomes)))
            print(f"{stage}: {counts[-1][1]} of {counts[-1][0]} points survived", flush=True)
    tried, survived = (sum(column) for column in zip(*counts, strict=True))
    print(f"torture: {survived} of {tried} points survived, in {time.monotonic() - start:.0f} s")
    return int(survived < tried)


if __name__ == "__main__":
    sys.exit(run_all())
