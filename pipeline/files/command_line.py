"""How both programs read their command line: commands, version, a check without work, and suggestions for what is misspelt."""

import argparse
import contextlib
import io
import json
import math
import platform
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.files.printing import plain_output
from pipeline.files.program import run_program

DISTRIBUTION = "cesm-segmentation"
_OPTION = re.compile(r"--?[A-Za-z][^ ]*")  # a negative number is a value, and so is what holds a space

Execute = Callable[[argparse.Namespace], int]


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors show the usage of the command that they are about, and suggest the right spelling."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.commands: Mapping[str, argparse.ArgumentParser] = {}
        self._later: list[Callable[[CommandParser], None]] = []

    def add_later(self, add: Callable[["CommandParser"], None]) -> None:
        """Lets `add` give this parser arguments once its command is asked for: what they are may take time to load."""
        self._later.append(add)

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[override]
        """Parses as argparse does, but reports unknown options and commands first, before what may be missing."""
        while self._later:
            self._later.pop(0)(self)
        if args is not None:
            self._refuse_unknown(args)
        namespace, extras = super().parse_known_args(args, namespace)
        if extras:
            self.error(f"unexpected argument {extras[0]}; positional arguments go before the options")
        return namespace, extras

    def _refuse_unknown(self, words: Sequence[str]) -> None:
        for word in words:
            if word == "--":
                return
            if self.commands and not word.startswith("-"):
                if word not in self.commands:
                    self.error(f"unknown command {word}{suggest(word, self.commands)}")
                return
            name = word.split("=", 1)[0]
            if _OPTION.fullmatch(word) and not any(option.startswith(name) for option in self._option_string_actions):
                self.error(f"unknown option {name}{suggest(name, self._option_string_actions)}")


def suggest(word: str, known: Iterable[str]) -> str:
    """A half sentence with the known word that is most like another one; empty where none is like it.

    Example:
      >>> suggest("--recpie", ["--raw", "--recipe"])
      '; did you mean --recipe?'
    """
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""


def make_parser(program: str, description: str, epilog: str, modules: Iterable[Any]) -> CommandParser:
    """Makes the parser of a program.

    Args:
      program: its name.
      description, epilog: of its help.
      modules: of its commands; each has `add`, which is given the commands to add itself to.
    """
    parser = CommandParser(prog=program, description=description, epilog=epilog)
    parser.add_argument("--version", action=_PrintVersion, nargs=0, help="print the versions of the program and of Python")
    parser.add_argument(
        "--check",
        dest="only_check",
        action="store_true",
        help="check the command's options, and its recipe or configuration, and do nothing else",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in modules:
        module.add(commands)
    parser.commands = commands.choices
    return parser


class _PrintVersion(argparse.Action):
    def __call__(self, parser, *_):
        print(f"{parser.prog} {package_version()}, Python {platform.python_version()}")
        parser.exit()


def package_version() -> str:
    """The version of the installed distribution; `unknown` where the programs run from a bare folder."""
    from importlib import metadata  # slow to load, and rarely needed

    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"


def run_command(
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    find_private: Callable[[argparse.Namespace], Sequence[Path]] = lambda _: (),
) -> int:
    """Reads the command line and runs its command, or with --check only the command's check; returns the exit status.

    Args:
      parser: of the program.
      argv: its arguments; None means those of the process.
      find_private: the folders of which no error is to name a file or quote contents.
    """
    with plain_output():
        arguments = parser.parse_args(sys.argv[1:] if argv is None else argv)
        return run_program(
            lambda: _check(arguments) if arguments.only_check else arguments.command(arguments), find_private(arguments)
        )


def _check(arguments: argparse.Namespace) -> None:
    with contextlib.redirect_stderr(io.StringIO()):  # the command itself prints its warnings
        arguments.check(arguments)


def add_command(
    commands,
    name: str,
    execute: Execute,
    help: str,
    description: str = "",
    *,
    check: Callable[[argparse.Namespace], object] = lambda _: None,
) -> CommandParser:
    """Adds a subcommand to a program.

    Args:
      commands: what `add_subparsers` returned.
      name: of the command.
      execute: runs it and returns the exit status.
      help: one line for the list of commands, in lowercase.
      description: the text that `NAME --help` prints after `help`.
      check: raises InputError where its arguments name a recipe or configuration that cannot be used; does no work.
    """
    parser = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}. {description}".strip())
    parser.set_defaults(command=execute, check=check)
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds --json."""
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object and nothing else")


def print_json(result: Mapping[str, Any]) -> None:
    """Prints one JSON object; paths become text, and what is not a number becomes null."""
    print(json.dumps(_plain(result), indent=1, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):  # of NumPy
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def positive(text: str) -> int:
    """Reads an argument that is a whole number of 1 or more."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)
