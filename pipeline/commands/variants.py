"""Runs the stage variants and prints what it wrote."""

import argparse

from pipeline import stages
from pipeline.commands.arguments import add_pixels, open_workers, start_workers
from pipeline.commands.masks import print_pixels
from pipeline.commands.strict import check_strict
from pipeline.files import DONE, add_command
from pipeline.privacy.site_key import load_site_key


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "variants",
        execute,
        "rotate and flip the square pairs into the folders of the splits",
        "Writes the data set card and, last, the manifest.",
    )
    add_pixels(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    start_workers(arguments)
    from pipeline.dataset.folder import DatasetFolder
    from pipeline.indexing.find import find_raw

    folder = DatasetFolder(arguments.folder)
    with folder.locked("variants"), open_workers(arguments, [folder.root, find_raw(folder, arguments.raw)]) as executor:
        key = load_site_key(arguments.site_key, folder.root)
        print_pixels("variants", stages.variants(folder, executor, raw=arguments.raw, key=key))
    check_strict(folder.rejects, folder.read_rejects(), arguments.strict)
    return DONE
