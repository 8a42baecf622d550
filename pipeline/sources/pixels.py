"""The pixels of JPEG, PNG and TIFF, as gray levels."""

import cv2
import numpy as np

from pipeline.contract import SourceError
from pipeline.sources.headers import read_file_header


def read_file_pixels(data: bytes) -> np.ndarray:
    """Decodes a JPEG, PNG or TIFF as gray: (height, width) uint8 or uint16, as the file holds it.

    Raises:
      SourceError: `pixels-unreadable`, or one of those of its header.
    """
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise SourceError("pixels-unreadable", f"cannot be decoded ({error.err}); download it again") from error
    if image is None:
        read_file_header(data)  # raises a more precise error if the header is at fault
        raise SourceError("pixels-unreadable", "cannot be decoded, though its header is valid; download it again")
    if image.dtype not in (np.uint8, np.uint16):
        raise SourceError("pixels-unreadable", f"holds {image.dtype} pixels; expected unsigned 8 or 16 bits")
    return image
