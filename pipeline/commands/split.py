"""Runs the stage split and prints how many patients, images and samples each split has."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline import stages
from pipeline.commands.arguments import add_assignment, add_folder
from pipeline.files import DONE, add_command, add_json, print_json

if TYPE_CHECKING:
    from pipeline.stages import Outcome


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(commands, "split", execute, "assign patients to train, valid and test, and to folds")
    add_folder(parser)
    add_assignment(parser)
    add_json(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from pipeline.dataset.folder import DatasetFolder

    folder = DatasetFolder(arguments.folder)
    outcome = stages.split(folder, arguments.assignment)
    if arguments.json:
        print_json({"folder": folder.root, "up_to_date": not outcome.changed, **outcome.summary})
    else:
        print_split(outcome)
    return DONE


def print_split(outcome: "Outcome") -> None:
    """Prints the outcome of the stage."""
    print(f"split: {'' if outcome.changed else 'up to date; '}{describe_splits(outcome.summary)}")
    if added := outcome.summary["assigned_now"]:
        print(f"split: {added} were not in the assignment before and have been added")
    if unknown := outcome.summary["not_indexed"]:
        more = ", ..." if len(unknown) > 3 else ""
        print(f"split: {len(unknown)} in the assignment are not in the index ({', '.join(unknown[:3])}{more})")


def describe_splits(summary: Mapping) -> str:
    """The counts of each split on one line; percentages are of source images, or of samples where these are split."""
    shared = "samples" if summary["by"] == "sample" else "images"
    total = sum(count[shared] for count in summary["splits"].values())
    lines = []
    for split, count in summary["splits"].items():
        percent = {shared: f" ({count[shared] / total:.1%})"}
        counts = [f"{count[unit]} {unit}{percent.get(unit, '')}" for unit in ("images", "samples")]
        lines.append(f"{split} {count['patients']} patient{'s' if count['patients'] != 1 else ''}, {', '.join(counts)}")
    return "; ".join(lines)
