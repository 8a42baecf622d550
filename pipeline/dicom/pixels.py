"""From stored pixel values to what a viewer shows: modality LUT, VOI LUT or window, then one inversion.

PS3.4 N.2 has the order; PS3.3 C.11.1 (modality), C.11.2 (VOI), C.11.6 and C.7.6.3.1.2 (what is white).
"""

from typing import Any

import numpy as np

from pipeline.dicom.options import DicomOptions
from pipeline.dicom.parsing import guarded
from pipeline.faults import SourceError


def read_gray(dataset: Any, options: DicomOptions) -> np.ndarray:
    """Decodes the one frame of a checked dataset.

    Returns:
      (height, width) float64, 0 is black and 1 white.

    Raises:
      SourceError: `pixels-unreadable`, `no-such-window`.
    """
    with guarded("pixels-unreadable", f"its pixels cannot be decoded from {dataset.file_meta.TransferSyntaxUID.name}"):
        window = _choose_window(dataset, options)
        values = _apply_voi(_apply_modality(dataset.pixel_array, dataset), dataset, window)
        low, high = _output_range(dataset, window)
    if values.shape != (dataset.Rows, dataset.Columns):
        raise SourceError("pixels-unreadable", f"decodes to {values.shape}, wanted {(dataset.Rows, dataset.Columns)}")
    gray = np.clip((values - low) / (high - low), 0, 1)
    is_inverse = dataset.PhotometricInterpretation == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
    return 1 - gray if is_inverse else gray  # against the fixed maximum, not the image's own


def _choose_window(dataset: Any, options: DicomOptions) -> int | None:
    """The number of the window to apply; None where the VOI LUT Sequence has the say, or there is neither."""
    centres = dataset.get("WindowCenter")
    has_window = centres not in (None, "") and dataset.get("WindowWidth") not in (None, "")
    if not has_window or (dataset.get("VOILUTSequence") and options.voi == "lut"):
        return None
    count = len(centres) if hasattr(centres, "__len__") and not isinstance(centres, str) else 1
    if options.window >= count:
        raise SourceError(
            "no-such-window", f"has {count} windows, and window = {options.window} in [dicom] wants another; they count from 0"
        )
    return options.window


def _apply_modality(stored: np.ndarray, dataset: Any) -> np.ndarray:
    from pydicom.pixels import apply_modality_lut

    # An identity rescale would only turn integers into floats, which a VOI LUT cannot take.
    plain = "ModalityLUTSequence" not in dataset and _rescale(dataset) == (1, 0)
    return stored if plain else apply_modality_lut(stored, dataset)


def _apply_voi(values: np.ndarray, dataset: Any, window: int | None) -> np.ndarray:
    from pydicom.pixels import apply_voi, apply_windowing

    if window is not None:
        return apply_windowing(values, dataset, window)
    if dataset.get("VOILUTSequence"):
        return apply_voi(np.rint(values).astype(np.int32) if values.dtype.kind == "f" else values, dataset)
    return values


def _rescale(dataset: Any) -> tuple[float, float]:
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    return (1.0 if slope is None else float(slope)), (0.0 if intercept is None else float(intercept))


def _output_range(dataset: Any, window: int | None) -> tuple[float, float]:
    """The values that mean black and white after all tables, from the header alone and never from the pixels."""
    if window is None and dataset.get("VOILUTSequence"):
        return 0, 2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1
    if dataset.get("ModalityLUTSequence"):
        return 0, 2 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
    bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    slope, intercept = _rescale(dataset)
    return low * slope + intercept, high * slope + intercept
