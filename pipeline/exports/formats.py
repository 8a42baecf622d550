"""The formats and their options; a format's module, and what it stands on, is loaded when the format is first written."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.exports.format import ExportFormat, Option
from pipeline.files import positive


def _of(module: str, name: str = "write") -> Callable[..., Any]:
    """A function of a format's module, which is loaded when the function is called."""

    def call(*args: Any, **options: Any) -> Any:
        return getattr(importlib.import_module(f"pipeline.exports.{module}"), name)(*args, **options)

    return call


# Ground truth and predictions can be in `exports/` together, because their folders have different names.
_PREDICTIONS = (
    Option("predictions", "write these masks of `cesm-segmenter infer`", argument={"type": Path, "metavar": "DIR"}),
    Option("images", "the images that --predictions belong to", argument={"type": Path, "metavar": "DIR"}),
)
_FORMATS = (
    ExportFormat(
        "coco",
        _of("coco"),
        (Option("shape", "rle is exact, polygon fills holes", "rle", {"choices": ("rle", "polygon")}), *_PREDICTIONS),
        _of("coco", "identify"),
        lambda options: "coco-predictions" if options["predictions"] else "coco",
    ),
    ExportFormat(
        "croissant",
        _of("croissant"),
        (
            Option("url", "the web page of the data set", argument={"metavar": "URL"}),
            Option("creator", "who made it, separated by semicolons", argument={"metavar": "NAMES"}),
            Option("published", "the day on which it is published", argument={"metavar": "YYYY-MM-DD"}),
        ),
        _of("croissant", "identify"),
        takes_partners=True,
    ),
    ExportFormat("hf", _of("hf")),
    ExportFormat(
        "nnunet",
        _of("nnunet"),
        (Option("dataset_id", "nnU-Net's number of the data set", 501, {"type": int, "metavar": "N"}),),
        takes_partners=True,
    ),
    ExportFormat("tfrecord", _of("tfrecord"), (Option("records", "samples per shard", 512, {"type": positive, "metavar": "N"}),)),
    ExportFormat(
        "via",
        _of("via"),
        _PREDICTIONS,
        _of("via", "identify"),
        lambda options: "via-predictions" if options["predictions"] else "via",
    ),
)
FORMATS: dict[str, ExportFormat] = {export_format.name: export_format for export_format in _FORMATS}


def formats_with(option: str) -> list[str]:
    """Lists the names of the formats that have an option."""
    return [name for name, export_format in FORMATS.items() if any(other.name == option for other in export_format.options)]
