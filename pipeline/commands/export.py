"""Writes a data set in a format of another program and prints what is there."""

import argparse
from pathlib import Path

from pipeline.commands.arguments import add_folder, positive
from pipeline.dataset.folder import DatasetFolder
from pipeline.exports import FORMATS, OPTIONS, coco, export
from pipeline.files import DONE, add_command


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "export",
        execute,
        "write a data set in a format that other programs read",
        "The data set itself is only read. docs/exports.md tells what each format holds and how to go on with it.",
    )
    add_folder(parser)
    parser.add_argument("--format", required=True, choices=FORMATS, help="%(choices)s")
    parser.add_argument("--output", type=Path, metavar="DIR", help="new or empty folder (default: FOLDER/exports/FORMAT)")
    parser.add_argument("--shape", choices=coco.SHAPES, help="coco: rle is exact, polygon fills holes (default: rle)")
    parser.add_argument("--dataset-id", type=int, metavar="N", help="nnunet: its number of the data set (default: 501)")
    parser.add_argument("--records", type=positive, metavar="N", help="tfrecord: samples a shard (default: 512)")
    parser.add_argument("--predictions", type=Path, metavar="DIR", help="via: write these masks of `cesm-segmenter infer`")
    parser.add_argument("--images", type=Path, metavar="DIR", help="via: the images that --predictions belong to")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and gives its exit status."""
    named = {name for options in OPTIONS.values() for name in options}
    given = {name: getattr(arguments, name) for name in sorted(named) if getattr(arguments, name) is not None}
    done = export(DatasetFolder(arguments.folder), arguments.format, arguments.output, given)
    for line in done.told:
        print(f"export: {line}")
    print(f"export: {'' if done.changed else 'up to date; '}{arguments.format} in {done.output}")
    return DONE
