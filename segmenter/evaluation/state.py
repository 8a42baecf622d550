"""What an evaluation depends on, and the summary that it writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.contract import DATASET_JSON, AnnotatorEntry, Dropped, RegionCounts
from pipeline.files import read_object, sha256
from segmenter.configuration import Configuration
from segmenter.configuration.objectives import loss_parameters
from segmenter.data.dataset import DataSet

SCHEMA = 4  # of the tables; an evaluation of another schema is repeated


Number = int | float | None


@dataclass(frozen=True)
class _Summary:
    """The values of a summary that this program reads; one of an earlier version lacks `metrics`, and then others too."""

    identity: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Number] = field(default_factory=dict)
    patients: int = 0
    patients_in_train: int | None = None
    trained_on_too: list[str] | None = None
    size_cuts_px: list[Number] | None = None
    tolerance_px: Number = None
    class_names: list[str] = field(default_factory=list)
    threshold: Number = None
    with_partner: int | None = None
    scored: dict[str, Any] = field(default_factory=dict)  # of masks of another program, how they were read


@dataclass(frozen=True)
class _Description:
    manifest_sha256: str = ""
    phantom: bool = False
    title: str = ""
    keyed: bool = False
    named: int = 0
    regions: RegionCounts | None = None
    annotators: list[AnnotatorEntry] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    licence: str = ""
    citations: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Finding:
    code: str
    count: int
    meaning: str = ""


@dataclass(frozen=True)
class _Audit:
    findings: list[_Finding]
    manifest_sha256: str = ""


@dataclass(frozen=True)
class _Choice:
    identity: dict[str, Any]
    threshold: float
    dice: float


_SHAPES = {
    "summary.json": _Summary,
    "threshold.json": _Choice,
    "threshold_single.json": _Choice,
    "audit.json": _Audit,
    DATASET_JSON: _Description,
}


def evaluation_identity(
    model_file: Path, data: DataSet, configuration: Configuration, split: str, *, single: bool = False
) -> dict[str, object]:
    """What an evaluation depends on; where it is unchanged there is nothing to do.

    Args:
      single: whether the other image of each view is withheld.
    """
    model, infer = configuration.model, configuration.infer
    return {
        "schema": SCHEMA,
        "model_sha256": sha256(model_file),
        "data_identity": data.identity,
        "split": split,
        "loss": model.model_dump(mode="json", include={"loss", *loss_parameters()}),
        "metrics": list(model.metrics),
        "class_names": list(configuration.class_names),
        "mask": configuration.mask.model_dump(mode="json"),
        "eval": configuration.eval.model_dump(mode="json"),
        "infer": infer.model_dump(mode="json", exclude={"batch_size", "masks_only", "mask_colorize"}),
    } | ({"partner": not single} if configuration.dataset.partner else {})


def read_summary(folder: Path) -> dict:
    """The summary.json of an evaluation's folder; empty where there is none."""
    return read_record(folder / "summary.json")


def describe_leak(summary: Mapping[str, Any], split: str) -> str:
    """A warning where a model was tested on patients that it was trained on, or where that is unknown; else empty."""
    leaked, patients = summary.get("patients_in_train"), summary.get("patients")
    if split == "train" or leaked == 0:
        return ""
    if leaked is None:
        return "patients that the model was trained on, or those of these images, are not known: these metrics may be inflated"
    return (
        f"{leaked} of {patients} patients of {split} were trained on: these metrics are inflated, and say little about new "
        "patients"
    )


def read_record(path: Path) -> dict:
    """A JSON file's object; empty where the file is missing or broken, or holds values of other types than are read from it."""
    return read_object(path, _SHAPES.get(path.name))
