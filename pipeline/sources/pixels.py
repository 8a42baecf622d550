"""The pixels of JPEG, PNG and TIFF, as gray levels or color."""

import cv2
import numpy as np
import PIL.Image

from pipeline.contract import SourceError
from pipeline.files import without_warnings
from pipeline.sources.formats import find_format
from pipeline.sources.headers import DEEP_MODES, is_deep, opened
from pipeline.sources.jpeg import decode_jpeg
from pipeline.sources.levels import find_range, find_significant, scale
from pipeline.sources.orientation import orient, read_orientation
from pipeline.sources.png import read_png_facts

_BITS, _PHOTOMETRIC, _HIGHEST = 258, 262, 281  # of TIFF
_WHITE_IS_ZERO = 0


def read_file_pixels(data: bytes, *, color: bool, bits: int, stated_bits: int | None) -> np.ndarray:
    """Decodes a JPEG, PNG or TIFF.

    Args:
      data: the file.
      color: whether to return color.
      bits: 8 or 16, of a level in the result.
      stated_bits: how many bits the levels of a file of 16 bits use; None for what the file states.

    Returns:
      (height, width) uint8 or uint16, or with `color` (height, width, 3) RGB: black is 0 and white 255 or 65535, turned as EXIF
      states. Color becomes luma where gray is asked for.

    Raises:
      SourceError: `pixels-unreadable`, `file-truncated`, `levels-unclear`, or one of those of its header.
    """
    file_format = find_format(data)
    with opened(data) as image:
        # Pillow turns a TIFF itself.
        orientation = 1 if file_format == "TIFF" else read_orientation(image)
        if file_format == "JPEG":
            pixels, white = decode_jpeg(data, color=color), 255
        elif is_deep(image, data):
            pixels, white = _decode_deep(image, data, stated_bits)
        else:
            pixels, white = _decode_shallow(image, data), 255
    pixels = _with_channels(pixels, color=color)
    return orient(scale(pixels, white, bits), orientation)


def find_bits(data: bytes, stated_bits: int | None) -> int:
    """Finds how many bits the levels of a PNG or TIFF of more than 8 bits use.

    Raises:
      SourceError: as `read_file_pixels`; `levels-unclear` where nobody states it and the levels cannot fill 16 bits.
    """
    with opened(data) as image:
        return _decode_deep(image, data, stated_bits)[1].bit_length()


def _with_channels(pixels: np.ndarray, *, color: bool) -> np.ndarray:
    if color:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if pixels.ndim == 2 else pixels
    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)


def _decode_shallow(image: PIL.Image.Image, data: bytes) -> np.ndarray:
    """(height, width) or (height, width, 3) uint8 of a PNG or TIFF of up to 8 bits per channel."""
    if image.format == "PNG":
        read_png_facts(data)
        if image.mode in ("L", "RGB") and "transparency" not in image.info:
            return _decode_by_opencv(data)  # Pillow does not notice pixel data that end early
        if cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) is None:
            raise _damaged()
    _load(image)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return _without_alpha(np.asarray(image.convert("RGBA")))
    if image.mode == "P":
        return np.asarray(image.convert("RGB"))
    return np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))


def _without_alpha(pixels: np.ndarray) -> np.ndarray:
    if (pixels[..., -1] != np.iinfo(pixels.dtype).max).any():
        raise SourceError(
            "not-an-image", "is partly transparent, so its levels depend on what is behind it; save it without alpha"
        )
    return np.ascontiguousarray(pixels[..., :-1])


def _decode_deep(image: PIL.Image.Image, data: bytes, stated_bits: int | None) -> tuple[np.ndarray, int]:
    """(height, width) or (height, width, 3) uint16 of a PNG or TIFF of more than 8 bits per channel, and the level of white."""
    if image.format == "PNG":
        significant = read_png_facts(data).significant_bits
        pixels = _decode_by_opencv(data)
        return pixels, find_range(pixels, find_significant(pixels, significant), stated_bits)
    tags = dict(getattr(image, "tag_v2", {}))
    if image.mode in DEEP_MODES:
        _load(image)
        pixels = np.asarray(image).astype(np.uint16)
    else:
        pixels = _decode_by_opencv(data)
    white = find_range(pixels, _stated_by_tiff(tags), stated_bits)
    return white - pixels if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else pixels, white


def _stated_by_tiff(tags: dict) -> int | None:
    """How many bits levels use: BitsPerSample below 16, or a MaxSampleValue of 2^n - 1; any other is only the highest level."""
    bits, highest = max(tags.get(_BITS, (16,))), tags.get(_HIGHEST)
    if bits < 16:
        return bits
    highest = max(highest) if isinstance(highest, tuple) else highest
    return highest.bit_length() if isinstance(highest, int) and highest > 255 and highest & (highest + 1) == 0 else None


def _load(image: PIL.Image.Image) -> None:
    try:
        with without_warnings():  # of odd metadata
            image.load()
    except (OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError) as error:
        raise _damaged() from error


def _decode_by_opencv(data: bytes) -> np.ndarray:
    """(height, width) or (height, width, 3) RGB uint8 or uint16, without alpha."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise _damaged() from error
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        raise _damaged()
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] in (2, 4):
        pixels = _without_alpha(pixels)
    return np.ascontiguousarray(pixels[..., ::-1]) if pixels.shape[2] == 3 else pixels[..., 0]


def _damaged() -> SourceError:
    return SourceError("pixels-unreadable", "cannot be decoded, though its header is valid; download it again")
