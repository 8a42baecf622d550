"""How both programs end: exit statuses, and the error that users see."""

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
