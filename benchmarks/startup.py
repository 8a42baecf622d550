#!/usr/bin/env python3
"""Measures start-up: imports, `--help` of every command, and a command that finds everything done.

    python benchmarks/startup.py [--set DATASET --raw RAW] [--runs 5]

Without --set it makes a phantom and a data set of it. Processor seconds are the lowest of the runs, when the machine did least
else; Python's own start, 0.03 s, is in all of them.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from results import Row, summarize, write_rows

import pipeline.cli
import segmenter.cli
from pipeline.dataset.manifest import read_manifest

NAMES = {"cross_validate": "cv", "convert_config": "convert-config"}  # commands that are not called as their modules are


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", type=Path, help="a complete data set")
    parser.add_argument("--raw", type=Path, help="what it was made from")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    rows = [measure("Python alone", "", ["-c", "pass"], args.runs)]
    rows += [measure("import", package, ["-c", f"import {package}"], args.runs) for package in ("pipeline", "segmenter")]
    for cli in (pipeline.cli, segmenter.cli):
        rows += measure_help(cli.__name__.split(".")[0], commands_of(cli), args.runs)
    with tempfile.TemporaryDirectory() as scratch:
        folder, raw = args.set, args.raw
        if not folder:
            folder, raw = Path(scratch, "set"), Path(scratch, "raw")
            run(["-m", "pipeline", "phantom", raw])
            run(["-m", "pipeline", "dataset", "--raw", raw, "--out", folder])
        size = f"{len(read_manifest(folder / 'manifest.csv'))} samples"
        arguments = ["-m", "pipeline", "dataset", "--raw", raw, "--out", folder]
        rows.append(measure("dataset, everything done", size, arguments, args.runs, target="< 1"))
    write_rows("startup", rows)


def commands_of(cli) -> list[str]:
    """The names of a program's commands."""
    names = [module.__name__.rsplit(".", 1)[1] for module in cli.COMMANDS]
    return [NAMES.get(name, name) for name in names]


def measure_help(package: str, commands: list[str], runs: int) -> list[Row]:
    """The help of a program, and that of the command that takes longest."""
    whole = measure("--help", package, ["-m", package, "--help"], runs, target="< 0.3")
    rows = [measure("--help", f"{package} {name}", ["-m", package, name, "--help"], runs, target="< 0.3") for name in commands]
    slowest = max(rows, key=lambda row: row.value)
    others = [row.value for row in rows if row is not slowest]
    rest = summarize("--help", f"{package}, the other commands", others, "processor s", target="< 0.3")
    return [whole, slowest, rest]


def measure(measurement: str, setting: str, arguments: list, runs: int, target: str = "") -> Row:
    """The processor seconds of a program; after a first run, which may have to compile its modules."""
    run(arguments)
    seconds = [run(arguments) for _ in range(runs)]
    return Row(measurement, setting, min(seconds), "processor s", min(seconds), max(seconds), runs, target=target)


def run(arguments: list) -> float:
    """Runs Python and returns its processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *map(str, arguments)], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
