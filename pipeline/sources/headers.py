"""What is known of an image before its pixels are decoded."""

import io
import warnings
from dataclasses import dataclass

import PIL.Image

from pipeline.contract import MOST_PIXELS, SourceError
from pipeline.dicom.tags import Tags


@dataclass(frozen=True)
class Header:
    """The properties of an image that are known before its pixels are decoded; `tags` is None unless it is DICOM."""

    width: int
    height: int
    spacing_mm: float | None = None
    tags: Tags | None = None


def read_file_header(data: bytes) -> Header:
    """Reads the size of a JPEG, PNG or TIFF.

    Raises:
      SourceError: `not-an-image`, `multi-frame`, `too-large`.
    """
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
