"""Turns configurations of the published project into TOML."""

import argparse
from pathlib import Path

from pipeline.files import DONE, add_command, write_text
from segmenter.commands.arguments import file_to_write


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "convert-config",
        execute,
        "turn a .config file of the published project into TOML",
        "Comments mark keys that have another name or value here, and keys without effect.",
    )
    parser.add_argument("config", metavar="FILE.config", type=Path, help="such as train_eval_infer.config")
    parser.add_argument("--output", metavar="FILE.toml", type=_toml, help="default: print it")


def _toml(text: str) -> Path:
    if not text.endswith(".toml"):
        raise argparse.ArgumentTypeError(f"{text} does not end in .toml, by which configurations are known")
    return file_to_write(text)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from segmenter.configuration.published.conversion import convert_to_toml

    text = convert_to_toml(arguments.config)
    if arguments.output:
        write_text(arguments.output, text)
        print(f"{arguments.output}: written")
    else:
        print(text, end="")
    return DONE
