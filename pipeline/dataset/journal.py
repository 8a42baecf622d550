"""The journal: what has been made of each source image, one line of JSON per image, written as the work goes on.

An interrupted run resumes from it: it holds enough to recognise an unchanged file, mostly without reading it.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from pipeline.files import FileMemory, InputError, PathsBelow, append, parse_json, write_text

COUNT_NAMES = frozenset({"drawn", "ignored", "clipped", "vanished", "lesion_px"})


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file that was written: its path relative to the data set's folder, and the values that it is recognised by."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


class Entry:
    """What has been made of one source image, as a line of a journal."""

    __slots__ = ()
    image_id: str

    @property
    def stamps(self) -> list[Stamp]:
        """All files that it names."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Returns the entry as one line of JSON."""
        return json.dumps(self, default=_fields, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Reads what `to_json` wrote.

        Raises:
          InputError: the line is not a whole entry.
        """
        return parse_json(line, cls, "the journal", "run the same command again")


@dataclass(frozen=True, slots=True)
class JournalEntry(Entry):
    """What has been made of one source image: its samples.

    Attributes:
      image_id: the image.
      key: digest of all that determines its pixels; another key means that it must be made again. For a reject it includes
        the source's modification time, so that a repaired file is tried again.
      reject: reason and message, where its pixels could not be read.
      counts: `drawn`, `ignored`, `clipped`, `vanished` regions and `lesion_px`.
      square: the square image and mask between the stages masks and variants.
      samples: by variant, the files `image`, `mask` and, with class indices, `mask_color`.
      band_share: the share of the original mask's lesion in long thin bands; None from a version that did not record it.
    """

    image_id: str
    key: str
    reject: tuple[str, str] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    square: Mapping[str, Stamp] = field(default_factory=dict)
    samples: Mapping[str, Mapping[str, Stamp]] = field(default_factory=dict)
    band_share: float | None = None

    @property
    def stamps(self) -> list[Stamp]:
        """All files that it names."""
        return [*self.square.values(), *(stamp for files in self.samples.values() for stamp in files.values())]


@dataclass(frozen=True, slots=True)
class PartnerEntry(Entry):
    """What has been made of the partner of one source image.

    Attributes:
      image_id: the image.
      key: digest of all that determines the partner's pixels. For a fault it includes the modification time of the partner's
        source, so that a repaired file is tried again.
      status: as in partners.csv.
      dx_px, dy_px, agreement: as `pipeline.geometry.Registration` has them.
      files: the partner by variant.
    """

    image_id: str
    key: str
    status: str
    dx_px: int = 0
    dy_px: int = 0
    agreement: float = 0.0
    files: Mapping[str, Stamp] = field(default_factory=dict)

    @property
    def stamps(self) -> list[Stamp]:
        """All files that it names."""
        return [*self.files.values()]


def _fields(value: Any) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__slots__}


AnyEntry = TypeVar("AnyEntry", bound=Entry)


class Journal(Generic[AnyEntry]):
    """A journal of one data set; it is read once unless somebody else writes it.

    Args:
      path: its file, which need not exist yet.
      entry: the class of its entries.
    """

    def __init__(self, path: Path, entry: type[AnyEntry]):
        self.path, self._entry = path, entry
        self._memory = FileMemory()

    def read(self) -> dict[str, AnyEntry]:
        """Reads the entries by image; a later line replaces an earlier one, and a line that was cut off is skipped.

        Raises:
          InputError: it names a file outside of the data set's folder.
        """
        return dict(self._read()[0])

    def _read(self) -> tuple[dict[str, AnyEntry], int]:
        return self._memory.read(self.path, self._read_entries) if self.path.exists() else ({}, 0)

    def write(self, entries: Iterable[AnyEntry]) -> None:
        """Writes these entries, one line per image; a file that holds them already is left alone."""
        entries = list(entries)
        current, lines = self._read()
        if lines == len(entries) and list(current.values()) == entries:
            return
        write_text(self.path, "".join(entry.to_json() + "\n" for entry in entries))
        self._memory.keep(self.path, self._read_entries, ({entry.image_id: entry for entry in entries}, len(entries)))

    @contextmanager
    def appending(self) -> Iterator[Callable[[AnyEntry], None]]:
        """Opens the file and gives a function that adds an entry; it is in the file before the next image is begun."""
        entries, lines = self._read()
        added: list[AnyEntry] = []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b", buffering=0) as file:
            if file.seek(0, os.SEEK_END) and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
                append(file, b"\n")  # an interrupted run left half a line

            def add(entry: AnyEntry) -> None:
                append(file, entry.to_json().encode() + b"\n")
                added.append(entry)

            yield add
            os.fsync(file.fileno())  # the next stage builds on it
        added_by_image = {entry.image_id: entry for entry in added}
        self._memory.keep(self.path, self._read_entries, (entries | added_by_image, lines + len(added)))

    def _read_entries(self, path: Path) -> tuple[dict[str, AnyEntry], int]:
        """Reads the entries of a journal's file, and its number of lines."""
        entries, below = {}, PathsBelow(path.parents[1])
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, 1):
            try:
                entry = self._entry.from_json(line)
            except InputError:
                continue
            for stamp in entry.stamps:
                below.check(stamp.path, f"{path}: line {number}")
            entries[entry.image_id] = entry
        return entries, len(lines)
