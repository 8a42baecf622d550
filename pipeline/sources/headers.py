"""What is known of an image before its pixels are decoded."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import PIL.Image

from pipeline.contract import MOST_PIXELS, SourceError
from pipeline.dicom.tags import Tags
from pipeline.files import without_warnings
from pipeline.sources.formats import find_format
from pipeline.sources.orientation import TAG, read_orientation, swaps_sides

# Pillow's modes of 16-bit gray.
DEEP_MODES = ("I;16", "I;16B", "I;16L", "I;16N")
_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", *DEEP_MODES)
_NAMES = {"CMYK": "four colors (CMYK or YCCK), made for printing", "F": "floating-point levels", "I": "32-bit levels"}


@dataclass(frozen=True)
class Header:
    """The properties of an image that are known before its pixels are decoded.

    Attributes:
      width, height: as viewers show the image, after `orientation`.
      spacing_mm: side of a pixel; None where it is unknown.
      tags: None unless it is DICOM.
      orientation: of EXIF, 1 where the stored pixels are not turned.
      is_deep: whether it is a PNG or TIFF of 16 bits, whose levels may fill only a part of the range.
      bits: how many bits its levels use, where the pixels of such a file were looked at.
    """

    width: int
    height: int
    spacing_mm: float | None = None
    tags: Tags | None = None
    orientation: int = 1
    is_deep: bool = False
    bits: int | None = None


@contextmanager
def opened(data: bytes) -> Iterator[PIL.Image.Image]:
    """Opens a JPEG, PNG or TIFF of one image, in a mode that can be read as gray or color.

    Raises:
      SourceError: `not-an-image`, `multi-frame`, `too-large`.
    """
    file_format = find_format(data)
    try:
        with without_warnings():  # of odd metadata
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            image = PIL.Image.open(io.BytesIO(data), formats=[file_format])
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        raise SourceError("too-large", f"{error}; a mammogram has under {MOST_PIXELS // 10**6} million pixels") from error
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise SourceError("not-an-image", f"is a {file_format} whose header cannot be read; download it again") from error
    with image:
        if (frames := getattr(image, "n_frames", 1)) > 1:
            raise SourceError("multi-frame", f"holds {frames} frames; save the one to use as a separate image")
        if image.mode not in _MODES:
            described = _NAMES.get(image.mode, f"mode {image.mode}")
            raise SourceError("not-an-image", f"is a {file_format} of {described}; save it as gray or RGB of 8 or 16 bits")
        yield image


def read_file_header(data: bytes) -> Header:
    """Reads the size of a JPEG, PNG or TIFF.

    Raises:
      SourceError: `not-an-image`, `multi-frame`, `too-large`.
    """
    with opened(data) as image:
        width, height = image.size
        if image.format == "TIFF":  # Pillow's size of a TIFF is that of the turned image
            orientation = getattr(image, "tag_v2", {}).get(TAG, 1)
        elif swaps_sides(orientation := read_orientation(image)):
            width, height = height, width
        return Header(width, height, orientation=orientation, is_deep=is_deep(image, data))


def is_deep(image: PIL.Image.Image, data: bytes) -> bool:
    """Whether an opened image has more than 8 bits per channel; Pillow's mode for color does not show it."""
    if image.format == "PNG":
        return data[24] == 16
    return image.mode in DEEP_MODES or max(getattr(image, "tag_v2", {}).get(258, (8,))) > 8
