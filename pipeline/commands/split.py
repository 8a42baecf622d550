"""Runs the stage split and prints how many patients, images and samples each split has."""

import argparse
from pathlib import Path

from pipeline import stages
from pipeline.commands.arguments import add_assignment, add_folder
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import DONE, add_command


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(commands, "split", execute, "assign patients to train, valid and test, and to folds")
    add_folder(parser)
    add_assignment(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and gives its exit status."""
    run_split(DatasetFolder(arguments.folder), arguments.assignment)
    return DONE


def run_split(folder: DatasetFolder, assignment: Path | None) -> None:
    """Runs the stage and prints its outcome."""
    outcome = stages.split(folder, assignment)
    counts = outcome.summary["splits"]
    images = sum(count["images"] for count in counts.values())
    splits = "; ".join(
        f"{split} {count['patients']} patient{'s' if count['patients'] != 1 else ''}, {count['images']} images "
        f"({count['images'] / images:.1%}), {count['samples']} samples"
        for split, count in counts.items()
    )
    print(f"split: {'' if outcome.changed else 'up to date; '}{splits}")
    if added := outcome.summary["assigned_now"]:
        print(f"split: {added} were not in the assignment before and have been added")
