"""Writes a synthetic look-alike of the download."""

import argparse
from pathlib import Path

from pipeline.commands.arguments import add_workers, open_workers
from pipeline.files import DONE, add_command, locked


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "phantom",
        execute,
        "write a synthetic look-alike of the CDD-CESM download",
        "The images are synthetic and prove nothing clinical.",
    )
    parser.add_argument("out", type=Path, help="the folder to write to")
    parser.add_argument("--patients", type=int, default=60, help="number of patients, 6 or more (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same bytes (default: %(default)s)")
    parser.add_argument(
        "--dicom",
        nargs="?",
        choices=("plain", "varied"),
        const="plain",
        default="",
        help="write the images as DICOM instead of JPEG; varied: as several vendors write them, most of them compressed "
        "(needs the extra `dicom`)",
    )
    add_workers(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from pipeline.phantom import write_phantom

    with locked(arguments.out, "pipeline phantom"), open_workers(arguments, [arguments.out]) as executor:
        summary = write_phantom(arguments.out, arguments.patients, arguments.seed, arguments.dicom, executor)
    print(f"phantom: {summary}")
    return DONE
