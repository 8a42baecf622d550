"""The command line: arguments, messages, exit status. TensorFlow is imported only where there is work to do."""

import argparse
from collections.abc import Sequence

from pipeline.files import run_program
from segmenter.commands import (
    compare,
    convert_config,
    cross_validate,
    evaluate,
    infer,
    inspect,
    models,
    preview,
    report,
    summary,
    train,
)

COMMANDS = (train, evaluate, infer, cross_validate, report, compare, summary, preview, inspect, models, convert_config)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand and gives its exit status."""
    arguments = _parser().parse_args(argv)
    return run_program(lambda: arguments.command(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cesm-segmenter",
        description="Trains, evaluates and applies UNets on data set folders of cesm-pipeline.",
        epilog="Exit status: 0 done, 2 usage or bad input, 3 internal error, 130 interrupted. For research only.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
