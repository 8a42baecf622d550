"""Header and pixels of one image, whatever its format."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.contract import SourceError
from pipeline.dicom.options import DicomOptions
from pipeline.dicom.tags import Tags
from pipeline.files import open_regular
from pipeline.sources.contents import DEFAULT_DICOM, is_dicom, read_bytes
from pipeline.sources.headers import Header, read_file_header
from pipeline.sources.mammograms import read_dicom_header, read_dicom_pixels, read_dicom_tags
from pipeline.sources.pixels import find_bits, read_file_pixels

_START = 2**20  # bytes of a DICOM file that hold the tags by which its image is identified; they come first


def read_header_and_levels(path: Path, data: bytes, dicom: DicomOptions, stated_bits: int | None) -> Header:
    """As `read_header`; the pixels of a PNG or TIFF of 16 bits are looked at, since levels of an unclear range are refused.

    Args:
      path, data, dicom: as for `read_header`.
      stated_bits: as for `read_image`.

    Raises:
      SourceError: in addition, `levels-unclear` and those of pixels that cannot be decoded.
    """
    header = read_header(path, data, dicom)
    return replace(header, bits=find_bits(data, stated_bits)) if header.is_deep else header


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
    if is_dicom(path, data):
        return read_dicom_header(data, dicom)
    return read_file_header(data)


def read_tags(path: Path, dicom: DicomOptions = DEFAULT_DICOM) -> Tags:
    """Reads the identity of the image in a DICOM file, without the pixels, which are nearly all of its bytes.

    Args:
      path: the file.
      dicom: how DICOM is read.

    Raises:
      SourceError: `file-unreadable`, or those that `pipeline.dicom.parsing.parse_start` lists.
    """
    try:
        with open_regular(path, most=sys.maxsize) as file:
            return read_dicom_tags(file.read(_START), dicom)
    except OSError as error:
        raise SourceError("file-unreadable", f"cannot be read: {error.strerror}") from error


def read_image(
    path: Path,
    data: bytes | None = None,
    dicom: DicomOptions = DEFAULT_DICOM,
    *,
    bits: Literal[8, 16] = 8,
    color: bool = False,
    stated_bits: int | None = None,
) -> np.ndarray:
    """Reads the pixels of one image; every part of both packages reads images by this function.

    Args:
      path: the file.
      data: its bytes if the caller has read them already.
      dicom: how DICOM is read.
      bits: of a level in the result.
      color: whether to return color.
      stated_bits: how many bits the levels in a PNG or TIFF of 16 bits use; None for what the file states.

    Returns:
      (height, width) uint8, or uint16 with 16 bits; with `color` (height, width, 3), red, green, blue. Black is 0 and white 255
      or 65535, whatever the file's depth. Where gray is asked for, color becomes luma. An EXIF orientation is applied, as viewers
      and annotation tools do.

    Raises:
      SourceError: as `read_header`, and `pixels-unreadable` and `levels-unclear`.
    """
    data = read_bytes(path) if data is None else data
    if not is_dicom(path, data):
        return read_file_pixels(data, color=color, bits=bits, stated_bits=stated_bits)
    gray = read_dicom_pixels(data, dicom, bits)
    return np.dstack([gray] * 3) if color else gray
