"""What an evaluation depends on, and the summary that it writes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.files import sha256
from segmenter.configuration import Configuration
from segmenter.configuration.objectives import loss_parameters
from segmenter.data.dataset import DataSet

SCHEMA = 4  # of the tables; an evaluation of another schema is repeated


def evaluation_identity(model_file: Path, data: DataSet, configuration: Configuration, split: str) -> dict[str, object]:
    """What an evaluation depends on; where it is unchanged there is nothing to do."""
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
        "infer": infer.model_dump(mode="json", exclude={"batch_size", "mask_colorize"}),
    }


def read_summary(folder: Path) -> dict:
    """The summary.json of an evaluation's folder; empty where there is none."""
    return read_json(folder / "summary.json")


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


def read_json(path: Path) -> dict:
    """A JSON file's object; empty where the file is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
