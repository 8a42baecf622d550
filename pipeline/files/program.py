"""What both programs share: exit statuses, the error that users see, and how a command is added."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable

DONE, FINDINGS, BAD_INPUT, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 130


class InputError(Exception):
    """The user's files or arguments are not usable; the message states what was found, where, and what to do."""


def run_program(program: Callable[[], int | None]) -> int:
    """Runs a program's body and turns what it raises into an exit status: 0, 1, 2, 3 or 130.

    An `InputError` is printed as one line. Any other error is a fault of the program and is printed with its traceback.
    """
    try:
        return program() or DONE
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`); Python would complain again while closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception:
        traceback.print_exc()
        print("internal error: this is a fault of the program, not of your data; please report the lines above", file=sys.stderr)
        return INTERNAL


def add_command(
    commands, name: str, execute: Callable[[argparse.Namespace], int], help: str, description: str = ""
) -> argparse.ArgumentParser:
    """Adds a subcommand to a program.

    Args:
      commands: what `add_subparsers` returned.
      name: of the command.
      execute: runs it and returns the exit status.
      help: one line for the list of commands, in lowercase.
      description: the text that `NAME --help` prints after `help`.
    """
    parser = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}. {description}".strip())
    parser.set_defaults(command=execute)
    return parser


def positive(text: str) -> int:
    """Reads an argument that is a whole number of 1 or more."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)
