"""Measures a trained model, or masks of another program, on splits of a data set."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.contract import SPLITS
from pipeline.files import DONE, InputError, add_json, print_json
from segmenter.commands.arguments import RUN_HELP, add_command, probability


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "evaluate",
        execute,
        "measure a trained model, or masks of another program, on a split",
        "Writes DATASET/runs/NAME/evaluation/SPLIT: evaluation.csv (metrics over batches, then those that are quoted most), "
        "metrics.csv (all metrics with 95 % intervals, by group), froc_curve.csv, per_image.csv, per_lesion.csv, masks, and "
        "pictures of the best and the worst images. Everything is measured on the data set's own grid. With --masks nothing is "
        "predicted, and Keras is not needed: NAME becomes a run without a model, which `report` and `compare` take as well.",
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
    _add_masks(parser)
    add_json(parser)


def _add_masks(parser: argparse.ArgumentParser) -> None:
    masks = parser.add_argument_group("masks of another program")
    masks.add_argument(
        "--masks",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="folders with a mask per image, named like it: PNG, JPEG or TIFF of 0 and 255 or of class indices, DICOM SEG, the "
        "folders that nnU-Net and `infer` write; or .json files of COCO annotations or results",
    )
    masks.add_argument(
        "--probabilities",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="folders with the probabilities of a lesion, for FROC curves: PNG of 8 or 16 bits, .npy, nnU-Net's .npz, DICOM SEG",
    )
    masks.add_argument("--missing", choices=("error", "empty"), help="take images without a mask as empty (default: error)")
    masks.add_argument(
        "--fold",
        type=_fold,
        metavar="K",
        help="score on the splits of fold K; all: the test images of all folds together, as a cross-validation pools them",
    )


def _fold(text: str) -> int | str:
    if text != "all" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is neither the number of a fold nor all")
    return text if text == "all" else int(text)


def _auto_or_probability(text: str) -> str | float:
    return text if text == "auto" else probability(text, "auto")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    if arguments.masks:
        return _score(arguments)
    from segmenter import evaluation, runs
    from segmenter.data.dataset import read_data_set

    if arguments.probabilities or arguments.missing or arguments.fold is not None:
        raise InputError("--probabilities, --missing and --fold: are for masks of another program; give them with --masks")
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

    def evaluate(split: str) -> bool:
        return evaluation.evaluate_run(run, data, configuration, split, single=arguments.single)

    return _evaluate(arguments, run, configuration, chosen, evaluate)


def _evaluate(arguments: argparse.Namespace, run, configuration, chosen: dict | None, evaluate: Callable[[str], bool]) -> int:
    """Evaluates each split and prints its results; `evaluate` returns whether there was anything to do."""
    from segmenter import evaluation
    from segmenter.report.evaluation_lines import collect_evaluation, describe_evaluation

    results = []
    for split in arguments.split:
        folder = run.evaluation(split, single=arguments.single)
        done = evaluate(split)
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


def _score(arguments: argparse.Namespace) -> int:
    from segmenter import runs, scoring
    from segmenter.data.dataset import read_data_set

    if arguments.single:
        raise InputError("--single: is for networks that take pairs; leave it out with --masks")
    data, run = read_data_set(arguments.dataset), runs.open_run(arguments.dataset, arguments.name)
    score = arguments.threshold if arguments.threshold is not None else scoring.Masks.threshold
    if score == "auto":
        raise InputError("--threshold auto: needs a model; masks of another program are taken as they are")
    masks = scoring.Masks(arguments.masks, arguments.probabilities, score, missing_as_empty=arguments.missing == "empty")
    if arguments.threshold is not None and not masks.has_scores:
        raise InputError("--threshold: is for the scores of COCO results; other masks are taken as they are")
    if surplus := masks.describe_surplus(data):
        print(f"warning: {surplus}", file=sys.stderr)
    return _evaluate(arguments, run, None, None, lambda split: scoring.score_masks(run, data, masks, split, fold=arguments.fold))


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
