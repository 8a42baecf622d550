"""What arguments of several commands have in common."""

import argparse
from collections.abc import Callable
from pathlib import Path

from pipeline import files
from pipeline.files import InputError

RUN_HELP = "name of the run, a folder in DATASET/runs"


def add_command(
    commands,
    name: str,
    execute: Callable[[argparse.Namespace], int],
    help: str,
    description: str,
    *,
    dataset: bool = True,
) -> argparse.ArgumentParser:
    """Adds a command that is given a data set folder; with `dataset` off it may be left out."""
    parser = files.add_command(commands, name, execute, help, description, check=check_arguments)
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        type=Path,
        nargs=None if dataset else "?",
        help="folder with train, valid and test, each with images and masks",
    )
    return parser


def check_arguments(arguments: argparse.Namespace) -> None:
    """Raises InputError where --config is not usable, --name not a possible name, or --images missing; reads no data set."""
    from segmenter import runs
    from segmenter.configuration import load_configuration

    if config := getattr(arguments, "config", None):
        load_configuration(config, arguments.settings)
    names = getattr(arguments, "name", None) or []
    for name in [names] if isinstance(names, str) else names:
        runs.open_run(Path(), name)
    for path in getattr(arguments, "images", []):
        if not path.exists():
            raise InputError(f"--images {path}: is not there")


def probability(text: str, word: str) -> float:
    """A number above 0 and under 1; `word` is what else may be given, for the error."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is neither a number between 0 and 1 nor {word}")
    return value


def folder_to_write(text: str) -> Path:
    """A folder that is there or can be made."""
    path = Path(text)
    for part in (path, *path.parents):
        if part.exists() and not part.is_dir():
            raise argparse.ArgumentTypeError(f"{part} is a file; give a folder to write to")
    return path


def file_to_write(text: str) -> Path:
    """A file in a folder that is there or can be made."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder; give a file to write to")
    folder_to_write(str(path.parent))
    return path
