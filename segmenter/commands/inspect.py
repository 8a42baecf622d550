"""Prints what a network is made of."""

import argparse
from pathlib import Path

from pipeline.files import DONE, InputError, add_settings, locked
from segmenter.commands.arguments import RUN_HELP, add_command, folder_to_write


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "inspect",
        execute,
        "print what a network is made of and what it costs",
        "Prints parameters, multiply-accumulates of one image and the receptive field, and writes summary.txt, layers.csv "
        "and, where graphviz is installed, model.png.",
        dataset=False,
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", help=f"{RUN_HELP}, which has to be given")
    which.add_argument("--model", type=Path, metavar="FILE.keras", help="a model file")
    which.add_argument("--config", metavar="NAME|FILE", help="the untrained network of a configuration")
    add_settings(parser, "configuration")
    parser.add_argument(
        "--output", type=folder_to_write, metavar="DIR", help="default: inspect, in the run's folder or in the working folder"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from segmenter import runs
    from segmenter.backend import load_tensorflow
    from segmenter.configuration import load_configuration

    if arguments.name and not arguments.dataset:
        raise InputError("--name needs DATASET, whose run it names; or give a model file with --model")
    run = runs.find_trained(arguments.dataset, arguments.name) if arguments.name else None
    configuration = load_configuration(arguments.config, arguments.settings) if arguments.config else None
    load_tensorflow("counting multiply-accumulates")
    from segmenter.models import build_model
    from segmenter.models.inspection import inspect_model
    from segmenter.models.saved_models import load_whole

    if configuration:
        model = build_model(configuration.model, configuration.image, crop=configuration.dataset.crop)
    else:
        model = load_whole(run.best_model if run else arguments.model, compile=False)
    folder = arguments.output or (run.folder / "inspect" if run else Path("inspect"))
    with locked(folder, "segmenter inspect"):
        values = inspect_model(model, folder)
    for name, value in values.items():
        print(f"  {name:<24}{value:>16,}" if isinstance(value, int) else f"  {name:<24}{value:>16}")
    print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    return DONE
