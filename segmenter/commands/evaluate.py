"""Measures a trained model on splits of its data set."""

import argparse
import sys

from pipeline.contract import SPLITS
from pipeline.files import DONE, add_json, print_json
from segmenter.commands.arguments import RUN_HELP, add_command, probability


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "evaluate",
        execute,
        "measure a trained model on a split",
        "Writes DATASET/runs/NAME/evaluation/SPLIT: evaluation.csv (metrics over batches, then those that are quoted most), "
        "metrics.csv (all metrics with 95 % intervals, by group), froc_curve.csv, per_image.csv, per_lesion.csv, masks, and "
        "pictures of the best and the worst images. Everything is measured on the data set's own grid.",
    )
    parser.add_argument("--name", required=True, help=RUN_HELP)
    parser.add_argument("--split", nargs="+", choices=SPLITS, default=["test"], help="default: test")
    parser.add_argument(
        "--threshold",
        type=_auto_or_probability,
        help="a pixel is lesion where its probability is at least this; auto: the threshold with the highest mean Dice on valid "
        "(default: the run's [infer] threshold)",
    )
    parser.add_argument(
        "--single",
        action="store_true",
        help="withhold the other image of each view from a network that takes both, to measure it on single images; written to "
        "evaluation/SPLIT_single, next to the evaluation with both",
    )
    add_json(parser)


def _auto_or_probability(text: str) -> str | float:
    return text if text == "auto" else probability(text, "auto")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from segmenter import evaluation, runs
    from segmenter.data.dataset import read_data_set
    from segmenter.report.evaluation_lines import collect_evaluation, describe_evaluation

    data = read_data_set(arguments.dataset)
    run = runs.find_trained(arguments.dataset, arguments.name)
    data = runs.data_of(run, data)
    configuration = runs.read_configuration(run)
    if arguments.single:
        evaluation.require_partner(run, configuration)
    configuration, chosen = _with_threshold(arguments.threshold, run, configuration, data, single=arguments.single)
    if chosen and not arguments.json:
        threshold, dice = chosen["threshold"], chosen["mean_dice"]
        print(f"threshold {threshold:g}, chosen on valid, where mean Dice is {dice:.4f} with it", flush=True)
    results = []
    for split in arguments.split:
        folder = run.evaluation(split, single=arguments.single)
        done = evaluation.evaluate_run(run, data, configuration, split, single=arguments.single)
        result = collect_evaluation(folder, configuration)
        warning = evaluation.describe_leak(evaluation.read_summary(folder), split)
        results.append({"split": split, "folder": folder, "up_to_date": not done, **result, "warning": warning or None})
        if not arguments.json:
            print(f"{folder}: evaluated" if done else f"{folder}: evaluated already")
            print(*describe_evaluation(result), sep="\n", flush=True)
        if warning:
            print(f"warning: {warning}", file=sys.stderr)
    if arguments.json:
        print_json({"run": run.folder, "chosen_threshold": chosen, "evaluations": results})
    return DONE


def _with_threshold(threshold: str | float | None, run, configuration, data, *, single: bool):
    """Applies --threshold, which also replaces Otsu's; auto chooses it on valid.

    Returns:
      The configuration, and for auto the `threshold` and the `mean_dice` on valid, else None.
    """
    from segmenter.evaluation.threshold_choice import choose_threshold

    if threshold is None:
        return configuration, None
    infer, chosen = configuration.infer.model_copy(update={"algorithm": None}), None
    if threshold == "auto":
        configuration = configuration.model_copy(update={"infer": infer})
        threshold, dice = choose_threshold(run.best_model, data, configuration, run.folder / "evaluation", single=single)
        chosen = {"threshold": threshold, "mean_dice": dice}
    infer = infer.model_copy(update={"threshold": threshold})
    return configuration.model_copy(update={"infer": infer}), chosen
