"""What arguments of several commands have in common."""

import argparse
from collections.abc import Callable
from pathlib import Path

RUN_HELP = "the run: a folder of DATASET/runs"


def add_command(
    commands, name: str, execute: Callable[[argparse.Namespace], int], help: str, description: str, *, dataset: bool = True
) -> argparse.ArgumentParser:
    """Adds a command that is given a data set folder; with `dataset` off it may be left out."""
    parser = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}. {description}")
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        type=Path,
        nargs=None if dataset else "?",
        help="folder with train, valid and test, each with images and masks",
    )
    parser.set_defaults(command=execute)
    return parser


def probability(text: str) -> float:
    """A number above 0 and under 1."""
    if not 0 < (value := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value
