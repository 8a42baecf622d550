"""Header and pixels of one image, whatever its format."""

from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.dicom.options import DicomOptions
from pipeline.sources.contents import DEFAULT_DICOM, is_dicom, read_bytes
from pipeline.sources.headers import Header, read_file_header
from pipeline.sources.mammograms import read_dicom_header, read_dicom_pixels
from pipeline.sources.pixels import read_file_pixels


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
    if is_dicom(path, data):
        return read_dicom_pixels(data, dicom, bits)
    image = read_file_pixels(data)
    if bits == 16:
        return image if image.dtype == np.uint16 else image.astype(np.uint16) * 257
    return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8) if image.dtype == np.uint16 else image
