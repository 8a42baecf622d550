"""The command line: arguments, messages, exit status. TensorFlow is imported only where there is work to do."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.files import BAD_INPUT, DONE, InputError, run_program

RUN_HELP = "the run: a folder of DATASET/runs"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand and gives its exit status."""
    arguments = _parser().parse_args(argv)
    return run_program(lambda: arguments.command(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cesm-segmenter",
        description="Trains, evaluates and applies UNets on data set folders of cesm-pipeline.",
        epilog="Exit status: 0 done, 2 usage or bad input, 3 internal error, 130 interrupted. For research only.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(commands)
    _add_evaluate(commands)
    _add_infer(commands)
    _add_summary(commands)
    return parser


def _add_command(commands, name: str, function, help: str, description: str, *, dataset: bool = True) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}. {description}")
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        type=Path,
        nargs=None if dataset else "?",
        help="folder with train, valid and test, each with images and masks",
    )
    parser.set_defaults(command=function)
    return parser


def _add_train(commands) -> None:
    parser = _add_command(
        commands,
        "train",
        _train,
        "train a model",
        "Writes DATASET/runs/NAME: best_model.keras (lowest val_loss), the state to go on from, train_losses and "
        "train_metrics as CSV and PNG, epoch_change_infer, config.toml and versions.json. The same command goes on where "
        "an interrupted training stopped, and does nothing where it is finished.",
    )
    parser.add_argument(
        "--config", default="quick", metavar="NAME|FILE.toml", help="quick, published, or a file of your own (default: quick)"
    )
    parser.add_argument("--name", help=f"{RUN_HELP} (default: the configuration's name)")
    onward = parser.add_mutually_exclusive_group()
    onward.add_argument(
        "--resume", action="store_true", help="go on with an earlier run; [train] epochs and patience may have changed"
    )
    onward.add_argument("--restart", action="store_true", help="throw away what the run has and begin anew")


