"""Turns configurations of the published project into TOML."""

import argparse
from pathlib import Path

from pipeline.files import DONE, write_text
from segmenter.commands.arguments import file_to_write


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = commands.add_parser(
        "convert-config",
        help="turn a .config file of the published project into TOML",
        description="Turns a .config file of the published project into TOML. Comments say what has another name or value "
        "here, and what has no effect.",
    )
    parser.add_argument("config", metavar="FILE.config", type=Path, help="such as train_eval_infer.config")
    parser.add_argument("--output", metavar="FILE.toml", type=_toml, help="default: print it")
    parser.set_defaults(command=execute)


def _toml(text: str) -> Path:
    if not text.endswith(".toml"):
        raise argparse.ArgumentTypeError(f"{text} does not end in .toml, by which configurations are known")
    return file_to_write(text)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and gives its exit status."""
    from segmenter.configuration.published.conversion import convert_to_toml

    text = convert_to_toml(arguments.config)
    if arguments.output:
        write_text(arguments.output, text)
        print(f"{arguments.output}: written")
    else:
        print(text, end="")
    return DONE
