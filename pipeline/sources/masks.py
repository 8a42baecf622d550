"""Reads mask files: their values, and by the contract's rule their classes."""

import io
from collections.abc import Callable

import cv2
import numpy as np
import PIL.Image

from pipeline.contract import MaskError, MaskLevels, SourceError, as_classes, cut_levels
from pipeline.sources.formats import find_format
from pipeline.sources.headers import read_file_header
from pipeline.sources.jpeg import decode_jpeg
from pipeline.sources.orientation import orient
from pipeline.sources.png import PngFacts, read_png_facts

# A PNG of 2 or 4 bits: decoders spread its values over 0 to 255.
_SPREAD = {2: 85, 4: 17}


def read_mask(
    data: bytes, classes: int | None = 1, cut: Callable[[np.ndarray], np.ndarray] = cut_levels, *, any_levels: bool = False
) -> np.ndarray:
    """Reads the bytes of a mask file as classes.

    Args:
      data: of a PNG, JPEG or TIFF.
      classes, cut, any_levels: as for `pipeline.contract.as_classes`.

    Returns:
      (height, width) uint8: 0 is background, 1 is lesion, or 1, 2, ... are the lesion classes.

    Raises:
      MaskError: it cannot be decoded, or holds values that a mask of these classes cannot hold.
    """
    return as_classes(decode_mask(data), classes, cut, any_levels=any_levels)


def decode_mask(data: bytes) -> MaskLevels:
    """Reads the values of a mask file: gray levels, palette indices, or 16-bit values; turned as EXIF states, as images are.

    Raises:
      MaskError: it is not an image or is damaged, is colored or transparent, or holds values that are neither indices nor levels.
    """
    values, lossy = decode_values(data)
    levels = _one_channel(values, lossy)
    if levels.dtype == np.uint16:
        levels = _narrowed(levels)
    if levels.dtype != np.uint8:
        raise MaskError(f"holds {levels.dtype} values; write it again as a gray PNG of 0 and 255")
    return MaskLevels(levels, lossy)


def decode_values(data: bytes) -> tuple[np.ndarray, bool]:
    """Decodes a mask file and leaves open what its values mean.

    Returns:
      (height, width), or (height, width, 3) RGB of a colored one, of the file's type: gray levels, or palette indices; turned as
      EXIF states. And whether the encoding changes values, as JPEG does.

    Raises:
      MaskError: it is not an image or is damaged, or is partly transparent.
    """
    try:
        file_format, header = find_format(data), read_file_header(data)
        if file_format == "JPEG":
            return orient(decode_jpeg(data, color=True), header.orientation), True
        if file_format == "PNG":
            return orient(_decode_png(data, read_png_facts(data)), header.orientation), False
        return _decode(data), False  # OpenCV turns a TIFF itself
    except SourceError as error:
        raise MaskError(f"{error}; a mask is a gray PNG of 0 and 255") from error


def _decode_png(data: bytes, facts: PngFacts) -> np.ndarray:
    if facts.has_palette:
        _decode(data)  # which notices indices that end early, as Pillow does not
        return _palette_indices(data)
    values = _decode(data)
    spread = _SPREAD.get(facts.depth, 1) if facts.is_gray else 1
    return values // spread if spread > 1 and len(np.setdiff1d(values, (0, 255))) > 0 else values


def _palette_indices(data: bytes) -> np.ndarray:
    """The indices of an image with a palette, unless it is of grays and a higher index is darker.

    Programs that reduce colors may write 0 for white: it is unclear then whether a mask is meant by index or by color.
    """
    try:
        image = PIL.Image.open(io.BytesIO(data))
        indices, colors = np.asarray(image), image.getpalette("RGB") or []
    except (OSError, SyntaxError, ValueError) as error:
        raise MaskError(f"cannot be decoded ({error}); write it again as a gray PNG of 0 and 255") from error
    values = np.unique(indices).tolist()
    used = [colors[3 * value : 3 * value + 3] for value in values]
    if all(len(set(color)) == 1 for color in used) and used != sorted(used):
        raise MaskError(
            f"has a palette that shows its indices {', '.join(map(str, values[:3]))} as the gray levels "
            f"{', '.join(str(color[0]) for color in used[:3])}, so that it is unclear which is the lesion; write it again as a "
            "gray PNG of 0 and 255"
        )
    return indices


def _decode(data: bytes) -> np.ndarray:
    """(height, width), or (height, width, 3) RGB, of a PNG or TIFF without alpha."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise MaskError(f"cannot be decoded ({len(data)} bytes); write it again as a gray PNG of 0 and 255")
    if pixels.ndim == 2:
        return pixels
    opaque = 255 if pixels.dtype == np.uint8 else 65535
    if pixels.shape[2] in (2, 4) and int(pixels[..., -1].min()) < opaque:
        raise MaskError(
            "is partly transparent, so that it is unclear what marks the lesion; write it again as a gray PNG of 0 and 255"
        )
    return pixels[..., 2::-1] if pixels.shape[2] > 2 else pixels[..., 0]


def _one_channel(pixels: np.ndarray, lossy: bool) -> np.ndarray:
    """Reduces a gray image with color channels to one channel; a JPEG's channels may differ by its coding error."""
    if pixels.ndim == 2:
        return pixels
    difference = int((pixels.max(axis=2) - pixels.min(axis=2)).max(initial=0))
    if difference > (32 if lossy else 0):
        values = pixels.reshape(-1, 3)
        red, green, blue = values[values.sum(axis=1).argmax()].tolist()
        raise MaskError(
            f"is colored, for example red {red} green {green} blue {blue}; write it again as a gray PNG of 0 and 255, or of "
            "class indices"
        )
    return pixels[..., 0]


def _narrowed(levels: np.ndarray) -> np.ndarray:
    """Converts 16-bit values to 8 bits: unchanged where the highest is at most 255, scaled down where it is 65535."""
    highest = int(levels.max(initial=0))
    if highest <= 255:
        return levels.astype(np.uint8)
    if highest == 65535:
        return (levels // 257).astype(np.uint8)
    raise MaskError(f"holds 16-bit values up to {highest}, which are neither class indices nor levels of 0 to 65535")
