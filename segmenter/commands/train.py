"""Trains a model, or resumes its training."""

import argparse
from pathlib import Path

from pipeline.files import DONE, InputError, add_settings
from segmenter.commands.arguments import RUN_HELP, add_command


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "train",
        execute,
        "train a model",
        "Writes DATASET/runs/NAME: best_model.keras (lowest val_loss), the state to resume from, train_losses and "
        "train_metrics as CSV and PNG, epoch_change_infer, config.toml and versions.json. Run again, the same command "
        "resumes an interrupted training, and does nothing if it is finished. A .config file of the published project may name "
        "the data instead of DATASET.",
        dataset=False,
    )
    add_training_options(parser)
    parser.add_argument(
        "--fold",
        type=int,
        metavar="K",
        help="train on fold K of the manifest: its patients are test, those of fold K + 1 valid, and the rest train",
    )
    parser.add_argument("--name", help=f"{RUN_HELP} (default: the configuration's name, then -foldK with --fold K)")


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a training: --config, --set, --allow-download, --resume, --restart."""
    parser.add_argument(
        "--config",
        default="quick",
        metavar="NAME|FILE",
        help="quick, best, classes, published, a .toml file of your own, or a published .config file (default: quick)",
    )
    add_settings(parser, "configuration")
    parser.add_argument(
        "--allow-download",
        action="store_true",
        help='let Keras fetch the weights that [model] weights = "imagenet" asks for; nothing is downloaded without it',
    )
    existing_run = parser.add_mutually_exclusive_group()
    existing_run.add_argument(
        "--resume", action="store_true", help="continue an earlier run; [train] epochs and patience may have changed"
    )
    existing_run.add_argument("--restart", action="store_true", help="delete the run and train from the start")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from segmenter.configuration import load_configuration
    from segmenter.data.dataset import read_data_set
    from segmenter.runs import open_run
    from segmenter.training.start import train_run

    configuration = load_configuration(arguments.config, arguments.settings)
    folder = arguments.dataset or _data_folder_of(arguments.config)
    data, name = read_data_set(folder), Path(arguments.config).stem
    if arguments.fold is not None:
        data, name = data.in_fold(arguments.fold), f"{name}-fold{arguments.fold}"
    for split in ("train", "valid"):
        data.split(split)  # refuses an empty one before anything is written
    run = open_run(folder, arguments.name or name)
    train_run(
        run,
        configuration,
        data,
        resume=arguments.resume,
        restart=arguments.restart,
        allow_download=arguments.allow_download,
    )
    return DONE


def _data_folder_of(config: str) -> Path:
    """The data set folder that a configuration of the published project names."""
    from segmenter.configuration import is_published

    if not is_published(config):
        raise InputError("DATASET is missing; give the path of a data set folder")
    from segmenter.configuration.published.reader import read_published

    if not (folder := read_published(Path(config)).data_folder):
        raise InputError(f"{config}: [train] image_datapath names no existing train/images; give DATASET")
    return folder
