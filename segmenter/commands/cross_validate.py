"""Trains and evaluates every fold of a data set, and pools the evaluations."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.files import DONE, InputError
from segmenter.commands.arguments import add_command
from segmenter.commands.train import add_training_options

if TYPE_CHECKING:
    from segmenter.data.dataset import DataSet


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "cv",
        execute,
        "cross-validate: train and evaluate every fold",
        "For each fold K of the manifest, trains DATASET/runs/NAME-foldK and evaluates it on the patients of the fold; "
        "then pools these evaluations in DATASET/runs/NAME-cv/evaluation/test: the tables of an evaluation, and folds.csv. "
        "A network that takes both images of a view is also evaluated without the other one, in evaluation/test_single. "
        "Run again, the same command continues where it was interrupted, and does nothing if everything is done.",
    )
    add_training_options(parser)
    parser.add_argument("--name", help="the runs are NAME-fold0, NAME-fold1, ... and NAME-cv (default: the configuration's name)")
    parser.add_argument("--folds", type=int, metavar="K", help="the number of folds that the manifest must have (default: any)")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from segmenter import runs
    from segmenter.configuration import load_configuration
    from segmenter.data.dataset import read_data_set
    from segmenter.evaluation import evaluate_run
    from segmenter.evaluation.cross_validation import SPLIT, describe, pool_folds
    from segmenter.training.start import train_run

    configuration = load_configuration(arguments.config, arguments.settings)
    views = _by_fold(read_data_set(arguments.dataset), arguments.folds)
    name = arguments.name or Path(arguments.config).stem
    modes = (False, True) if configuration.dataset.partner else (False,)
    folds = [runs.open_run(arguments.dataset, f"{name}-fold{data.fold}") for data in views]
    for run, data in zip(folds, views, strict=True):
        train_run(
            run,
            configuration,
            data,
            resume=arguments.resume and run.state.is_file(),
            restart=arguments.restart,
            allow_download=arguments.allow_download,
        )
        for single in modes:
            done = evaluate_run(run, data, runs.read_configuration(run), SPLIT, single=single)
            folder = run.evaluation(SPLIT, single=single)
            print(f"{folder}: evaluated" if done else f"{folder}: evaluated already", flush=True)
    pooled = runs.open_run(arguments.dataset, f"{name}-cv")
    are_pooled = [pool_folds(folds, pooled, single=single) for single in modes]
    runs.record_configuration(pooled, configuration)
    print(
        f"{pooled.folder}: {len(folds)} folds pooled"
        if any(are_pooled)
        else f"{pooled.folder}: all {len(folds)} folds were done already"
    )
    for single in modes:
        print("", *["without the other image of each view"] * single, *describe(pooled, single=single), sep="\n")
    return DONE


def _by_fold(data: "DataSet", expected: int | None) -> list["DataSet"]:
    """The data set as each fold sees it; each has all three splits."""
    from segmenter.data.dataset import MANIFEST, SPLITS

    if expected not in (None, data.folds):
        raise InputError(
            f"--folds {expected}: {data.folder / MANIFEST} has {data.folds} folds; leave --folds out, or set folds in the "
            "recipe's [split] and make the data set again"
        )
    views = [data.in_fold(fold) for fold in range(data.folds)]
    for view in views:
        for split in SPLITS:
            view.split(split)  # refuses an empty one before hours of training
    return views
