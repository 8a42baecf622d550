"""Runs the stage masks and prints what it drew."""

import argparse
from typing import TYPE_CHECKING

from pipeline import stages
from pipeline.commands.arguments import add_pixels, open_workers, start_workers
from pipeline.commands.strict import check_strict
from pipeline.files import DONE, add_command
from pipeline.privacy.site_key import load_site_key

if TYPE_CHECKING:
    from pipeline.stages import Outcome


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(commands, "masks", execute, "draw the regions and letterbox: one square pair per source image")
    add_pixels(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    start_workers(arguments)
    from pipeline.dataset.folder import DatasetFolder
    from pipeline.indexing.find import find_raw

    folder = DatasetFolder(arguments.folder)
    with folder.locked("masks"), open_workers(arguments, [folder.root, find_raw(folder, arguments.raw)]) as executor:
        key = load_site_key(arguments.site_key, folder.root)
        print_pixels("masks", stages.masks(folder, executor, raw=arguments.raw, key=key))
    check_strict(folder.rejects, folder.read_rejects(), arguments.strict)
    return DONE


def print_pixels(stage: str, outcome: "Outcome") -> None:
    """Prints the outcome of masks or variants."""
    from pipeline.dataset.description import describe_partners

    count = outcome.summary
    parts = [
        f"{count['images']} source images",
        f"{count['samples']} samples" if count["samples"] else "",
        f"{count.get('drawn', 0)} regions drawn ({count.get('clipped', 0)} clipped at the border, {count.get('vanished', 0)} "
        f"kept as one pixel, {count.get('ignored', 0)} without area not drawn)",
        f"{count['unreadable']} unreadable, see rejects.csv" if count["unreadable"] else "",
    ]
    print(f"{stage}: {'' if outcome.changed else 'up to date; '}" + ", ".join(part for part in parts if part))
    if "partners" in count:
        print(f"{stage}: {describe_partners(count['partners'])}")
