"""Reads a mask, or the probabilities of a lesion, from one file of another program, on the data set's grid."""

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.contract import MaskError, SourceError
from pipeline.files import InputError, read_regular, refuse_zip_bomb, require
from pipeline.geometry import Letterbox, area_average, place
from pipeline.sources import decode_values, open_segmentation, read_mask, segment_frames
from segmenter.crashes import named
from segmenter.data.dataset import Sample
from segmenter.scoring.files import ARRAYS


def read_mask_of(path: Path, classes: int, names: Sequence[str] = ()) -> np.ndarray:
    """Reads a mask file of any kind.

    Args:
      classes: how many there are, including the background; 1 separates lesion from background.
      names: of the lesion classes 1, 2, ..., or where all lesions are one class, all names of it; the segments of a DICOM SEG
        may not have names of other classes.

    Returns:
      (height, width) uint8: 0 is background, 1 is lesion, or 1, 2, ... are the lesion classes.

    Raises:
      InputError: it cannot be read, or holds other values.
    """
    try:
        if path.suffix.lower() == ".dcm":
            return _read_segments(path, classes, names)
        return named(path, lambda: read_mask(read_regular(path), classes))
    except (OSError, SourceError, MaskError) as error:
        raise InputError(f"{path}: {error}") from error


def read_probabilities(path: Path, classes: int = 1, names: Sequence[str] = ()) -> tuple[np.ndarray, str]:
    """Reads the probabilities of any lesion.

    Args:
      classes, names: as `read_mask_of` takes them.

    Returns:
      (height, width) float32, 0 to 1, and how exactly the file holds them.

    Raises:
      InputError: it cannot be read, is colored, or holds values outside of 0 to 1.
    """
    try:
        if path.suffix.lower() == ".dcm":
            return _read_fractions(path, classes, names)
        if path.suffix.lower() in ARRAYS:
            return _read_array(path)
        values, lossy = named(path, lambda: decode_values(read_regular(path)))
    except (OSError, SourceError, MaskError) as error:
        raise InputError(f"{path}: {error}") from error
    if values.ndim > 2 or lossy or values.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"{path}: is not a gray image of 8 or 16 bits; write probabilities as 16-bit PNG, 65535 for 1, or as .npy"
        )
    full = np.iinfo(values.dtype).max
    return values.astype(np.float32) / np.float32(full), f"{8 * values.itemsize} bits"


def _read_array(path: Path) -> tuple[np.ndarray, str]:
    """A .npy of (height, width), or nnU-Net's .npz of (classes, 1, height, width), of which the first is the background."""
    data = read_regular(path)
    refuse_zip_bomb(path, "write the probabilities again")
    try:
        content = np.load(io.BytesIO(data), allow_pickle=False)
        values = content["probabilities"] if isinstance(content, np.lib.npyio.NpzFile) else content
    except (ValueError, KeyError, EOFError, OSError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path}: is not an array of probabilities ({error}); expected .npy, or .npz as nnU-Net writes it"
        ) from error
    precision = str(values.dtype)
    if path.suffix.lower() == ".npz" and values.ndim == 4 and values.shape[0] > 1 and values.shape[1] == 1:
        values = 1 - values[0, 0].astype(np.float32)
    if values.ndim != 2 or values.dtype.kind != "f":
        raise InputError(f"{path}: holds {values.dtype} of shape {values.shape}; expected floats of (height, width)")
    # Float sums of several classes may end an ulp outside.
    if not (values.min(initial=0) >= -1e-6 and values.max(initial=0) <= 1 + 1e-6):
        raise InputError(f"{path}: holds values from {values.min():g} to {values.max():g}; expected probabilities, 0 to 1")
    return values.astype(np.float32), precision


def _read_segments(path: Path, classes: int, names: Sequence[str]) -> np.ndarray:
    """The segments of a DICOM SEG: of one class all of them together, else the segment's number is its class."""
    require("highdicom", f"to read the DICOM segmentation {path}", "dicom")
    with open_segmentation(path) as seg:
        _check_segments(path, seg, classes, names)
        mask = np.zeros((seg.Rows, seg.Columns), np.uint8)
        for segment, frame, full in segment_frames(seg):
            mask[frame >= full / 2] = segment if classes > 1 else 1
    return mask


def _check_segments(path: Path, seg: Any, classes: int, names: Sequence[str]) -> None:
    """Refuses segments that are no lesion, or another one than their number says, as far as their labels, free text, show."""
    labels = {number: str(seg.get_segment_description(number).segment_label).strip() for number in seg.segment_numbers}
    folded = [name.casefold() for name in names]
    strange = {number: label for number, label in labels.items() if label.casefold() not in folded}
    if classes == 1 and 0 < len(strange) < len(labels):
        lesions = ", ".join(label for number, label in labels.items() if number not in strange)
        raise InputError(
            f"{path}: has the segments {lesions} and {', '.join(strange.values())}; expected {' or '.join(names)} only; "
            "export it without the others, or rename them"
        )
    for number, label in labels.items() if classes > 1 else ():
        if number >= classes:
            raise InputError(f"{path}: has a segment {number}; expected the lesion classes 1 to {classes - 1}")
        if number not in strange and folded.index(label.casefold()) + 1 != number:
            numbers = ", ".join(f"{number} {name}" for number, name in enumerate(names, 1))
            raise InputError(f"{path}: calls its segment {number} {label}; expected segments numbered {numbers}")


def _read_fractions(path: Path, classes: int, names: Sequence[str]) -> tuple[np.ndarray, str]:
    require("highdicom", f"to read the DICOM segmentation {path}", "dicom")
    with open_segmentation(path) as seg:
        _check_segments(path, seg, classes, names)
        likely, full = np.zeros((seg.Rows, seg.Columns), np.float32), 1
        for _, frame, full in segment_frames(seg):
            likely += frame / np.float32(full)
    return np.minimum(likely, 1), f"{full} steps"


def to_grid(values: np.ndarray, sample: Sample, side: int, origin: str, classes: int | None) -> np.ndarray:
    """Brings a mask or probabilities to the data set's grid, by the letterbox that the sample's own mask went through.

    Args:
      values: (height, width), of the data set's grid, or for an original of the size of its source image.
      side: of the data set's grid.
      origin: the file, for an error.
      classes: of a mask, of which a pixel is lesion where at least half of its area is; None averages probabilities.

    Raises:
      InputError: it has another size.
    """
    height, width = values.shape
    if (height, width) == (side, side):
        return values
    source = sample.source_size if sample.is_original else None  # a turned sample has no source image of its own
    if (width, height) != source:
        known = f", or the {source[0]} x {source[1]} of its source image" if source else ""
        raise InputError(f"{origin}: has {width} x {height} pixels; expected the {side} x {side} of {sample.name}{known}")
    box = Letterbox(width, height, side)
    if classes is None:
        averages, left, top = area_average(values, box)
        return place(averages.astype(np.float32), left, top, side)
    shares = [area_average((values == index).astype(np.uint8), box) for index in range(1, max(2, classes))]
    lesion = np.stack([place(averages, left, top, side) for averages, left, top in shares])
    return np.where(lesion.sum(axis=0) >= 0.5, lesion.argmax(axis=0) + 1, 0).astype(np.uint8)
