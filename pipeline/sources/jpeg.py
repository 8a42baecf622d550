"""Decodes a JPEG, and refuses one whose coded data is damaged.

libjpeg fills what is missing with gray and counts a warning. OpenCV, Pillow and pydicom pass no warning on; simplejpeg makes it
an error. A change of a few bits that leaves valid codes behind is beyond what the format can show.
"""

import numpy as np
import simplejpeg

from pipeline.contract import SourceError


def decode_jpeg(data: bytes, *, color: bool) -> np.ndarray:
    """Decodes a JPEG of 8-bit gray or color.

    Returns:
      (height, width) uint8, which for a color file is its luma, or with `color` (height, width, 3) uint8 RGB. An EXIF orientation
      is not applied.

    Raises:
      SourceError: `pixels-unreadable`.
    """
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB" if color else "GRAY", strict=True)
    except ValueError as error:
        raise SourceError(
            "pixels-unreadable",
            f"has damaged or missing data ({str(error).strip()}), so that part of its pixels would be made up; download it again",
        ) from error
    return pixels if color else pixels[..., 0]
