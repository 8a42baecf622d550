"""Makes a data set in one go: index, split, masks and variants fused, audit and stats."""

import argparse

from pipeline import stages
from pipeline.commands.arguments import add_assignment, add_making, check_recipe
from pipeline.commands.index import run_index
from pipeline.commands.masks import print_pixels
from pipeline.commands.split import run_split
from pipeline.commands.stats import run_stats
from pipeline.commands.strict import check_strict
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import DONE, FINDINGS, add_command
from pipeline.privacy.site_key import load_site_key
from pipeline.workers import open_executor


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "dataset",
        execute,
        "make a data set: index, split, masks, variants, audit and stats in one go",
        check=check_recipe,
    )
    add_making(parser)
    add_assignment(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and gives its exit status."""
    folder = DatasetFolder(arguments.out)
    with open_executor(arguments.workers) as executor:
        run_index(folder, arguments, executor)
        check_strict(folder, arguments.strict)
        run_split(folder, arguments.assignment)
        key = load_site_key(arguments.site_key, folder.root)
        print_pixels("variants", stages.variants(folder, executor, fused=True, raw=arguments.raw, key=key))
    check_strict(folder, arguments.strict)
    status = _run_audit(folder)
    run_stats(folder)
    print(f"dataset: {arguments.out} is complete; {folder.card} says what it holds")
    return status


def _run_audit(folder: DatasetFolder) -> int:
    """Audits the data set and prints the findings; those that its recipe asks for are warnings and no failure."""
    audit = stages.audit(folder).summary
    for finding in audit["findings"]:
        asked = finding["code"] in audit["expected"]
        print(
            f"audit: {'warning' if asked else 'FINDING'}: {finding['code']}: {finding['count']} "
            f"({'the recipe asks for it' if asked else 'not expected'}; {'; '.join(finding['examples'][:1])})"
        )
    if not audit["findings"]:
        print("audit: no findings")
    return FINDINGS if any(finding["code"] not in audit["expected"] for finding in audit["findings"]) else DONE
