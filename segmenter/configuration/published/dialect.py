"""The dialect of the published project's files: INI with `;` and `#` comments, and Python literals as values."""

import ast
import re
import warnings
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

# Quotes first: a ; or # within them does not start a comment.
_COMMENT = re.compile(r"""((?:"[^"]*"|'[^']*'|[^;#"'])*)[;#].*""")
_OPENCV_NAMES = re.compile(r"cv2\.\w+(\s*[+|]\s*cv2\.\w+)*")
_RAW_TEXT = re.compile(r"""\b[bB]?[rR][bB]?["']""")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PLAIN_ESCAPES = "\\\"'"  # these stand for themselves
_ESCAPE_NAMES = {"t": "a tab", "n": "a line break", "r": "a line break", "b": "a backspace", "a": "a bell", "f": "a page break"}
_PATH_REMEDY = "write / or \\\\ instead of \\, or put r before the quotes"


@dataclass(frozen=True)
class Entry:
    """A key of a file.

    Attributes:
      line: of the file, from 1.
      value: the parsed text; None until it is parsed.
      name: as the file spells section and key, where a reader calls them otherwise.
    """

    section: str
    key: str
    line: int
    text: str
    value: Any = None
    name: str = ""

    def __str__(self) -> str:
        return f"{self.title} = {' '.join(self.text.split())}"

    @property
    def title(self) -> str:
        """Section and key, as the file spells them."""
        return self.name or f"[{self.section}] {self.key}"


class Lines(NamedTuple):
    """What a file holds; `strays` are messages about lines that are not part of the dialect."""

    entries: list[Entry]
    strays: list[str]
    sections: set[str]


def read_lines(text: str) -> Lines:
    """Reads the sections and keys of a file, in lower case.

    A line that is neither a header nor a key continues the value above: no literal looks like either.
    """
    entries: list[Entry] = []
    strays: list[str] = []
    sections: set[str] = set()
    section, has_key = "", False
    for number, line in enumerate(text.splitlines(), 1):
        comment = _COMMENT.fullmatch(line)
        line = (comment[1] if comment else line).strip()
        if header := re.fullmatch(r"\[\s*([A-Za-z_]\w*)\s*\]", line):
            section, has_key = header[1].lower(), False
            sections.add(section)
        elif (pair := re.fullmatch(r"([A-Za-z_][\w.]*)\s*[=:]\s*(.*)", line)) and section:
            entries.append(Entry(section, pair[1].lower(), number, pair[2]))
            has_key = True
        elif line and has_key:
            entries[-1] = replace(entries[-1], text=f"{entries[-1].text}\n{line}")
        elif line:
            strays.append(f"line {number}: {line!r} is neither a [section] nor a key = value inside one")
    return Lines(entries, strays, sections)


def read_literal(text: str) -> Any:
    """Reads a Python literal, or the name of an OpenCV constant as text.

    Raises:
      ValueError: it is neither, or a backslash in it stands for another character, as in the path "C:\\temp".
    """
    if _OPENCV_NAMES.fullmatch(text):
        return text
    if escape := _find_escape(text):
        raise ValueError(f"holds {escape}; in a path, {_PATH_REMEDY}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about backslashes that stand for themselves, which is what is meant
            return ast.literal_eval(text)
    except SyntaxError as error:
        raise ValueError(f"is not a Python literal{_explain(text, error)}") from error
    except (ValueError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("is not a Python literal; expected a number, True, False, None, a list, or text in quotes") from error


def _find_escape(text: str) -> str:
    """Describes the first backslash in quotes that Python replaces by another character; empty if there is none."""
    if not re.search("[\"']", text) or _RAW_TEXT.search(text):
        return ""
    letters = [letter for letter in _ESCAPE.findall(text) if letter not in _PLAIN_ESCAPES]
    replaced = next((letter for letter in letters if letter in "abfnrtvxuUN01234567"), "")
    return replaced and f"\\{replaced}, which Python reads as {_ESCAPE_NAMES.get(replaced, 'the code of a character')}"


def _explain(text: str, error: SyntaxError) -> str:
    if "\\" in text:
        return f", because of a backslash at the end of a text; {_PATH_REMEDY}"
    fragment = (error.text or "")[max(0, (error.offset or 1) - 1) : error.end_offset and error.end_offset - 1].strip()
    # Python itself suggests, for example for [90. 180], that a comma is missing.
    guess = "; is a comma missing?" if "comma" in error.msg else ""
    return f"{f', at {fragment!r}' if fragment else ''}{guess}"
