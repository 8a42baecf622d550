"""Reads DICOM segmentations: what they reference, and the stored frames of their segments.

Source: DICOM PS3.3 C.8.20 (Segmentation).
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.contract import SourceError
from pipeline.dicom.parsing import guarded, refuse_bombs
from pipeline.files import read_regular

_MOST_ITEMS = 100_000  # a frame has a handful
_MOST_PIXELS = 100_000_000


@contextlib.contextmanager
def open_segmentation(path: Path) -> Iterator[Any]:
    """Reads a segmentation; what goes wrong while it is open is raised with a message that quotes nothing from the file.

    Returns:
      highdicom's segmentation.

    Raises:
      SourceError: it cannot be read, is no segmentation, is broken, is compressed by a method that states a size of its own, or
        is too large.
    """
    import highdicom

    # highdicom raises whatever its checks, pydicom's parser and the decoders raise.
    with guarded("seg-reference", "cannot be read as a DICOM segmentation"):
        data = read_regular(path)
        refuse_bombs(data, _MOST_ITEMS)
        seg = highdicom.seg.segread(data)
        if seg.SegmentationType == "LABELMAP":
            raise SourceError("unsupported-syntax", "is a label map; export it with binary or fractional segments")
        _check_coding(seg)
        if (width := int(seg.Columns)) * (height := int(seg.Rows)) > _MOST_PIXELS:
            raise SourceError("too-large", f"has {width} x {height} pixels; expected at most {_MOST_PIXELS:,}")
        yield seg


def segment_frames(seg: Any) -> Iterator[tuple[int, np.ndarray, int]]:
    """Yields for each frame the number of its segment, its stored values, (height, width), and the value that stands for 1."""
    full = int(seg.MaximumFractionalValue) if seg.SegmentationType == "FRACTIONAL" else 1
    for number, frame in enumerate(seg.PerFrameFunctionalGroupsSequence, 1):
        groups = frame if "SegmentIdentificationSequence" in frame else seg.SharedFunctionalGroupsSequence[0]
        segment = int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        yield segment, seg.get_stored_frame(number), full


def _check_coding(seg: Any) -> None:
    """Refuses codings that state a size of their own, which could be any size."""
    from pydicom.uid import RLELossless

    syntax = seg.file_meta.TransferSyntaxUID
    if syntax.is_compressed and syntax != RLELossless:
        raise SourceError("unsupported-syntax", "is compressed by another method than run lengths; export it uncompressed")
