"""By whom and when the regions of an annotation file were drawn or corrected, where the file states it."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from pipeline.annotations.format import AnnotationFile
from pipeline.contract import AnnotatorEntry

_MOST_NAMES = 10


def find_provenance(file: AnnotationFile) -> AnnotatorEntry | None:
    """Finds annotator and date in a JSON file: COCO's `info.contributor` and `info.date_created`, VIA's attributes of files.

    Returns:
      None where the file states neither.
    """
    if file.suffix != ".json" or not isinstance(file.content, Mapping):
        return None
    stated = list(_attributes(file.content))
    names = dict.fromkeys(name for name, _ in stated if name)
    dates = [date for _, date in stated if date]
    if not names and not dates:
        return None
    annotator = "; ".join(list(names)[:_MOST_NAMES])
    return AnnotatorEntry(file.path.name, sha256(file.path.read_bytes()).hexdigest(), annotator, max(dates, default=""))


def _attributes(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields annotator and date of the whole file and of each image; empty where they are not stated."""
    if isinstance(info := content.get("info"), Mapping):
        yield _text(info.get("contributor")), _text(info.get("date_created"))
    entries = content.get("_via_img_metadata", content)
    for entry in entries.values() if isinstance(entries, Mapping) else ():
        attributes = entry.get("file_attributes") if isinstance(entry, Mapping) else None
        if isinstance(attributes, Mapping):
            yield _text(attributes.get("annotator")), _text(attributes.get("date"))


def _text(value: object) -> str:
    """A stated text in one line, cut where it is long; empty for anything else."""
    return " ".join(value.split())[:100] if isinstance(value, str) else ""
