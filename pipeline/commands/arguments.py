"""Arguments that several commands have in common."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.files import add_settings, all_cores, positive
from pipeline.privacy.site_key import VARIABLE
from pipeline.recipes import recipe_names
from pipeline.workers import Workers, open_executor, start_server


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Adds the data set's folder."""
    parser.add_argument("folder", type=Path, help="the data set's folder")


def add_making(parser: argparse.ArgumentParser) -> None:
    """Adds the options that a data set is made from: sources, annotations, folder, recipe."""
    parser.add_argument("--raw", type=Path, required=True, help="folder with the images, at any depth")
    parser.add_argument("--annotations", type=Path, help="folder with the annotation files, or one of them (default: RAW)")
    parser.add_argument("--out", type=Path, required=True, help="the data set's folder")
    parser.add_argument("--recipe", default="v2", help=f"{', '.join(recipe_names())}, or a .toml file (default: %(default)s)")
    parser.add_argument(
        "--follow-links",
        action="store_true",
        help="read files that are links out of RAW, and look into folders that are links; without it they are passed over",
    )
    parser.add_argument(
        "--annotator", metavar="NAME", help="who drew or corrected the regions, where the annotation files do not state it"
    )
    parser.add_argument("--annotated", metavar="DATE", help="when, as in 2026-11-20, where the annotation files do not state it")
    add_settings(parser, "recipe")
    add_strict(parser)
    add_site_key(parser)
    parser.add_argument(
        "--write-map",
        type=Path,
        metavar="FILE",
        help="with a site key: write the map from keyed names to those of the sources there, outside of the data set",
    )
    add_workers(parser)


def check_recipe(arguments: argparse.Namespace) -> None:
    """Raises InputError where the recipe of `add_making` cannot be used."""
    from pipeline.recipe import load_recipe

    load_recipe(arguments.recipe, arguments.settings)


def add_pixels(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a stage that reads the pixels of an indexed data set."""
    add_folder(parser)
    add_strict(parser)
    parser.add_argument("--raw", type=Path, help="as for index; only needed for a data set that was indexed with a site key")
    add_site_key(parser)
    add_workers(parser)


def add_strict(parser: argparse.ArgumentParser) -> None:
    """Adds --strict."""
    parser.add_argument("--strict", action="store_true", help="exit with status 2 if a source image is rejected")


def add_site_key(parser: argparse.ArgumentParser) -> None:
    """Adds --site-key."""
    parser.add_argument(
        "--site-key",
        type=Path,
        metavar="FILE",
        help=f"a file with the secret for keyed names of DICOM sources (default: the variable {VARIABLE})",
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Adds --workers and --scheduler."""
    parser.add_argument(
        "--workers",
        type=positive,
        default=all_cores(),
        help="number of processes; the output is the same with any number (default: %(default)s)",
    )
    parser.add_argument(
        "--scheduler",
        default="",
        metavar="ADDRESS",
        help="of a Dask cluster that does the work instead, such as tcp://node1:8786, or the .json file of its scheduler; all "
        "machines share the folders (needs the extra `dask`)",
    )


def start_workers(arguments: argparse.Namespace) -> None:
    """Lets the processes of `open_workers` load what they need while the command does."""
    if not arguments.scheduler:
        start_server()


def open_workers(arguments: argparse.Namespace, folders: Sequence[Path]) -> Workers:
    """Opens what the options of `add_workers` ask for; `folders` are those that workers read from and write to."""
    return open_executor(arguments.workers, arguments.scheduler, folders)


def add_assignment(parser: argparse.ArgumentParser) -> None:
    """Adds --assignment."""
    parser.add_argument(
        "--assignment", type=Path, help="your own assignment.csv, with the columns patient, split and optionally fold"
    )
