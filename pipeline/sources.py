"""Reads one source image: JPEG, PNG, TIFF, or a single-frame mammogram in DICOM. Knows no recipe and no region.

DICOM files are recognised by their mark, whatever their name; `pipeline.dicom` reads them.
"""

import io
import math
import os
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import PIL.Image

from pipeline.contract import DATASET_MARK, IMAGE_SUFFIXES, MOST_PIXELS, SourceError
from pipeline.dicom.options import DicomOptions
from pipeline.dicom.parsing import check, guarded, has_mark, parse
from pipeline.dicom.tags import Tags

# A folder that holds one of these, or a DATASET_MARK, was written by this program: a phantom, or a data set.
PHANTOM_MARK = "PHANTOM.txt"
UNFINISHED_PHANTOM_MARK = ".phantom-part"

DEFAULT_DICOM = DicomOptions()
_DICOM_INDEX = "DICOMDIR"


@dataclass(frozen=True)
class Header:
    """The properties of an image that are known before its pixels are decoded; `tags` is None unless it is DICOM."""

    width: int
    height: int
    spacing_mm: float | None = None
    tags: Tags | None = None


def find_files(root: Path, suffixes: Collection[str], *, dicom: bool = False) -> list[Path]:
    """Finds files below a folder by suffix (any case), sorted; skips hidden folders, phantoms and data sets below it.

    Args:
      root: the folder, which itself may be a phantom.
      suffixes: in lower case, with the dot.
      dicom: find DICOM files too, by their mark and whatever their name, except for the index of a medium, DICOMDIR.
    """
    return sorted(path for path in _walk(root) if path.suffix.lower() in suffixes or (dicom and has_dicom_mark(path)))


def stem_of(path: Path) -> str:
    """A file's name without the suffix of an image; names of DICOM files are often numbers with points."""
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name


def has_dicom_mark(path: Path) -> bool:
    """Whether a file has the mark of DICOM; False for the index of a medium, DICOMDIR, which holds no image."""
    if path.name.upper() == _DICOM_INDEX:
        return False
    try:
        with path.open("rb") as file:
            return has_mark(file.read(132))
    except OSError:
        return False


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        if {PHANTOM_MARK, UNFINISHED_PHANTOM_MARK, DATASET_MARK} & set(names) and Path(folder) != root:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith((".", "~$")))


def read_header(path: Path, data: bytes | None = None, dicom: DicomOptions = DEFAULT_DICOM) -> Header:
    """Reads size and, for DICOM, identity, without decoding pixels.

    Args:
      path: the file.
      data: its bytes if the caller has read them already.
      dicom: how DICOM is read.

    Raises:
      SourceError: `file-empty`, `file-truncated`, `file-unreadable`, `not-an-image`, `multi-frame`, `too-large`, or
        for DICOM one of those that `pipeline.dicom.parsing` lists.
    """
    data = read_bytes(path) if data is None else data
    if path.suffix.lower() == ".dcm" or has_mark(data):
        return _dicom_header(data, dicom)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(io.BytesIO(data)) as image:
                frames, (width, height) = getattr(image, "n_frames", 1), image.size
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        raise SourceError("too-large", f"{error}; a mammogram has under {MOST_PIXELS // 10**6} million pixels") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise SourceError(
            "not-an-image", f"starts with {data[:8]!r}, which is not JPEG, PNG or TIFF; is it another type of file?"
        ) from error
    if frames > 1:
        raise SourceError("multi-frame", f"holds {frames} frames; save the one to use as a separate image")
    return Header(width, height)


def read_image(
    path: Path, data: bytes | None = None, dicom: DicomOptions = DEFAULT_DICOM, *, bits: Literal[8, 16] = 8
) -> np.ndarray:
    """Reads the pixels of one image as gray.

    Args:
      path: the file.
      data: its bytes if the caller has read them already.
      dicom: how DICOM is read.
      bits: of a gray level in the result.

    Returns:
      (height, width) uint8, or uint16 with 16 bits: black is 0 and white 255 or 65535, whatever the file's depth. Color
      becomes luma; an EXIF orientation is not applied, because regions are in stored pixels.

    Raises:
      SourceError: as `read_header`, and `pixels-unreadable`.
    """
    data = read_bytes(path) if data is None else data
    if path.suffix.lower() == ".dcm" or has_mark(data):
        return _dicom_pixels(data, dicom, bits)
    image = _decode(path, data)
    if bits == 16:
        return image if image.dtype == np.uint16 else image.astype(np.uint16) * 257
    return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8) if image.dtype == np.uint16 else image


def _decode(path: Path, data: bytes) -> np.ndarray:
    """(height, width) uint8 or uint16, as the file holds it."""
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise SourceError("pixels-unreadable", f"cannot be decoded ({error.err}); download it again") from error
    if image is None:
        read_header(path, data)  # raises a more precise error if the header is at fault
        raise SourceError("pixels-unreadable", "cannot be decoded, though its header is valid; download it again")
    if image.dtype not in (np.uint8, np.uint16):
        raise SourceError("pixels-unreadable", f"holds {image.dtype} pixels; expected unsigned 8 or 16 bits")
    return image


def read_bytes(path: Path) -> bytes:
    """Reads a file's bytes, if it is complete.

    Decoders fill the missing end of a truncated file with gray and only print a warning, so the end marks are checked here.

    Raises:
      SourceError: `file-unreadable`, `file-empty`, `file-truncated`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError("file-unreadable", f"cannot be read: {error.strerror}") from error
    if not data:
        raise SourceError("file-empty", "has 0 bytes; download it again")
    ends = {b"\xff\xd8": (b"\xff\xd9", "JPEG"), b"\x89P": (b"IEND", "PNG")}
    mark, file_format = ends.get(data[:2], (b"", ""))
    # Within JPEG's coded data an FF is never followed by D9, so an earlier end mark would be a thumbnail's.
    if mark and mark not in data[-65536:]:
        raise SourceError("file-truncated", f"is a {file_format} of {len(data)} bytes without its end mark; download it again")
    return data


def _dicom_header(data: bytes, options: DicomOptions) -> Header:
    from pipeline.dicom.tag_rules import read_tags

    dataset = parse(data)
    check(dataset, options)
    with guarded("not-an-image", "has tags that cannot be read"):
        # ImagerPixelSpacing is measured at the detector, PixelSpacing in the breast if calibrated (PS3.3 10.7.1.3).
        spacing = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing") or [0]
        spacing_mm = float(spacing[0])
        is_known = math.isfinite(spacing_mm) and spacing_mm > 0
        tags = read_tags(dataset, options)
        return Header(int(dataset.Columns), int(dataset.Rows), spacing_mm if is_known else None, tags)


def _dicom_pixels(data: bytes, options: DicomOptions, bits: int) -> np.ndarray:
    from pipeline.dicom.pixels import read_gray

    dataset = parse(data)
    check(dataset, options)
    gray = read_gray(dataset, options)
    return np.rint(gray * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
