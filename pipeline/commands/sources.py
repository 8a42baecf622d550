"""Counts the images below a folder."""

import argparse
from pathlib import Path

from pipeline import stages
from pipeline.files import DONE, add_command


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands, "sources", execute, "print how many images are below a folder", "The exit status is 2 if there are none."
    )
    parser.add_argument("raw", type=Path, help="the folder")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    print(f"sources: {len(stages.find_sources(arguments.raw))} images below {arguments.raw}")
    return DONE
