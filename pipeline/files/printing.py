"""What programs print: names of files and texts of others cannot move the terminal's cursor, or hide what stands there."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, TextIO

_KEPT = "\n\t"


class PlainText:
    """A text stream that writes control characters, escape sequences and what cannot be encoded as escapes.

    Line ends and tabs stay. `stream` is the stream itself, for a bar that moves the cursor.
    """

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> int:
        """Writes a text; returns its length."""
        self.stream.write(_escape(text, _KEPT))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Writes texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def plain_output() -> Iterator[None]:
    """Lets all that is printed within the block, on standard output and standard error, pass through `PlainText`."""
    with (
        contextlib.redirect_stdout(PlainText(sys.stdout)),  # type: ignore[type-var]
        contextlib.redirect_stderr(PlainText(sys.stderr)),  # type: ignore[type-var]
    ):
        yield


def one_line(text: str) -> str:
    r"""A text of others as a part of one line: line ends and other control characters are escapes.

    Example:
      >>> one_line("a\nerror: b\x1b[2J")
      'a\\nerror: b\\x1b[2J'
    """
    return _escape(text, "")


def cursor_stream() -> TextIO:
    """Standard error as it is, for a bar that moves the cursor and shows no text of others."""
    return getattr(sys.stderr, "stream", sys.stderr)


def _escape(text: str, kept: str) -> str:
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() or character in kept else repr(character)[1:-1] for character in text)
