"""Shows what augmentation does to training pairs."""

import argparse
from pathlib import Path

from pipeline.files import DONE, InputError, add_settings
from segmenter.commands.arguments import add_command, file_to_write


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "preview",
        execute,
        "draw a picture sheet of augmented training pairs",
        "One row per pair of train: as it is, then varied by the settings of [augmentor], with the contour of its mask and the "
        "names of the variations.",
    )
    parser.add_argument("--config", required=True, metavar="NAME|FILE", help="a configuration with [model] generator on")
    add_settings(parser, "configuration")
    parser.add_argument("--output", type=_png, metavar="FILE.png", help="default: DATASET/preview-NAME.png")
    parser.add_argument(
        "--count", type=int, choices=range(1, 33), default=6, metavar="N", help="number of rows, 1 to 32 (default: 6)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="another seed draws other variations (default: [train] seed)")


def _png(text: str) -> Path:
    if not text.endswith(".png"):
        raise argparse.ArgumentTypeError(f"{text} does not end in .png; the sheet is a PNG")
    return file_to_write(text)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from segmenter.configuration import load_configuration
    from segmenter.data.dataset import read_data_set

    configuration = load_configuration(arguments.config, arguments.settings)
    if not configuration.model.generator:
        raise InputError(
            f"--config {arguments.config}: [model] generator is off, so training pairs are not varied; turn it on, "
            "and in [augmentor] what is to vary"
        )
    samples = read_data_set(arguments.dataset).split("train")
    output = arguments.output or arguments.dataset / f"preview-{Path(arguments.config).stem}.png"
    seed = configuration.train.seed if arguments.seed is None else arguments.seed
    from segmenter.backend import load_backend

    load_backend()
    from segmenter.augmentation.preview import write_preview

    write_preview(configuration, samples, output, arguments.count, seed)
    print(f"{output}: written")
    return DONE
