"""Header and pixels of DICOM, as those of other images."""

import math
from typing import Any

import numpy as np

from pipeline.contract import SourceError
from pipeline.dicom.options import DicomOptions
from pipeline.dicom.parsing import check, guarded, parse
from pipeline.sources.headers import Header
from pipeline.sources.jpeg import decode_jpeg

_FURTHER = bytes(range(254, 126, -1))  # no marker is among them, and they begin unlike the zeros that decoders fill in


def read_dicom_header(data: bytes, options: DicomOptions) -> Header:
    """Reads size, pixel spacing and identity; errors are those that `pipeline.dicom.parsing` lists."""
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


def read_dicom_pixels(data: bytes, options: DicomOptions, bits: int) -> np.ndarray:
    """Reads (height, width) uint8, or uint16 with 16 bits: what a viewer shows, stretched over all levels."""
    from pipeline.dicom.pixels import read_gray

    dataset = parse(data)
    check(dataset, options)
    _check_coded(dataset)
    return read_gray(dataset, options, bits)


def _check_coded(dataset: Any) -> None:
    """Refuses a JPEG whose data is damaged or ends early; decoders of the other codings refuse them themselves.

    Raises:
      SourceError: `pixels-unreadable`.
    """
    from pydicom.encaps import generate_frames
    from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

    syntax = dataset.file_meta.TransferSyntaxUID
    is_lossy = syntax in (JPEGBaseline8Bit, JPEGExtended12Bit) and dataset.get("BitsAllocated") == 8
    if not is_lossy and syntax not in (JPEGLossless, JPEGLosslessSV1):
        return
    with guarded("pixels-unreadable", "has coded data that is not divided into fragments"):
        frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    if is_lossy:
        decode_jpeg(frame, color=False)
    else:
        _check_lossless_end(dataset, frame)


def _check_lossless_end(dataset: Any, frame: bytes) -> None:
    """Refuses a lossless JPEG whose data ends before its pixels do, behind which decoders fill in gray and raise nothing.

    Where the data is whole, bytes after it are not read; where it ends early, they become pixels or are too few. The end mark
    is left out, because the decoder would print a line about bytes before it.
    """
    from pydicom.encaps import encapsulate

    whole, end = dataset.PixelData, frame.rfind(b"\xff\xd9")
    with guarded("pixels-unreadable", "has coded data that ends early or is damaged"):
        dataset.PixelData = encapsulate([frame[: end if end >= 0 else None] + _FURTHER])
        try:
            with_further = dataset.pixel_array
        finally:
            dataset.PixelData = whole
        is_whole = np.array_equal(with_further, dataset.pixel_array)
    if not is_whole:
        raise SourceError("pixels-unreadable", "has coded data that ends early or is damaged; export it again")
