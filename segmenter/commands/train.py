"""Trains a model, or resumes its training."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.files import DONE, InputError
from segmenter.commands.arguments import RUN_HELP, add_command

if TYPE_CHECKING:
    from segmenter.configuration import Configuration
    from segmenter.data.dataset import DataSet
    from segmenter.runs import Run


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "train",
        execute,
        "train a model",
        "Writes DATASET/runs/NAME: best_model.keras (lowest val_loss), the state to go on from, train_losses and "
        "train_metrics as CSV and PNG, epoch_change_infer, config.toml and versions.json. The same command goes on where "
        "an interrupted training stopped, and does nothing where it is finished. A .config file of the published project may "
        "name the data in place of DATASET.",
        dataset=False,
    )
    add_training_options(parser)
    parser.add_argument(
        "--fold",
        type=int,
        metavar="K",
        help="train on the data set as fold K of its manifest sees it: test is fold K, valid is fold K + 1, train the rest",
    )
    parser.add_argument("--name", help=f"{RUN_HELP} (default: the configuration's name, then -foldK with --fold K)")


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a training: --config, --allow-download, --resume, --restart."""
    parser.add_argument(
        "--config",
        default="quick",
        metavar="NAME|FILE",
        help="quick, full, published, a .toml file of your own, or a .config file of the published project (default: quick)",
    )
    parser.add_argument(
        "--allow-download",
        action="store_true",
        help='let Keras fetch the weights that [model] weights = "imagenet" asks for; nothing is downloaded without it',
    )
    existing_run = parser.add_mutually_exclusive_group()
    existing_run.add_argument(
        "--resume", action="store_true", help="go on with an earlier run; [train] epochs and patience may have changed"
    )
    existing_run.add_argument("--restart", action="store_true", help="delete what the run has and train from the start")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and gives its exit status."""
    from segmenter.configuration import load_configuration
    from segmenter.data.dataset import read_data_set
    from segmenter.runs import open_run

    configuration = load_configuration(arguments.config)
    folder = arguments.dataset or _data_folder_of(arguments.config)
    data, name = read_data_set(folder), Path(arguments.config).stem
    if arguments.fold is not None:
        data, name = data.in_fold(arguments.fold), f"{name}-fold{arguments.fold}"
    for split in ("train", "valid"):
        data.split(split)  # refuses an empty one before anything is written
    train_run(open_run(folder, arguments.name or name), configuration, data, arguments, resume=arguments.resume)
    return DONE


def train_run(
    run: "Run", configuration: "Configuration", data: "DataSet", arguments: argparse.Namespace, *, resume: bool
) -> None:
    """Trains a run, resumes it, or finds it finished, and prints which.

    Args:
      arguments: with `restart` and `allow_download`.
      resume: there must be something to resume; [train] epochs and patience may have changed.

    Raises:
      InputError: as `segmenter.runs.begin_or_resume` and `segmenter.training.trainer.train` do, or weights or TensorFlow are
        missing.
    """
    from segmenter import runs
    from segmenter.backend import require_tensorflow

    require_tensorflow()  # before --restart removes what is there
    _check_weights(configuration.model, run, arguments)
    state = runs.begin_or_resume(run, configuration, data, resume=resume, restart=arguments.restart)
    if state and state.is_finished(configuration.train):
        runs.record_configuration(run, configuration)
        print(f"{run.folder}: trained already, {_describe_state(state)}; --restart would train it again from the start")
        return
    if state:
        print(f"{run.folder}: goes on after epoch {state.epoch}", flush=True)
    from segmenter.backend import load_tensorflow

    load_tensorflow()
    from segmenter.training.trainer import train

    state = train(run, configuration, data, state, allow_download=arguments.allow_download)
    print(f"{run.folder}: trained, {_describe_state(state)}")


def _check_weights(settings, run, arguments: argparse.Namespace) -> None:
    """Stops before anything is written or deleted, if a new run's weights are not there."""
    from segmenter.configuration.networks import BackboneSettings

    if isinstance(settings, BackboneSettings) and settings.weights != "none" and (arguments.restart or not run.state.is_file()):
        from segmenter.backend import load_tensorflow

        load_tensorflow()
        from segmenter.models.backbones import provide_weights

        provide_weights(settings, allow_download=arguments.allow_download)


def _data_folder_of(config: str) -> Path:
    """The data set folder that a configuration of the published project names."""
    from segmenter.configuration import is_published

    if not is_published(config):
        raise InputError("DATASET is missing; give the path of a data set folder")
    from segmenter.configuration.published.reader import read_published

    if not (folder := read_published(Path(config)).data_folder):
        raise InputError(f"{config}: [train] image_datapath names no existing train/images; give DATASET")
    return folder


def _describe_state(state) -> str:
    from segmenter.evaluation.formatting import counted

    return f"{counted(state.epoch, 'epoch')}, best val_loss {state.best_val_loss:.4f} at epoch {state.best_epoch}"
