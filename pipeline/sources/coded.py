"""Refuses coded pixels of DICOM that are damaged where a decoder would return wrong pixels without an error."""

from typing import Any

import numpy as np

from pipeline.contract import SourceError
from pipeline.dicom.jpeg2000 import is_possible
from pipeline.dicom.lossless_jpeg import is_accounted_for, read_scan
from pipeline.dicom.parsing import guarded
from pipeline.dicom.rle import is_exact
from pipeline.dicom.streams import skip_boxes
from pipeline.sources.jpeg import decode_jpeg

_MESSAGE = "has coded data that ends early or is damaged"


def check_coded(dataset: Any) -> None:
    """Refuses damaged coded pixels; decoders of JPEG-LS refuse them themselves, and native pixels show no damage.

    Args:
      dataset: with one gray frame, whose size is checked.

    Raises:
      SourceError: `pixels-unreadable`.
    """
    from pydicom.encaps import generate_frames
    from pydicom.uid import JPEG2000TransferSyntaxes, JPEGTransferSyntaxes, RLELossless

    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        return
    with guarded("pixels-unreadable", _MESSAGE):
        frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
        if syntax == RLELossless:
            is_whole = is_exact(frame, dataset.Rows * dataset.Columns, dataset.BitsAllocated // 8)
        elif syntax in JPEGTransferSyntaxes:
            is_whole = _is_whole_jpeg(dataset, frame)
        else:
            is_whole = syntax not in JPEG2000TransferSyntaxes or is_possible(skip_boxes(frame))
    if not is_whole:
        raise SourceError("pixels-unreadable", f"{_MESSAGE}; export it again")


def _is_whole_jpeg(dataset: Any, frame: bytes) -> bool:
    from pydicom.pixels import get_decoder

    if (scan := read_scan(frame)) is None:
        decode_jpeg(frame, color=False)
        return True
    decoded, facts = get_decoder(dataset.file_meta.TransferSyntaxUID).as_buffer(dataset)
    samples = np.frombuffer(decoded, f"<u{int(facts['bits_allocated']) // 8}").reshape(dataset.Rows, dataset.Columns)
    return is_accounted_for(samples, scan)
