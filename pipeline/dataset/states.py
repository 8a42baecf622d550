"""The state files of a data set's folder, and the types of what is read from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipeline.contract import AnnotatorEntry, AuditFile
from pipeline.files import read_object


@dataclass(frozen=True)
class _Summary:
    files: int
    rows: int
    annotated: int
    regions: int
    named: int
    kept: int
    patients: int
    left_out: dict[str, int]
    rejected: dict[str, int]
    sizes_compared: int
    sizes_differ: int
    label_pairs_differ: list[str]
    annotation_files: list[str]
    dicom: int
    text_unknown: int
    text_unknown_first: list[str]
    annotators: Sequence[AnnotatorEntry] = ()  # an earlier version did not look for them


@dataclass(frozen=True)
class _Index:
    seen: str
    raw: str
    keyed: bool
    summary: _Summary
    times: dict[str, int | None]
    annotations: str = ""  # an earlier version had neither
    statement: dict[Literal["annotator", "date"], str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Stats:
    manifest_sha256: str
    pictures: list[str]


_SHAPES = {"index.json": _Index, "stats.json": _Stats, "audit.json": AuditFile}


def load_state(path: Path) -> dict[str, Any]:
    """Reads a state file; empty where it is broken, or does not hold values of the types that its readers expect."""
    return read_object(path, _SHAPES.get(path.name))
