"""Prints the results of a run, and what to open."""

import argparse

from pipeline.files import DONE, add_json, print_json
from segmenter.commands.arguments import RUN_HELP, add_command


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "summary",
        execute,
        "print a run's Dice, and the pages and pictures worth opening",
        "Only reads the output of the other commands.",
    )
    parser.add_argument("--name", required=True, help=RUN_HELP)
    add_json(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from segmenter.data.dataset import read_data_set
    from segmenter.report.summary import collect_summary, describe_summary
    from segmenter.runs import data_of, is_scored, open_run, require_trained

    data = read_data_set(arguments.dataset)
    run = open_run(arguments.dataset, arguments.name)
    if not is_scored(run):
        require_trained(run)
    summary = collect_summary(data_of(run, data), run)
    if arguments.json:
        print_json(summary)
    else:
        print("\n".join(describe_summary(summary)))
    return DONE
