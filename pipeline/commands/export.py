"""Writes a data set in a format of another program and prints what was written."""

import argparse
from pathlib import Path

from pipeline.commands.arguments import add_folder
from pipeline.files import DONE, CommandParser, add_command


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "export",
        execute,
        "write a data set in a format that other programs read",
        "The data set itself is only read. docs/exports.md describes the formats and how to use them.",
    )
    add_folder(parser)
    parser.add_later(_add_formats)


def _add_formats(parser: CommandParser) -> None:
    from pipeline.exports import FORMATS, formats_with

    parser.add_argument("--format", required=True, choices=FORMATS, help="the format to write")
    parser.add_argument("--output", type=Path, metavar="DIR", help="new or empty folder (default: FOLDER/exports/FORMAT)")
    options = {option.name: option for export_format in FORMATS.values() for option in export_format.options}
    for name, option in options.items():
        option.add(parser, ", ".join(formats_with(name)))


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from pipeline.dataset.folder import DatasetFolder
    from pipeline.exports import FORMATS, export

    names = [option.name for export_format in FORMATS.values() for option in export_format.options]
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    done = export(DatasetFolder(arguments.folder), arguments.format, arguments.output, given)
    for line in done.lines:
        print(f"export: {line}")
    print(f"export: {'' if done.changed else 'up to date; '}{arguments.format} in {done.output}")
    return DONE
