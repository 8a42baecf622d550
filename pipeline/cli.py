"""The program `cesm-pipeline`. Its commands hold the arguments and messages, its stages all work."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.commands import (
    audit,
    dataset,
    diff,
    export,
    index,
    masks,
    phantom,
    report,
    schema,
    sources,
    split,
    stats,
    variants,
)
from pipeline.files import make_parser, run_command
from pipeline.privacy.site_key import VARIABLE

COMMANDS = (phantom, sources, index, dataset, split, masks, variants, audit, stats, report, diff, export, schema)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status.

    It is 0 done, 1 findings or differences, 2 bad input, 3 internal error, 130 interrupted.
    """
    parser = make_parser(
        "cesm-pipeline",
        "Makes segmentation data sets from CDD-CESM mammograms, stage by stage.",
        "The stages are index, split, masks, variants; `dataset` runs them all, then audit and stats.",
        COMMANDS,
    )
    return run_command(parser, argv, _find_private)


def _find_private(arguments: argparse.Namespace) -> list[Path]:
    """The folders of sources and annotations, if their names are keyed or searched for."""
    names = ("raw", "annotations", "privacy")
    folders = [folder for name in names if (folder := getattr(arguments, name, None))]
    is_private = os.environ.get(VARIABLE) or getattr(arguments, "site_key", None) or getattr(arguments, "privacy", None)
    return folders if is_private else []
