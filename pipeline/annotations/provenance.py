"""By whom and when the regions of annotation files were drawn or corrected: as the files state, or else as the user does."""

import datetime
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.annotations.format import AnnotationFile
from pipeline.contract import AnnotatorEntry
from pipeline.files import InputError, parse_json, sha256

_MOST_NAMES = 10
_OF_IMAGE = "file_attributes"  # in files of VIA


@dataclass(frozen=True)
class Statement:
    """By whom and when regions were drawn or corrected, as the user states for files that do not; empty where not stated."""

    annotator: str = ""
    date: str = ""


def make_statement(annotator: str | None, date: str | None) -> Statement | None:
    """The statement of two options; None where neither is given. An empty text states nothing.

    Raises:
      InputError: the date is not one.

    Example:
      >>> make_statement("R.  Reader", "2026-11-20")
      Statement(annotator='R. Reader', date='2026-11-20')
    """
    if annotator is None and date is None:
        return None
    try:
        return Statement(_text(annotator), datetime.date.fromisoformat(date).isoformat() if date else "")
    except ValueError:
        raise InputError(f"--annotated {date!r}: expected a date such as 2026-11-20") from None


def collect_provenance(files: Sequence[AnnotationFile], statement: Statement) -> list[AnnotatorEntry]:
    """Finds annotator and date of files of regions; files that state neither share one entry, with what the user states.

    Args:
      files: that hold regions.
      statement: fills what a file does not state.

    Raises:
      InputError: the user states what all files state themselves.
    """
    found = [(file.path, find_provenance(file)) for file in files]
    entries = [entry for _, entry in found if entry]
    silent = [path for path, entry in found if not entry]
    for option, given, own in (
        ("--annotator", statement.annotator, [entry.annotator for entry in entries]),
        ("--annotated", statement.date, [entry.date for entry in entries]),
    ):
        if given and all(own) and not silent:
            raise InputError(f"{option} {given}: the files of regions state it themselves ({', '.join(own)}); leave it out")
    entries = [
        replace(entry, annotator=entry.annotator or statement.annotator, date=entry.date or statement.date) for entry in entries
    ]
    return entries + ([_enter(silent, statement)] if silent and statement != Statement() else [])


def _enter(paths: Sequence[Path], statement: Statement) -> AnnotatorEntry:
    if len(paths) == 1:
        return AnnotatorEntry(paths[0].name, sha256(paths[0]), statement.annotator, statement.date)
    listing = "".join(f"{path.name} {sha256(path)}\n" for path in paths)
    name, digest = f"{paths[0].name} and {len(paths) - 1} more", hashlib.sha256(listing.encode()).hexdigest()
    return AnnotatorEntry(name, digest, statement.annotator, statement.date)


def find_provenance(file: AnnotationFile) -> AnnotatorEntry | None:
    """Finds what a file states: COCO's `info.contributor` and `info.date_created`, VIA's attributes of files (JSON and CSV).

    Returns:
      None where the file states neither.
    """
    stated = list(_stated(file))
    names = dict.fromkeys(name for name, _ in stated if name)
    dates = [date for _, date in stated if date]
    if not names and not dates:
        return None
    annotator = "; ".join(list(names)[:_MOST_NAMES])
    return AnnotatorEntry(file.path.name, sha256(file.path), annotator, max(dates, default=""))


def _stated(file: AnnotationFile) -> Iterator[tuple[str, str]]:
    """Yields annotator and date of the whole file and of each image; empty where they are not stated."""
    if file.suffix == ".csv":
        yield from map(_of_image, _cells(file))
    elif file.suffix == ".json" and isinstance(file.content, Mapping):
        if isinstance(info := file.content.get("info"), Mapping):
            yield _text(info.get("contributor")), _text(info.get("date_created"))
        entries = file.content.get("_via_img_metadata", file.content)
        for entry in entries.values() if isinstance(entries, Mapping) else ():
            yield _of_image(entry.get(_OF_IMAGE) if isinstance(entry, Mapping) else None)


def _cells(file: AnnotationFile) -> Iterator[object]:
    """Yields the attributes of files in VIA's CSV, each text once; broken ones are reported with their region."""
    table = file.find_table(lambda table: table.column(_OF_IMAGE) is not None)
    column = table.column(_OF_IMAGE) if table else None
    if table is None or column is None:
        return
    for text in dict.fromkeys(row[column] for _, row in table.rows if len(row) > column):
        try:
            yield parse_json(text or "{}", object, _OF_IMAGE, "")
        except InputError:
            continue


def _of_image(attributes: Any) -> tuple[str, str]:
    if not isinstance(attributes, Mapping):
        return "", ""
    return _text(attributes.get("annotator")), _text(attributes.get("date"))


def _text(value: object) -> str:
    """A text in one line, cut where it is long; empty for anything else."""
    return " ".join(value.split())[:100] if isinstance(value, str) else ""
