"""Writes the page and the model card of a run."""

import argparse

from pipeline.contract import SPLITS
from pipeline.files import DONE
from segmenter.commands.arguments import RUN_HELP, add_command


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "report",
        execute,
        "write the page and the model card of a run",
        "Writes DATASET/runs/NAME/report.html, one file that opens in a browser without a network: metrics with intervals, FROC "
        "curve, groups and example cases, and model_card.md. For another split than test, the file names contain the split.",
    )
    parser.add_argument("--name", required=True, help=f"{RUN_HELP}; or a cross-validation, NAME-cv")
    parser.add_argument("--split", choices=SPLITS, default="test", help="default: test")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from segmenter.data.dataset import read_data_set
    from segmenter.report import write_report
    from segmenter.runs import open_run

    data = read_data_set(arguments.dataset)
    (page, card), is_new = write_report(data, open_run(arguments.dataset, arguments.name), arguments.split)
    state = "written" if is_new else "was up to date"
    print(f"{page}: {state}, {page.stat().st_size / 1e6:.1f} MB; {card.name} next to it")
    return DONE
