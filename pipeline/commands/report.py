"""Runs the stage report and prints where the page is."""

import argparse

from pipeline import stages
from pipeline.commands.arguments import add_folder
from pipeline.files import DONE, add_command


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "report",
        execute,
        "write FOLDER/report.html, a page about the data set to read and to send",
        "One file with charts, contact sheets and the findings of the audit.",
    )
    add_folder(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from pipeline.dataset.folder import DatasetFolder

    folder = DatasetFolder(arguments.folder)
    outcome = stages.report(folder)
    print(f"report: {'' if outcome.changed else 'up to date; '}{folder.report}, {outcome.summary['bytes'] / 1e6:.1f} MB")
    return DONE
