"""Prints the JSON Schema of configurations, for editors."""

import argparse

from pipeline.files import DONE, add_command, print_json


def add(commands) -> None:
    """Adds the command."""
    add_command(
        commands,
        "schema",
        execute,
        "print the JSON Schema of configurations, for editors",
        "Save it next to a configuration, whose first line is then `#:schema ./configuration.schema.json`.",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from pipeline.files import json_schema
    from segmenter.configuration import Configuration

    print_json(json_schema(Configuration))
    return DONE
