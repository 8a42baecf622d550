"""The program `cesm-pipeline`. Its commands hold the arguments and messages, its stages all work."""

import argparse
from collections.abc import Sequence

from pipeline.commands import (
    audit,
    dataset,
    export,
    index,
    masks,
    phantom,
    report,
    sources,
    split,
    stats,
    variants,
)
from pipeline.files import run_program

COMMANDS = (phantom, sources, index, dataset, split, masks, variants, audit, stats, report, export)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0 done, 1 findings, 2 bad input, 3 internal error, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    return run_program(lambda: arguments.command(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cesm-pipeline",
        description="Makes segmentation data sets from CDD-CESM mammograms, stage by stage.",
        epilog="The stages are index, split, masks, variants; `dataset` does them all in one go, then audit and stats.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
