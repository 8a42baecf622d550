"""Writes the page, the model card and the checklist of a run."""

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
        "write the page, the model card and the checklist of a run",
        "Writes DATASET/runs/NAME/report.html, one file that opens in a browser without a network: metrics with intervals, FROC "
        "curve, groups, example cases; model_card.md; and claim.md, the checklist CLAIM with what the run knows of each item. "
        "For another split than test, the file names contain the split.",
    )
    parser.add_argument("--name", required=True, help=f"{RUN_HELP}; or a cross-validation, NAME-cv")
    parser.add_argument("--split", choices=SPLITS, default="test", help="default: test")
    parser.add_argument("--claim", action="store_true", help="write claim.md alone, also for a run that is not evaluated yet")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from segmenter.data.dataset import read_data_set
    from segmenter.report import write_claim, write_report
    from segmenter.runs import open_run

    data, run = read_data_set(arguments.dataset), open_run(arguments.dataset, arguments.name)
    if arguments.claim:
        path, sentence = write_claim(data, run, arguments.split)
        print(f"{path}: written. {sentence}")
        return DONE
    (page, card, claim), is_new = write_report(data, run, arguments.split)
    state = "written" if is_new else "was up to date"
    print(f"{page}: {state}, {page.stat().st_size / 1e6:.1f} MB; {card.name} and {claim.name} next to it")
    return DONE
