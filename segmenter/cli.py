"""The command line: arguments, messages, exit status. TensorFlow is imported only where there is work to do."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.files import BAD_INPUT, DONE, InputError, run_program, write_text

if TYPE_CHECKING:
    from segmenter.configuration import InferSettings

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
    _add_preview(commands)
    _add_convert_config(commands)
    _add_inspect(commands)
    _add_models(commands)
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
        dataset=False,
    )
    parser.add_argument(
        "--config",
        default="quick",
        metavar="NAME|FILE",
        help="quick, published, a .toml file of your own, or a .config file of the published project, which may name the "
        "data in place of DATASET (default: quick)",
    )
    parser.add_argument("--name", help=f"{RUN_HELP} (default: the configuration's name)")
    parser.add_argument(
        "--allow-download",
        action="store_true",
        help='let Keras fetch the weights that [model] weights = "imagenet" asks for; nothing is downloaded without it',
    )
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
        "apply a trained model, or several, to images",
        "Writes masks (0 and 255; with several classes their indices), probabilities of any lesion (16 bit) and overlays "
        "(prediction orange, truth green where it is known) as PNG at each image's own size, and findings.csv, a row a "
        "lesion. Images may be JPEG, PNG, TIFF or DICOM of any size; one that cannot be read is told and skipped. Options "
        "go before what the first run's [infer] and [tiledinfer] say.",
        dataset=False,
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--name",
        nargs="+",
        metavar="RUN",
        help=f"{RUN_HELP}; its best_model.keras is used. Several: the mean of their probabilities",
    )
    which.add_argument("--model", type=Path, nargs="+", metavar="FILE.keras", help="model files; needs --output")
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
        help="default: DATASET/runs/RUN/predictions, or predictions-ensemble in the first of several runs; an earlier "
        "inference there is replaced",
    )
    parser.add_argument(
        "--tiled", action="store_true", help="by overlapping tiles at the images' own resolution, as [tiledinfer] says"
    )
    parser.add_argument(
        "--augmentation", choices=("none", "flips", "turns"), help="mean over 4 flips, or all 8 turns and flips, of each image"
    )
    parser.add_argument(
        "--threshold",
        type=_otsu_or_probability,
        metavar="X|otsu",
        help="probability from which a pixel is lesion, or otsu to find one for each image; with several classes the most "
        "probable one counts (default: the run's [infer], or 0.5)",
    )
    parser.add_argument(
        "--smallest-lesion", type=_pixels, metavar="PX", help="drop connected parts of a smaller area, in pixels of the image"
    )
    parser.add_argument(
        "--colorize", action="store_true", help="write colorized/, masks in the classes' colours, and merged/, these on the image"
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


def _add_preview(commands) -> None:
    parser = _add_command(
        commands,
        "preview",
        _preview,
        "draw a picture sheet of augmented training pairs",
        "A row a pair of train: as it is, then varied as [augmentor] says, with the outline of its mask and the names of "
        "what was drawn.",
    )
    parser.add_argument("--config", required=True, metavar="NAME|FILE", help="a configuration with [model] generator on")
    parser.add_argument("--output", type=Path, metavar="FILE.png", help="default: DATASET/preview-NAME.png")
    parser.add_argument("--count", type=int, choices=range(1, 33), default=6, metavar="N", help="rows, 1 to 32 (default: 6)")
    parser.add_argument("--seed", type=int, metavar="N", help="another one draws anew (default: [train] seed)")


def _add_convert_config(commands) -> None:
    parser = commands.add_parser(
        "convert-config",
        help="turn a .config file of the published project into TOML",
        description="Turns a .config file of the published project into TOML. Comments say what has another name or value "
        "here, and what has no effect.",
    )
    parser.add_argument("config", metavar="FILE.config", type=Path, help="such as train_eval_infer.config")
    parser.add_argument("--output", metavar="FILE.toml", type=Path, help="default: print it")
    parser.set_defaults(command=_convert_config)


def _add_inspect(commands) -> None:
    parser = _add_command(
        commands,
        "inspect",
        _inspect,
        "say what a network is made of and what it costs",
        "Prints parameters, multiply-accumulates of one image and the receptive field, and writes summary.txt, layers.csv "
        "and, where graphviz is installed, model.png.",
        dataset=False,
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", help=f"{RUN_HELP}; needs DATASET")
    which.add_argument("--model", type=Path, metavar="FILE.keras", help="a model file")
    which.add_argument("--config", metavar="NAME|FILE.toml", help="the untrained network of a configuration")
    parser.add_argument("--output", type=Path, metavar="DIR", help="default: inspect, in the run's folder or in this one")


def _add_models(commands) -> None:
    help = "list the networks with parameters, sides and papers"
    parser = commands.add_parser(
        "models", help=help, description=f"{help.capitalize()}. All names also with Tensorflow in front."
    )
    parser.set_defaults(command=_models)


def _probability(text: str) -> float:
    if not 0 < (value := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _auto_or_probability(text: str) -> str | float:
    return text if text == "auto" else _probability(text)


def _otsu_or_probability(text: str) -> str | float:
    return text if text == "otsu" else _probability(text)


def _pixels(text: str) -> int:
    if (value := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return value


def _train(arguments: argparse.Namespace) -> int:
    from segmenter import runs
    from segmenter.configuration import load_configuration
    from segmenter.folders import read_data_set

    configuration = load_configuration(arguments.config)
    folder = arguments.dataset or _named_data(arguments.config)
    data = read_data_set(folder)
    for split in ("train", "valid"):
        data.split(split)  # refuses an empty one before anything is written
    run = runs.open_run(folder, arguments.name or Path(arguments.config).stem)
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

    state = train(run, configuration, data, state, allow_download=arguments.allow_download)
    print(f"{run.folder}: trained, {_describe(state)}")
    return DONE


def _named_data(config: str) -> Path:
    """The data set that a configuration of the published project names."""
    from segmenter.configuration import is_published

    if not is_published(config):
        raise InputError("DATASET is missing; give the path of a data set folder")
    from segmenter.configuration.published import read_published

    if not (folder := read_published(Path(config)).data_folder):
        raise InputError(f"{config}: [train] image_datapath names no train/images that is there; give DATASET")
    return folder


def _preview(arguments: argparse.Namespace) -> int:
    from segmenter.configuration import load_configuration
    from segmenter.folders import read_data_set

    configuration = load_configuration(arguments.config)
    if not configuration.model.generator:
        raise InputError(
            f"--config {arguments.config}: [model] generator is off, so training pairs are not varied; turn it on, "
            "and in [augmentor] what is to vary"
        )
    samples = read_data_set(arguments.dataset).split("train")
    output = arguments.output or arguments.dataset / f"preview-{Path(arguments.config).stem}.png"
    seed = configuration.train.seed if arguments.seed is None else arguments.seed
    from segmenter.backend import load_tensorflow

    load_tensorflow()
    from segmenter.preview import write_preview

    write_preview(configuration, samples, output, arguments.count, seed)
    print(f"{output}: written")
    return DONE


def _convert_config(arguments: argparse.Namespace) -> int:
    from segmenter.configuration.conversion import convert_to_toml

    text = convert_to_toml(arguments.config)
    if arguments.output:
        write_text(arguments.output, text)
        print(f"{arguments.output}: written")
    else:
        print(text, end="")
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


def _infer(arguments: argparse.Namespace) -> int:
    from segmenter import inference
    from segmenter.folders import read_data_set

    data = read_data_set(arguments.dataset) if arguments.dataset else None
    plan, output = _plan_inference(arguments)
    jobs = inference.find_jobs(arguments.images, data)
    identity = inference.inference_identity(plan, jobs)
    report = inference.read_report(output, identity)
    if report:
        print(f"{output}: inferred already")
        for words in report.skipped:
            print(f"skipped: {words}", file=sys.stderr)
    else:
        from segmenter.backend import load_tensorflow

        load_tensorflow()
        report = inference.infer(plan, jobs, output, identity)
    print(f"{output}: {len(jobs) - len(report.skipped)} images, {report.findings} findings, {len(report.skipped)} skipped")
    return BAD_INPUT if arguments.strict and report.skipped else DONE


def _plan_inference(arguments: argparse.Namespace):
    """What the arguments mean: a plan, and the output folder."""
    from segmenter.configuration import InferSettings, TiledInferSettings
    from segmenter.inference import Plan

    if arguments.name:
        plan, output = _plan_of_runs(arguments)
    else:
        _check_model_files(arguments)
        plan, output = Plan(tuple(arguments.model), InferSettings(), TiledInferSettings()), arguments.output
    tiled = plan.tiled if arguments.tiled else None
    return replace(plan, settings=_changed(plan.settings, arguments), tiled=tiled), output


def _changed(settings: "InferSettings", arguments: argparse.Namespace) -> "InferSettings":
    """The settings, but for what an option says."""
    changes: dict[str, object] = {}
    if arguments.threshold == "otsu":
        changes["algorithm"] = "otsu"
    elif arguments.threshold:
        changes |= {"threshold": arguments.threshold, "algorithm": None}
    if arguments.augmentation:
        changes["augmentation"] = arguments.augmentation
    if arguments.smallest_lesion is not None:
        changes["smallest_lesion_px"] = arguments.smallest_lesion
    if arguments.colorize:
        changes["mask_colorize"] = True
    return settings.model_copy(update=changes)


def _plan_of_runs(arguments: argparse.Namespace):
    from segmenter import runs
    from segmenter.inference import Plan

    if not arguments.dataset:
        raise InputError("--name needs DATASET before it, whose run it names; or give a model file with --model")
    found = [runs.find_trained(arguments.dataset, name) for name in arguments.name]
    first, *others = [runs.read_configuration(run) for run in found]
    for run, other in zip(found[1:], others, strict=True):
        if other.class_names != first.class_names:
            raise InputError(
                f"{run.config}: has the classes {', '.join(other.class_names)}, and {found[0].config} "
                f"{', '.join(first.class_names)}; an ensemble needs models of the same classes"
            )
    output = found[0].folder / "predictions-ensemble" if others else found[0].predictions
    files = tuple(run.best_model for run in found)
    return Plan(files, first.infer, first.tiledinfer, first.class_names), arguments.output or output


def _check_model_files(arguments: argparse.Namespace) -> None:
    given = f"--model {' '.join(map(str, arguments.model))}"
    if not arguments.output:
        raise InputError(f"{given}: --output DIR is missing; it says where to write")
    if not arguments.dataset and not arguments.images:
        raise InputError(f"{given}: --images is missing; give files or folders, or a DATASET")
    for file in arguments.model:
        if not file.is_file():
            raise InputError(f"--model {file}: there is no such file")


def _summary(arguments: argparse.Namespace) -> int:
    from segmenter import runs
    from segmenter.folders import read_data_set
    from segmenter.summary import summarise_run

    data = read_data_set(arguments.dataset)
    print("\n".join(summarise_run(data, runs.find_trained(arguments.dataset, arguments.name))))
    return DONE


def _inspect(arguments: argparse.Namespace) -> int:
    from segmenter import runs
    from segmenter.backend import load_tensorflow
    from segmenter.configuration import load_configuration

    if arguments.name and not arguments.dataset:
        raise InputError("--name needs DATASET, whose run it names; or give a model file with --model")
    run = runs.find_trained(arguments.dataset, arguments.name) if arguments.name else None
    configuration = load_configuration(arguments.config) if arguments.config else None
    load_tensorflow()
    from segmenter.inspection import inspect_model
    from segmenter.models import build_model
    from segmenter.saved_models import load_whole

    if configuration:
        model = build_model(configuration.model, configuration.image)
    else:
        model = load_whole(run.best_model if run else arguments.model, compile=False)
    folder = arguments.output or (run.folder / "inspect" if run else Path("inspect"))
    for name, value in inspect_model(model, folder).items():
        print(f"  {name:<24}{value:>16,}" if isinstance(value, int) else f"  {name:<24}{value:>16}")
    print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    return DONE


def _models(arguments: argparse.Namespace) -> int:
    from segmenter.configuration.model import MODEL_SETTINGS
    from segmenter.models import MODELS

    for name, settings in MODEL_SETTINGS.items():
        default = settings.model_validate({})
        print(f"{name}\n  {MODELS[name].parameters:,} parameters with the default settings")
        print(f"  sides: multiples of {default.side_multiple}, from {default.explain_multiple()}")
        print(f"  {settings.paper}")
    return DONE
