"""The identifiers that texts are searched for, their spellings, and those that are too short or too ordinary to search for."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator

from pipeline.contract import SPLITS, WORST_FIRST
from pipeline.geometry import VARIANTS

SHORTEST = 4  # bytes of UTF-8; shorter identifiers occur in any table by chance
LONG = 6  # from this length on, neither other spellings, strings in binary files nor numbers in tables match by chance
_LONG_NUMBER = 10  # digits; shorter lists of numbers are coordinates, longer ones UIDs
_SHOWN = 5  # files that a message lists
_MOST_PARTS = 8  # words with - or _ between them that are read as a single word
_PIECE = 1 << 20  # characters searched at a time, to spare memory

_WORD = re.compile(r"[^\W_]+")
_CHAIN = re.compile(r"[^\W_]+(?:[-_][^\W_]+)*")
_MARKS = re.compile("[\u0300-\u036f\u3099\u309a]")  # marks that NFKD separates from Latin, Greek, Cyrillic and Japanese letters
# Values of the tables, which occur next to each other in any order, and words that occur in any description.
_TABLE_WORDS = {"l", "r", "cc", "mlo", "dm", "cm", "left", "right", "mg", "cesm", "mammo", "mammography", "breast", "dicom"}
_TABLE_WORDS |= {*WORST_FIRST, *SPLITS, *_WORD.findall(" ".join(VARIANTS).replace("_", " "))}


class Identifiers:
    """The identifiers to search for, and a record of what could not be searched.

    An identifier is found as its words in their order, whatever is between them, and from 6 bytes on as its letters and
    digits alone, written together or with single `-` and `_`. Dates are found with the year, the month or the day first.
    Numbers with fewer than 6 digits count only in names.

    Attributes:
      short, ordinary: identifiers under 4 bytes, and those that this program's own text holds; neither is searched for.
      unread_headers: number of DICOM files whose header could not be read.
      unread_files: paths in the data set's folder that could not be searched, or not to their end.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, set[str]] = defaultdict(set)  # by phrase, with blanks, and by words written together
        self._starts: set[str] = set()
        self.short: set[str] = set()
        self.ordinary: set[str] = set()
        self.unread_headers = 0
        self.unread_files: list[str] = []

    def __len__(self) -> int:
        return sum(" " not in key for key in self._kinds)

    def add(self, kind: str, text: str) -> None:
        """Adds an identifier; `kind` is its name in findings, such as PatientID."""
        words = split_words(text)
        joined = "".join(words)
        if _weight(joined) < SHORTEST:
            self.short |= {joined} - {""}
        elif _TABLE_WORDS.issuperset(words):
            self.ordinary.add(joined)
        else:
            self._kinds[joined].add(kind)
            if joined.isdigit():  # as this program writes patients
                self._kinds[f"p{joined}"].add(kind)
                self._kinds[f"p{int(joined)}"].add(kind)
            if not joined.isdigit() or len(joined) >= _LONG_NUMBER:
                self._add_phrase(kind, words)

    def add_date(self, kind: str, date: str) -> None:
        """Adds a date, YYYYMMDD, in its usual orders."""
        self.add(kind, date)
        year, month, day = date[:4], date[4:6], date[6:8]
        for words in ((year, month, day), (day, month, year), (month, day, year)):
            self._add_phrase(kind, words)

    def _add_phrase(self, kind: str, words: Iterable[str]) -> None:
        words = list(words)
        if len(words) > 1:
            self._kinds[" ".join(words)].add(kind)
            self._starts.update(" ".join(words[:count]) for count in range(1, len(words) + 1))

    def left_out(self) -> Iterator[str]:
        """Yields what was not searched, and what was not searched for, as one line per cause."""
        if self.short:
            yield f"too short to look for, under {SHORTEST} bytes: {len(self.short)}"
        if self.ordinary:
            yield f"not looked for, because this program's own text contains them: {len(self.ordinary)}"
        if self.unread_headers:
            yield f"DICOM files whose header was not read, because they are deflated or broken: {self.unread_headers}"
        if self.unread_files:
            shown = ", ".join(self.unread_files[:_SHOWN]) + (" ..." if len(self.unread_files) > _SHOWN else "")
            yield f"files that could not be searched, or not to their end: {len(self.unread_files)} ({shown})"

    def drop_ordinary(self, text: str) -> None:
        """Drops the identifiers that a text of this program holds, since its output consists of such text."""
        for key in set(self._found(text)):
            if not _is_bare(key):
                self.ordinary.add(key.replace(" ", ""))
                self._kinds.pop(key, None)
                self._kinds.pop(key.replace(" ", ""), None)

    def kinds_in(self, text: str, least: int = SHORTEST, *, names: bool = False) -> set[str]:
        """Returns the kinds of identifiers that a text holds.

        Args:
          text: of any length.
          least: bytes of the shortest identifier that counts.
          names: whether the text consists of names, in which short numbers count too.
        """
        keys = {key for key in self._found(text) if (names or not _is_bare(key)) and _weight(key) >= least}
        return set().union(*(self._kinds[key] for key in keys))

    def _found(self, text: str) -> Iterator[str]:
        for start in range(0, len(text), _PIECE):
            piece = _fold(text[start : start + _PIECE + 256])
            yield from self._phrases(_WORD.findall(piece))
            for chain in _CHAIN.finditer(piece):
                yield from self._joined(_WORD.findall(chain[0]))

    def _phrases(self, words: list[str]) -> Iterator[str]:
        for start, phrase in enumerate(words):
            end = start + 1
            while phrase in self._starts and end < len(words):
                phrase, end = f"{phrase} {words[end]}", end + 1
                if phrase in self._kinds:
                    yield phrase

    def _joined(self, words: list[str]) -> Iterator[str]:
        for first in range(len(words)):
            key = ""
            for word in words[first : first + _MOST_PARTS]:
                key += word
                if key in self._kinds and (key == word or _weight(key) >= LONG):
                    yield key


def split_words(text: str) -> list[str]:
    """The words of a text as they are compared: in lower case and without accents."""
    return _WORD.findall(_fold(text))


def _fold(text: str) -> str:
    return text.lower() if text.isascii() else _MARKS.sub("", unicodedata.normalize("NFKD", text.casefold()))


def _weight(key: str) -> int:
    """Bytes without blanks: a Chinese character is worth three letters."""
    return len(key.replace(" ", "").encode(errors="replace"))


def _is_bare(key: str) -> bool:
    return key.isdigit() and len(key) < LONG
