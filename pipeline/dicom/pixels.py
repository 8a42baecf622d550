"""From stored pixel values to what a viewer shows: modality LUT, VOI LUT or window, then one inversion; padding is black.

Source: PS3.4 N.2 (the order); PS3.3 C.7.5.1.1.2 (padding),
C.11.1 (modality), C.11.2 (VOI), C.11.6 and C.7.6.3.1.2 (which end is white).
"""

from typing import Any

import numpy as np

from pipeline.contract import SourceError
from pipeline.dicom.options import DicomOptions
from pipeline.dicom.parsing import guarded

_BLOCK_ROWS = 256  # mapped in one step: an index into a table takes eight bytes per pixel


def read_gray(dataset: Any, options: DicomOptions, bits: int) -> np.ndarray:
    """Decodes the one frame of a checked dataset.

    Each stored value has one gray level, so the levels of the values that occur are calculated, and the pixels looked up.

    Args:
      dataset: as `pipeline.dicom.parsing` returns it.
      options: which table or window applies.
      bits: of a level in the result, 8 or 16.

    Returns:
      (height, width) uint8, or uint16 with 16 bits: 0 is black, and 255 or 65535 white.

    Raises:
      SourceError: `pixels-unreadable`, `no-such-window`.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    remedy = "export it again, uncompressed" if syntax.is_compressed else "export it again"
    with guarded("pixels-unreadable", f"its pixels cannot be decoded from {syntax.name}", remedy):
        window = _choose_window(dataset, options)
        stored = dataset.pixel_array  # without the bits beyond BitsStored, in which old files keep overlays
        if stored.shape != (dataset.Rows, dataset.Columns):
            size = (dataset.Rows, dataset.Columns)
            raise SourceError("pixels-unreadable", f"decodes to {stored.shape}, expected {size}")
        levels = _find_levels(stored)
        gray = _show_levels(levels, dataset, window)
    table = np.zeros(2 ** (8 * stored.itemsize), np.uint8 if bits == 8 else np.uint16)
    table[_indices(levels)] = np.rint(gray * (2**bits - 1))
    shown = np.empty(stored.shape, table.dtype)
    for block in _blocks(stored):
        shown[block] = table[_indices(stored[block])]
    return shown


def _find_levels(stored: np.ndarray) -> np.ndarray:
    """The values that occur, each once: (values,) of the dtype of `stored`, which has 8 or 16 bits."""
    occurs = np.zeros(2 ** (8 * stored.itemsize), bool)
    for block in _blocks(stored):
        occurs[_indices(stored[block])] = True
    return np.flatnonzero(occurs).astype(f"u{stored.itemsize}").view(stored.dtype.newbyteorder("="))


def _indices(stored: np.ndarray) -> np.ndarray:
    """Stored values as indices into a table of all values of their width; negative ones are in its upper half."""
    return stored.astype(f"u{stored.itemsize}", copy=False)


def _blocks(pixels: np.ndarray) -> list[slice]:
    return [slice(row, row + _BLOCK_ROWS) for row in range(0, len(pixels), _BLOCK_ROWS)]


def _show_levels(levels: np.ndarray, dataset: Any, window: int | None) -> np.ndarray:
    """The gray of stored values, (values,) float64 from 0, black, to 1, white."""
    padding = _find_padding(levels, dataset)
    values = _apply_voi(_apply_modality(levels, dataset), dataset, window)
    low, high = _output_range(dataset, window)
    is_flat = _is_flat(values[~padding]) and not _is_flat(levels[~padding])
    if low == high or not np.isfinite(high - low) or not np.isfinite(values).all() or is_flat:
        raise SourceError(
            "pixels-unreadable",
            "has a rescale or a window that leaves no gray levels; expected finite values, and no slope of 0",
        )
    gray = np.clip((values - low) / (high - low), 0, 1)
    is_inverse = dataset.PhotometricInterpretation == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
    if is_inverse:
        gray = 1 - gray  # inverted at the fixed maximum, not the image's own
    gray[padding] = 0
    return gray


def _is_flat(values: np.ndarray) -> bool:
    return values.size == 0 or values.min() == values.max()


def _find_padding(stored: np.ndarray, dataset: Any) -> np.ndarray:
    """Marks the values that are not of the image but around it: PixelPaddingValue, or those between it and its limit."""
    ends = [dataset.get(tag) for tag in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if ends[0] in (None, ""):
        return np.zeros(stored.shape, bool)
    signed, allocated = bool(dataset.PixelRepresentation), int(dataset.BitsAllocated)
    values = [_as_stored(int(end), allocated, signed=signed) for end in ends if end not in (None, "")]
    return (stored >= min(values)) & (stored <= max(values))


def _as_stored(value: int, bits: int, *, signed: bool) -> int:
    """Reads a 16-bit number with the sign that it should have, since writers and readers mistake US and SS for each other."""
    value &= 2**bits - 1
    return value - 2**bits if signed and value >= 2 ** (bits - 1) else value


def _choose_window(dataset: Any, options: DicomOptions) -> int | None:
    """The number of the window to apply; None if the VOI LUT Sequence applies, or there is neither."""
    centres = dataset.get("WindowCenter")
    has_window = centres not in (None, "") and dataset.get("WindowWidth") not in (None, "")
    if not has_window or (dataset.get("VOILUTSequence") and options.voi == "lut"):
        return None
    count = min(_count(centres), _count(dataset.WindowWidth))
    if options.window >= count:
        raise SourceError(
            "no-such-window", f"has windows 0 to {count - 1}, but window = {options.window} in [dicom] asks for another one"
        )
    return options.window


def _count(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") and not isinstance(value, str) else 1


def _apply_modality(stored: np.ndarray, dataset: Any) -> np.ndarray:
    if dataset.get("ModalityLUTSequence"):
        return _look_up(stored, dataset, dataset.ModalityLUTSequence[0], signed=bool(dataset.PixelRepresentation))
    slope, intercept = _rescale(dataset)
    return stored if (slope, intercept) == (1, 0) else stored * slope + intercept


def _apply_voi(values: np.ndarray, dataset: Any, window: int | None) -> np.ndarray:
    from pydicom.pixels import apply_windowing

    if window is not None:
        return apply_windowing(values, dataset, window)
    if dataset.get("VOILUTSequence"):
        return _look_up(values, dataset, dataset.VOILUTSequence[0], signed=min(_rescaled_range(dataset)) < 0)
    return values


def _look_up(values: np.ndarray, dataset: Any, lut: Any, *, signed: bool) -> np.ndarray:
    """Maps values by a table; those before and after it get its ends (PS3.3 C.11.1.1).

    The first value that the table maps is signed where the values may be (C.11.2.1.1).

    Not by pydicom, which cannot read a table of packed bytes, and whose index into a table of bytes overflows at 256.
    """
    count, first, bits = (int(number) for number in lut.LUTDescriptor)
    count, first = _as_stored(count, 16, signed=False), _as_stored(first, 16, signed=signed)
    if not 8 <= bits <= 16:
        raise SourceError("pixels-unreadable", f"has a look-up table of {bits} bits; expected 8 to 16")
    entries = _read_entries(lut, count or 2**16, bits, dataset.file_meta.TransferSyntaxUID.is_little_endian)
    return entries[np.clip(np.rint(values) - first, 0, len(entries) - 1).astype(np.intp)]


def _read_entries(lut: Any, count: int, bits: int, is_little_endian: bool) -> np.ndarray:
    """A table's entries, (count,) integers: each a number or a 16-bit word, or 8-bit entries in pairs, the low byte first."""
    data = lut.LUTData
    if isinstance(data, bytes):
        words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if is_little_endian else ">u2").astype("<u2")
        entries = words if bits > 8 or len(words) >= count else words.view(np.uint8)
    else:
        entries = np.asarray(data)
    if len(entries) < count:
        raise SourceError("pixels-unreadable", f"has a look-up table of {len(entries)} entries; expected {count}")
    return entries[:count]


def _rescale(dataset: Any) -> tuple[float, float]:
    """Slope and intercept of the stored values; the standard requires both or none, so one alone is refused."""
    tags = [dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")]
    slope, intercept = (neutral if tag is None else float(tag) for tag, neutral in zip(tags, (1.0, 0.0), strict=True))
    if None in tags and (slope, intercept) != (1, 0):
        raise SourceError("pixels-unreadable", "has only one of RescaleSlope and RescaleIntercept; export it again")
    return slope, intercept


def _output_range(dataset: Any, window: int | None) -> tuple[float, float]:
    """The values of black and white after all tables, from the header alone and never from the pixels."""
    if window is None and dataset.get("VOILUTSequence"):
        return 0, 2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1
    ends = _rescaled_range(dataset)
    # A window already reverses a falling rescale: pydicom's black is the value of the lowest stored one.
    return ends if window is not None else (min(ends), max(ends))


def _rescaled_range(dataset: Any) -> tuple[float, float]:
    """The values of the lowest and the highest stored value after the modality table."""
    if dataset.get("ModalityLUTSequence"):
        return 0, 2 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
    bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    slope, intercept = _rescale(dataset)
    return low * slope + intercept, high * slope + intercept
