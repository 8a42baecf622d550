"""Compares a trained model with splits of its data set."""

import argparse

from pipeline.files import DONE
from segmenter.commands.arguments import RUN_HELP, add_command, probability


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "evaluate",
        execute,
        "compare a trained model with a split",
        "Writes DATASET/runs/NAME/evaluation/SPLIT: evaluation.csv (figures over batches, then mean and median Dice an "
        "image), per_image.csv, and pictures of the best and worst. Everything is measured on the data set's own grid.",
    )
    parser.add_argument("--name", required=True, help=RUN_HELP)
    parser.add_argument("--split", nargs="+", choices=("train", "valid", "test"), default=["test"], help="default: test")
    parser.add_argument(
        "--threshold",
        type=_auto_or_probability,
        help="probability from which a pixel is lesion, or auto: the one with the highest mean Dice on valid "
        "(default: the run's [infer] threshold)",
    )


def _auto_or_probability(text: str) -> str | float:
    return text if text == "auto" else probability(text, "auto")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and gives its exit status."""
    from segmenter import evaluation, runs
    from segmenter.folders import read_data_set

    data = read_data_set(arguments.dataset)
    run = runs.find_trained(arguments.dataset, arguments.name)
    configuration = runs.read_configuration(run)
    if arguments.threshold:
        configuration = _with_threshold(arguments, evaluation, run, configuration, data)
    for split in arguments.split:
        samples, folder = data.split(split), run.evaluation(split)
        identity = evaluation.evaluation_identity(run.best_model, data, configuration, split)
        earlier = evaluation.read_summary(folder)
        if earlier.get("identity") == identity:
            print(f"{folder}: evaluated already")
            figures = earlier["figures"]
        else:
            from segmenter.backend import load_tensorflow

            load_tensorflow()
            figures = evaluation.evaluate(run.best_model, samples, configuration, folder, identity)
            print(f"{folder}: evaluated")
        for name, value in figures.items():
            print(f"  {name:<34}{value:>8}" if isinstance(value, int) else f"  {name:<34}{value:>8.4f}")
    return DONE


def _with_threshold(arguments: argparse.Namespace, evaluation, run, configuration, data):
    """The configuration with the threshold that is asked for, in place of Otsu's too; auto chooses it on valid."""
    by_threshold = configuration.infer.model_copy(update={"algorithm": None})
    configuration = configuration.model_copy(update={"infer": by_threshold})
    threshold = arguments.threshold
    if threshold == "auto":
        threshold, dice = evaluation.choose_threshold(run.best_model, data, configuration, run.folder / "evaluation")
        print(f"threshold {threshold:g}, chosen on valid, where mean Dice is {dice:.4f} with it")
    infer = by_threshold.model_copy(update={"threshold": threshold})
    return configuration.model_copy(update={"infer": infer})
