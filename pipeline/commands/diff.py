"""Compares two data set folders and prints what differs."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.files import DONE, FINDINGS, add_command, add_json, one_line, print_json

if TYPE_CHECKING:
    from pipeline.diff import Difference, SampleChange

_MOST_EXAMPLES = 3


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "diff",
        execute,
        "compare two data set folders: samples, splits, pixels, labels, recipes",
        "Either folder may lack a manifest. Files are compared by bytes, and by pixels where these differ. The exit status is 0 "
        "if nothing differs, 1 if something does, and 2 for bad input.",
    )
    parser.add_argument("first", type=Path, help="the folder of the data set before")
    parser.add_argument("second", type=Path, help="the folder of the data set after")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="a new or empty folder for diff.csv, diff.json, pictures of changed masks, a contact sheet and the page diff.html",
    )
    add_json(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from pipeline.diff import check_output, compare_sets, write_difference

    if arguments.out:
        check_output(arguments.out)
    difference = compare_sets(arguments.first, arguments.second)
    lines = write_difference(difference, arguments.out) if arguments.out else []
    if arguments.json:
        print_json(difference.to_json())
    else:
        _print(difference)
        for line in lines:
            print(f"diff: {line}")
    return DONE if difference.is_equal else FINDINGS


def _print(difference: "Difference") -> None:
    from pipeline.diff import KINDS

    for root, count in zip(difference.folders, difference.samples, strict=True):
        print(f"diff: {count} samples in {root}")
    for kind, count in difference.counts.items():
        changes = difference.masks_by_iou() if kind == "mask-pixels" else difference.of_kind(kind)
        print(f"{count:>8}  {kind}: {KINDS[kind]} ({_first([_describe(change, kind) for change in changes])})")
    for key, (old, new) in difference.recipe.items():
        print(f"diff: recipe: {one_line(f'{key}: {old} -> {new}')}")
    for names, end in zip(difference.annotation_files, ("first", "second"), strict=True):
        if names:
            print(f"diff: annotation files of the {end} only: {one_line(', '.join(names))}")
    if difference.annotators[0] != difference.annotators[1]:
        for lines, end in zip(difference.annotators, ("first", "second"), strict=True):
            print(f"diff: annotations of the {end}: {one_line('; '.join(lines)) or 'no annotator is stated'}")
    if difference.regions:
        print(f"diff: images whose drawn regions differ: {len(difference.regions)} ({_first(difference.regions)})")
    for line in difference.not_compared:
        print(f"diff: {one_line(line)}")
    print(f"diff: {'nothing differs' if difference.is_equal else f'samples that differ: {len(difference.changes)}'}")


def _first(examples: Sequence[str]) -> str:
    shown = one_line("; ".join(examples[:_MOST_EXAMPLES]))
    return f"{shown}; ..." if len(examples) > _MOST_EXAMPLES else shown


def _describe(change: "SampleChange", kind: str) -> str:
    if kind in change.values:
        return f"{change.sample} {change.values[kind][0]} -> {change.values[kind][1]}"
    if kind == "mask-pixels":
        iou = "" if change.iou is None else f" IoU {change.iou:.3f},"
        return f"{change.sample}{iou} {change.lesion_px[0]} -> {change.lesion_px[1]} px"
    return change.sample
