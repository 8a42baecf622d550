"""The dialect of the published project's files: INI with `;` and `#` comments, and Python literals as values."""

import ast
import re
from dataclasses import dataclass, replace
from typing import Any

# Quotes first: a ; or # within them does not start a comment.
_COMMENT = re.compile(r"""((?:"[^"]*"|'[^']*'|[^;#"'])*)[;#].*""")
_OPENCV_NAMES = re.compile(r"cv2\.\w+(\s*[+|]\s*cv2\.\w+)*")


@dataclass(frozen=True)
class Entry:
    """A key of a file.

    Attributes:
      line: of the file, from 1.
      value: the parsed text; None until it is parsed.
    """

    section: str
    key: str
    line: int
    text: str
    value: Any = None

    def __str__(self) -> str:
        return f"[{self.section}] {self.key} = {' '.join(self.text.split())}"


def read_lines(text: str) -> tuple[list[Entry], list[str]]:
    """Reads the keys of a file, in lower case, and reports lines that are not part of the dialect.

    A line that is neither a header nor a key continues the value above: no literal looks like either.
    """
    entries: list[Entry] = []
    strays: list[str] = []
    section, has_key = "", False
    for number, line in enumerate(text.splitlines(), 1):
        comment = _COMMENT.fullmatch(line)
        line = (comment[1] if comment else line).strip()
        if header := re.fullmatch(r"\[\s*([A-Za-z_]\w*)\s*\]", line):
            section, has_key = header[1].lower(), False
        elif (pair := re.fullmatch(r"([A-Za-z_]\w*)\s*[=:]\s*(.*)", line)) and section:
            entries.append(Entry(section, pair[1].lower(), number, pair[2]))
            has_key = True
        elif line and has_key:
            entries[-1] = replace(entries[-1], text=f"{entries[-1].text}\n{line}")
        elif line:
            strays.append(f"line {number}: {line!r} is neither a [section] nor a key = value inside one")
    return entries, strays


def read_literal(text: str) -> Any:
    """Reads a Python literal, or the name of an OpenCV constant as text.

    Raises:
      ValueError: it is neither.
    """
    if _OPENCV_NAMES.fullmatch(text):
        return text
    try:
        return ast.literal_eval(text)
    except SyntaxError as error:
        fragment = (error.text or "")[max(0, (error.offset or 1) - 1) : error.end_offset and error.end_offset - 1].strip()
        # Python itself suggests, for example for [90. 180], that a comma is missing.
        guess = "; is a comma missing?" if "comma" in error.msg else ""
        raise ValueError(f"is not a Python literal{f', at {fragment!r}' if fragment else ''}{guess}") from error
    except (ValueError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("is not a Python literal; expected a number, True, False, None, a list, or text in quotes") from error
