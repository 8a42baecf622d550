"""Compares runs on the same images."""

import argparse
import sys
from pathlib import Path

from pipeline.contract import SPLITS
from pipeline.files import DONE, InputError, add_command, locked, suggest
from segmenter.commands.arguments import folder_to_write


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "compare",
        execute,
        "compare runs, image by image",
        "Prints how the metrics of each run differ from those of the first, with 95 % intervals that draw the same patients "
        "from both. The runs must have been evaluated on the same images. A run in another data set's folder, a pooled "
        "cross-validation (NAME-cv) and a single evaluation (RUN/evaluation/test_single) can be given, too. One metric, chosen "
        "beforehand, gets a verdict; the others are exploratory.",
    )
    parser.add_argument("reference", metavar="RUN", type=Path, help="the run to compare with: DATASET/runs/NAME")
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="the runs to compare with it")
    parser.add_argument("--split", choices=SPLITS, default="test", help="default: test")
    parser.add_argument(
        "--primary",
        metavar="METRIC",
        default="dice",
        help="the metric that gets the verdict, such as dice-median or detection_rate (default: dice, its mean over images)",
    )
    parser.add_argument(
        "--output",
        type=folder_to_write,
        metavar="DIR",
        help="write comparison.csv and comparison.png there (default: print only)",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from segmenter.evaluation import comparison, describe_leak

    if arguments.primary not in (names := comparison.primary_metrics()):
        hint = suggest(arguments.primary, names)
        raise InputError(f"--primary {arguments.primary}: is not a compared metric; expected one of {', '.join(names)}{hint}")
    runs = [comparison.read_evaluated(folder, arguments.split) for folder in (arguments.reference, *arguments.runs)]
    table = comparison.compare_runs(runs, arguments.primary)
    print(*comparison.describe(table), sep="\n")
    if arguments.output:
        with locked(arguments.output, "segmenter compare"):
            comparison.write_comparison(arguments.output, table)
        print(f"{arguments.output}: comparison.csv, comparison.png")
    for run in runs:
        if message := describe_leak(run.summary, run.split):
            print(f"warning: {run.name}: {message}", file=sys.stderr)
    return DONE
