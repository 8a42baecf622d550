"""Makes a data set in one go: index, split, masks and variants fused, audit and stats."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline import stages
from pipeline.commands.arguments import add_assignment, add_making, open_workers, start_workers
from pipeline.commands.index import print_counts, print_index, run_index
from pipeline.commands.masks import print_pixels
from pipeline.commands.split import describe_splits, print_split
from pipeline.commands.stats import print_stats
from pipeline.commands.strict import check_strict
from pipeline.files import DONE, FINDINGS, InputError, add_command
from pipeline.privacy.site_key import load_site_key

if TYPE_CHECKING:
    from pipeline.dataset.folder import DatasetFolder
    from pipeline.stages import Outcome


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "dataset",
        execute,
        "make a data set: index, split, masks, variants, audit and stats in one go",
        check=check_folds,
    )
    add_making(parser)
    add_assignment(parser)
    parser.add_argument("--need-fold", metavar="K", help="stop before any work unless the recipe has fold K, to train on next")
    parser.add_argument("--need-folds", metavar="N", help="stop before any work unless the recipe has N folds")
    parser.add_argument("--dry-run", action="store_true", help="print what would be made, and write nothing")


def check_folds(arguments: argparse.Namespace) -> None:
    """Raises InputError where the recipe cannot be used, or has other folds than are needed next."""
    from pipeline.recipe import load_recipe

    recipe = load_recipe(arguments.recipe, arguments.settings)
    needed, count, folds = arguments.need_fold, arguments.need_folds, recipe.split.folds
    if needed is not None and not (needed.isdecimal() and int(needed) < folds):
        raise InputError(f"fold {needed}: recipe {recipe.name!r} has the folds 0 to {folds - 1}; give one of these")
    if count is not None and not (count.isdecimal() and int(count) == folds):
        raise InputError(f"{count} folds: recipe {recipe.name!r} has {folds}; leave the number out, or set [split] folds")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    check_folds(arguments)
    start_workers(arguments)
    from pipeline.dataset.folder import DatasetFolder

    folder = DatasetFolder(arguments.out)
    if arguments.dry_run:
        return _print_plan(folder, arguments)
    with folder.locked("dataset"):
        return _make(folder, arguments)


def _print_plan(folder: "DatasetFolder", arguments: argparse.Namespace) -> int:
    from pipeline.annotations import make_statement
    from pipeline.recipe import load_recipe

    recipe = load_recipe(arguments.recipe, arguments.settings)
    key = load_site_key(arguments.site_key, folder.root)
    with open_workers(arguments, [arguments.raw]) as executor:
        plan = stages.plan(
            folder,
            recipe,
            arguments.raw,
            arguments.annotations,
            executor,
            key,
            arguments.assignment,
            follow_links=arguments.follow_links,
            statement=make_statement(arguments.annotator, arguments.annotated),
        )
    (images_made, images), (samples_made, samples) = plan.images, plan.samples
    print(f"dry run: recipe {recipe.name}: {recipe.title}")
    print_counts(plan.index)
    print(f"split: {describe_splits(plan.split)}")
    print(
        f"dry run: {samples - samples_made} samples of {images - images_made} images to make, "
        f"{samples_made} samples of {images_made} images are there already"
    )
    state = "a new folder" if plan.is_new else "which has been begun with this recipe"
    print(f"dry run: they would go to {folder.root}, {state}; nothing has been written")
    check_strict(folder.rejects, plan.rejects, arguments.strict)
    return DONE


def _make(folder: "DatasetFolder", arguments: argparse.Namespace) -> int:
    lines = _Lines()
    with open_workers(arguments, [arguments.raw, folder.root]) as executor:
        outcome = run_index(folder, arguments, executor)
        lines.add("index", outcome, lambda: print_index(folder, outcome))
        check_strict(folder.rejects, folder.read_rejects(), arguments.strict)
        split = stages.split(folder, arguments.assignment)
        lines.add("split", split, lambda: print_split(split))
        key = load_site_key(arguments.site_key, folder.root)
        variants = stages.variants(folder, executor, fused=True, raw=arguments.raw, key=key)
        lines.add("variants", variants, lambda: print_pixels("variants", variants))
        check_strict(folder.rejects, folder.read_rejects(), arguments.strict)
        audit, stats = stages.review(folder, executor)
    status = _status(audit.summary)
    lines.add("audit", replace(audit, changed=audit.changed or status != DONE), lambda: _print_audit(audit.summary))
    lines.add("stats", stats, lambda: print_stats(folder, stats))
    counts = f"{variants.summary['images']} images, {variants.summary['samples']} samples in {arguments.out}"
    if lines.printed:
        lines.flush()
        print(f"dataset: {counts}; {folder.card} describes them")
    else:
        print(f"dataset: everything is done: {counts}")
    return status


class _Lines:
    """Prints the outcomes of stages: of those that did something each, of those that found everything done one line together."""

    def __init__(self) -> None:
        self.printed = False
        self._done: list[str] = []

    def add(self, stage: str, outcome: "Outcome", show: Callable[[], None]) -> None:
        """Takes the outcome of the next stage; `show` prints it."""
        if not outcome.changed:
            self._done.append(stage)
            return
        self.flush()
        show()
        self.printed = True

    def flush(self) -> None:
        """Prints the line of the stages that found everything done since the last one."""
        if self._done:
            print(f"{', '.join(self._done)}: up to date", flush=True)
        self._done.clear()


def _status(audit: Mapping) -> int:
    """Findings that the recipe asks for are not a failure."""
    return FINDINGS if any(finding["code"] not in audit["expected"] for finding in audit["findings"]) else DONE


def _print_audit(audit: Mapping) -> None:
    for finding in audit["findings"]:
        asked = finding["code"] in audit["expected"]
        print(
            f"audit: {'warning' if asked else 'FINDING'}: {finding['code']}: {finding['count']} "
            f"({'the recipe asks for it' if asked else 'not expected'}; {'; '.join(finding['examples'][:1])})"
        )
    if not audit["findings"]:
        print("audit: no findings")
