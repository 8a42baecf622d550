"""The bytes of a file: whether they are complete, and whether they are DICOM."""

import sys
from pathlib import Path

import numpy as np

from pipeline.contract import DICOM_SUFFIXES, SourceError
from pipeline.dicom.options import DicomOptions
from pipeline.dicom.parsing import has_mark
from pipeline.files import UnfitFile, open_regular, read_regular

DEFAULT_DICOM = DicomOptions()
_DICOM_INDEX = "DICOMDIR"
MOST_BYTES = 2**30  # of an image; 89 million pixels of 16 bits in three colors are half of it
MOST_SCANS = 100  # of a progressive JPEG, which has some ten; a decoder visits all pixels once in each


def is_dicom(path: Path, data: bytes) -> bool:
    """Whether a file is read as DICOM: by its mark, or by its suffix, because some files lack the mark."""
    return path.suffix.lower() in DICOM_SUFFIXES or has_mark(data)


def has_dicom_mark(path: Path) -> bool:
    """Whether a file has the mark of DICOM; False for the index of a medium, DICOMDIR, which holds no image."""
    if path.name.upper() == _DICOM_INDEX:
        return False
    try:
        with open_regular(path, most=sys.maxsize) as file:
            return has_mark(file.read(132))
    except OSError:
        return False


def _count_scans(data: bytes) -> int:
    """Counts the marks FF DA, at even and at odd places; six times as fast as bytes.count."""
    return sum(int(np.count_nonzero(np.frombuffer(data, ">u2", (len(data) - start) // 2, start) == 0xFFDA)) for start in (0, 1))


def read_bytes(path: Path) -> bytes:
    """Reads a file's bytes, if it is complete.

    Decoders fill the missing end of a truncated file with gray and only print a warning, so the end marks are checked here.

    Raises:
      SourceError: `file-unreadable`, `file-empty`, `file-truncated`, `too-large`.
    """
    try:
        data = read_regular(path)
    except UnfitFile as error:
        raise SourceError("file-unreadable", error.reason) from error
    except OSError as error:
        raise SourceError("file-unreadable", f"cannot be read: {error.strerror}") from error
    if not data:
        raise SourceError("file-empty", "has 0 bytes; download it again")
    if data[:2] == b"\xff\xd8" and (scans := _count_scans(data)) > MOST_SCANS:
        raise SourceError("too-large", f"is a JPEG of {scans} scans; expected at most {MOST_SCANS}, since each takes its time")
    ends = {b"\xff\xd8": (b"\xff\xd9", "JPEG"), b"\x89P": (b"IEND", "PNG")}
    mark, file_format = ends.get(data[:2], (b"", ""))
    # Within JPEG's coded data an FF is never followed by D9, so an earlier end mark would be a thumbnail's.
    if mark and mark not in data[-65536:]:
        raise SourceError("file-truncated", f"is a {file_format} of {len(data)} bytes without its end mark; download it again")
    return data
