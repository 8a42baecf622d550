"""Compares a trained model with splits of its data set."""

import argparse
import sys

from pipeline.files import DONE
from segmenter.commands.arguments import RUN_HELP, add_command, probability


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "evaluate",
        execute,
        "compare a trained model with a split",
        "Writes DATASET/runs/NAME/evaluation/SPLIT: evaluation.csv (metrics over batches, then the most asked for), "
        "metrics.csv (all metrics with 95 % intervals, by group), froc_curve.csv, per_image.csv, per_lesion.csv, masks, and "
        "pictures of the best and worst. Everything is measured on the data set's own grid.",
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
    from segmenter.data.dataset import read_data_set
    from segmenter.report.evaluation_lines import describe_evaluation

    data = read_data_set(arguments.dataset)
    run = runs.find_trained(arguments.dataset, arguments.name)
    data = runs.data_of(run, data)
    configuration = runs.read_configuration(run)
    if arguments.threshold:
        configuration = _with_threshold(arguments, run, configuration, data)
    for split in arguments.split:
        folder = run.evaluation(split)
        done = evaluation.evaluate_run(run, data, configuration, split)
        print(f"{folder}: evaluated" if done else f"{folder}: evaluated already")
        print(*describe_evaluation(folder, configuration), sep="\n", flush=True)
        if message := evaluation.describe_leak(evaluation.read_summary(folder), split):
            print(f"warning: {message}", file=sys.stderr)
    return DONE


def _with_threshold(arguments: argparse.Namespace, run, configuration, data):
    """The configuration with the threshold of --threshold, which also replaces Otsu's; auto chooses it on valid."""
    from segmenter.evaluation.threshold_choice import choose_threshold

    by_threshold = configuration.infer.model_copy(update={"algorithm": None})
    configuration = configuration.model_copy(update={"infer": by_threshold})
    threshold = arguments.threshold
    if threshold == "auto":
        threshold, dice = choose_threshold(run.best_model, data, configuration, run.folder / "evaluation")
        print(f"threshold {threshold:g}, chosen on valid, where mean Dice is {dice:.4f} with it", flush=True)
    infer = by_threshold.model_copy(update={"threshold": threshold})
    return configuration.model_copy(update={"infer": infer})
