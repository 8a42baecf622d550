"""Prints the JSON Schema of recipes, for editors."""

import argparse

from pipeline.files import DONE, add_command, print_json


def add(commands) -> None:
    """Adds the command."""
    add_command(
        commands,
        "schema",
        execute,
        "print the JSON Schema of recipes, for editors",
        "Save it next to a recipe, whose first line is then `#:schema ./recipe.schema.json`.",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from pipeline.files import json_schema
    from pipeline.recipe import Recipe

    print_json(json_schema(Recipe))
    return DONE
