"""Runs the stage stats and prints which pictures there are."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import stages
from pipeline.commands.arguments import add_folder
from pipeline.files import DONE, add_command

if TYPE_CHECKING:
    from pipeline.dataset.folder import DatasetFolder
    from pipeline.stages import Outcome


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(commands, "stats", execute, "draw counts, lesion sizes, strata and contact sheets to FOLDER/stats")
    add_folder(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from pipeline.dataset.folder import DatasetFolder

    folder = DatasetFolder(arguments.folder)
    print_stats(folder, stages.stats(folder))
    return DONE


def print_stats(folder: "DatasetFolder", outcome: "Outcome") -> None:
    """Prints the outcome of the stage."""
    names = [Path(path).name for path in outcome.summary["pictures"]]
    if outcome.changed:
        print(f"stats: {len(names)} pictures in {folder.stats}: {', '.join(names)}")
    else:
        print(f"stats: up to date; {len(names)} pictures in {folder.stats}")
