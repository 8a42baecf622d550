"""The files that an inference writes: a mask, probabilities and an overlay per image, DICOM SEG, and a mark.

The mark, inference.json, records what the folder was made from. It names the images whose outputs must be removed before
another inference writes there.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import pydantic

from pipeline.contract import PARTNERS, MaskError
from pipeline.files import InputError, path_below, read_object, read_regular, sync, write_bytes, write_text
from pipeline.sources import read_mask
from segmenter.captions import Color, draw_legend, legend
from segmenter.crashes import named
from segmenter.inference import dicom_seg
from segmenter.inference.lesion_table import remove_tables
from segmenter.pictures import colorize, draw_overlay, merge, write_png

MARK = "inference.json"
OUTPUTS = (
    *(f"{folder}/{{}}.png" for folder in ("masks", "probabilities", "overlays", "colorized", "merged")),
    *(f"segmentations/{{}}_{kind}.dcm" for kind in dicom_seg.KINDS),
)


@dataclass(frozen=True)
class _Result:
    skipped: list[str]
    lesions: int
    without_seg: list[str]
    with_partner: int | None = None
    inverted: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Report:
    skipped: list[str]
    findings: int
    without_seg: list[str]


@dataclass(frozen=True)
class _Identity:
    images: list[Annotated[list[Any], pydantic.Field(min_length=1)]]


@dataclass(frozen=True)
class _Mark:
    identity: _Identity
    result: _Result | None = None
    report: _Report | None = None


@dataclass(frozen=True)
class Prediction:
    """One predicted image.

    Attributes:
      gray: (height, width) uint8, the image.
      probabilities: (height, width, classes) float32; with several classes the first is the background.
      mask: (height, width) uint8: 0 is background, 1, 2, ... are the lesion classes.
    """

    gray: np.ndarray
    probabilities: np.ndarray
    mask: np.ndarray


def read_mark(output: Path) -> dict[str, Any]:
    """The mark of an earlier inference; empty where there is none that can be read."""
    return read_object(output / MARK, _Mark)


def write_mark(output: Path, identity: dict[str, object], result: dict[str, object] | None = None) -> None:
    """Writes the mark; without a result the inference counts as unfinished."""
    if result is not None:
        sync()
    mark = {"identity": identity} if result is None else {"identity": identity, "result": result}
    write_text(output / MARK, json.dumps(mark, indent=1) + "\n")


def clear_outputs(output: Path) -> None:
    """Removes the files that an earlier inference wrote, and nothing else.

    Raises:
      InputError: its mark names files outside of the folder; nothing is removed then.
    """
    names = [image[0] for image in read_mark(output).get("identity", {}).get("images", [])]
    where = str(output / MARK)
    for name in names:
        path_below(output, name, where)
    for path in [path_below(output, pattern.format(name), where) for name in names for pattern in OUTPUTS]:
        path.unlink(missing_ok=True)
    remove_tables(output)
    (output / PARTNERS).unlink(missing_ok=True)
    (output / MARK).unlink(missing_ok=True)


def write_pictures(
    output: Path,
    name: str,
    prediction: Prediction,
    ground_truth: Path | None,
    colors: Sequence[Color],
    class_names: Sequence[str],
    *,
    colored: bool,
    masks_only: bool = False,
) -> None:
    """Writes the PNGs of one image, all at its own size.

    Args:
      name: the stem of the files.
      ground_truth: the image's mask file, where there is one.
      colors, class_names: the colors and names of the lesion classes.
      colored: whether to write the mask in these colors, too, alone and merged with the image.
      masks_only: whether to write the mask and nothing else.

    Raises:
      InputError: the mask file cannot be read.
    """
    mask, probabilities = prediction.mask, prediction.probabilities
    several = probabilities.shape[-1] > 1
    write_png(output / "masks" / f"{name}.png", *((mask,) if several else (mask * 255, cv2.IMWRITE_PNG_BILEVEL, 1)))
    if masks_only:
        return
    lesion = 1 - probabilities[..., 0] if several else probabilities[..., 0]
    levels = np.rint(lesion * np.float32(65535)).astype(np.uint16)
    overlay = draw_overlay(prediction.gray, mask, _read_ground_truth(ground_truth) if ground_truth else None, colors)
    write_png(output / "probabilities" / f"{name}.png", levels)
    entries = legend(colors, class_names)
    write_png(output / "overlays" / f"{name}.png", draw_legend(overlay, entries if ground_truth else entries[1:]))
    if colored:
        write_png(output / "colorized" / f"{name}.png", colorize(mask, colors))
        write_png(output / "merged" / f"{name}.png", merge(prediction.gray, mask, colors))


def _read_ground_truth(file: Path) -> np.ndarray:
    try:
        return named(file, lambda: read_mask(read_regular(file), classes=None))
    except (OSError, MaskError) as error:
        raise InputError(f"{file}: {error}") from error


def write_segmentations(
    output: Path,
    name: str,
    source: Path,
    prediction: Prediction,
    class_names: Sequence[str],
    algorithm: dicom_seg.Algorithm,
) -> None:
    """Writes the DICOM SEGs of one image.

    Args:
      source: the DICOM file that was predicted.

    Raises:
      dicom_seg.SegmentationError: the header of `source` cannot carry a SEG.
    """
    files = dicom_seg.segmentations(source, prediction.mask, prediction.probabilities, class_names, algorithm)
    for kind, data in files.items():
        path = output / "segmentations" / f"{name}_{kind}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(str(path), data)