def _add_evaluate(commands) -> None:
    parser = _add_command(
        commands,
        "evaluate",
        _evaluate,
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


def _add_infer(commands) -> None:
    parser = _add_command(
        commands,
        "infer",
        _infer,
        "apply a trained model to images",
        "Writes masks (0 and 255), probabilities (16 bit) and overlays (prediction orange, truth green where it is known) "
        "as PNG at each image's own size, and findings.csv, a row a lesion. Images may be JPEG, PNG, TIFF or DICOM of any "
        "size; one that cannot be read is told and skipped.",
        dataset=False,
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", help=f"{RUN_HELP}; its best_model.keras is used")
    which.add_argument("--model", type=Path, metavar="FILE.keras", help="a model file; needs --output")
    parser.add_argument(
        "--images",
        type=Path,
        nargs="+",
        metavar="PATH",
        default=[],
        help="files, or folders with all images below them (default: the originals of DATASET/test)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="default: DATASET/runs/NAME/predictions; an earlier inference there is replaced",
    )
    parser.add_argument(
        "--threshold",
        type=_probability,
        help="probability from which a pixel is lesion (default: the run's [infer] threshold, or 0.5)",
    )
    parser.add_argument("--strict", action="store_true", help="exit status 2 if any image could not be read")


def _add_summary(commands) -> None:
    parser = _add_command(
        commands,
        "summary",
        _summary,
        "print a run's figures and the pictures worth opening",
        "Reads what the other commands wrote; computes nothing.",
    )
    parser.add_argument("--name", required=True, help=RUN_HELP)


def _probability(text: str) -> float:
    if not 0 < (value := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _auto_or_probability(text: str) -> str | float:
    return text if text == "auto" else _probability(text)


def _train(arguments: argparse.Namespace) -> int:
    from segmenter import runs
    from segmenter.configuration import load_configuration
    from segmenter.folders import read_data_set

    configuration = load_configuration(arguments.config)
    data = read_data_set(arguments.dataset)
    for split in ("train", "valid"):
        data.split(split)  # refuses an empty one before anything is written
    run = runs.open_run(arguments.dataset, arguments.name or Path(arguments.config).stem)
    state = runs.take_up(run, configuration, data, resume=arguments.resume, restart=arguments.restart)
    if state and state.is_finished(configuration.train):
        runs.record_configuration(run, configuration)
        print(f"{run.folder}: trained already, {_describe(state)}; --restart would train anew")
        return DONE
    if state:
        print(f"{run.folder}: goes on after epoch {state.epoch}", flush=True)
    from segmenter.backend import load_tensorflow

    load_tensorflow()
    from segmenter.training import train

    state = train(run, configuration, data, state)
    print(f"{run.folder}: trained, {_describe(state)}")
    return DONE


def _describe(state) -> str:
    return f"{state.epoch} epochs, best val_loss {state.best_val_loss:.4f} at epoch {state.best_epoch}"


def _evaluate(arguments: argparse.Namespace) -> int:
    from segmenter import evaluation, runs
    from segmenter.folders import read_data_set

    data = read_data_set(arguments.dataset)
    run = runs.find_trained(arguments.dataset, arguments.name)
    configuration = runs.read_configuration(run)
    if arguments.threshold:
        threshold = arguments.threshold
        if threshold == "auto":
            threshold, dice = evaluation.choose_threshold(run.best_model, data, configuration, run.folder / "evaluation")
            print(f"threshold {threshold:g}, chosen on valid, where mean Dice is {dice:.4f} with it")
        infer = configuration.infer.model_copy(update={"threshold": threshold})
        configuration = configuration.model_copy(update={"infer": infer})
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


def _infer(arguments: argparse.Namespace) -> int:
    from segmenter import inference
    from segmenter.configuration import InferSettings
    from segmenter.folders import read_data_set

    data = read_data_set(arguments.dataset) if arguments.dataset else None
    model_file, settings, output = _model_for(arguments)
    if arguments.threshold:
        settings = InferSettings(threshold=arguments.threshold, batch_size=settings.batch_size)
    jobs = inference.find_jobs(arguments.images, data)
    identity = inference.inference_identity(model_file, jobs, settings.threshold)
    report = inference.read_report(output, identity)
    if report:
        print(f"{output}: inferred already")
        for words in report.skipped:
            print(f"skipped: {words}", file=sys.stderr)
    else:
        from segmenter.backend import load_tensorflow

        load_tensorflow()
        report = inference.infer(model_file, jobs, output, identity, settings.batch_size)
    print(f"{output}: {len(jobs) - len(report.skipped)} images, {report.findings} findings, {len(report.skipped)} skipped")
    return BAD_INPUT if arguments.strict and report.skipped else DONE


def _model_for(arguments: argparse.Namespace):
    """The model file, the [infer] settings and the output folder that the arguments mean."""
    from segmenter import runs
    from segmenter.configuration import InferSettings

    if arguments.name:
        if not arguments.dataset:
            raise InputError("--name needs DATASET, whose run it names; or give a model file with --model")
        run = runs.find_trained(arguments.dataset, arguments.name)
        return run.best_model, runs.read_configuration(run).infer, arguments.output or run.predictions
    if not arguments.output:
        raise InputError(f"--model {arguments.model}: --output DIR is missing; it says where to write")
    if not arguments.dataset and not arguments.images:
        raise InputError(f"--model {arguments.model}: --images is missing; give files or folders, or a DATASET")
    if not arguments.model.is_file():
        raise InputError(f"--model {arguments.model}: there is no such file")
    return arguments.model, InferSettings(), arguments.output


def _summary(arguments: argparse.Namespace) -> int:
    from segmenter import runs
    from segmenter.folders import read_data_set
    from segmenter.summary import summarise_run

    data = read_data_set(arguments.dataset)
    print("\n".join(summarise_run(data, runs.find_trained(arguments.dataset, arguments.name))))
    return DONE
