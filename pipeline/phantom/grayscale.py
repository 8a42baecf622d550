"""Stores gray levels as machines do, with the tags by which a viewer recovers them (PS3.3 C.7.6.3, C.11.1, C.11.2).

Every function takes (height, width) gray levels, 0 to 255, and returns stored values that a viewer shows as these levels, to
within half a level; only `raw` is not for viewers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

WHITE = 255


@dataclass(frozen=True)
class Stored:
    """Stored pixels: (height, width) int32 of `bits` bits, and the tags by which a viewer maps them back to gray levels."""

    values: np.ndarray
    bits: int
    signed: bool = False
    tags: dict[str, object] = field(default_factory=dict)


Chain = Callable[[np.ndarray], Stored]


def linear(gray: np.ndarray, bits: int, black: int, step: float) -> Stored:
    """A linear window: black is stored as `black`, and each gray level adds `step`."""
    # PS3.3 C.11.2.1.2.1: the window's ends are centre - 0.5 -+ (width - 1) / 2.
    return Stored(_whole(black + step * gray), bits, tags=_window(black + WHITE * step / 2 + 0.5, WHITE * step + 1))


def linear_exact(gray: np.ndarray) -> Stored:
    """10 bits and a window of the function LINEAR_EXACT, whose ends are centre -+ width / 2 (PS3.3 C.11.2.1.3.2)."""
    black, step = 100, 3
    window = _window(black + WHITE * step / 2, WHITE * step, VOILUTFunction="LINEAR_EXACT")
    return Stored(_whole(black + step * gray), 10, tags=window)


def sigmoid(gray: np.ndarray) -> Stored:
    """12 bits and a window of the function SIGMOID, which shows 1 / (1 + exp(-4 (x - c) / w)) (PS3.3 C.11.2.1.3.1)."""
    centre, width = 2048, 1000
    share = np.clip(gray, 0.4, WHITE - 0.4) / WHITE  # black and white themselves lie at infinity
    return Stored(
        _whole(centre + width / 4 * np.log(share / (1 - share))), 12, tags=_window(centre, width, VOILUTFunction="SIGMOID")
    )


def lut_and_windows(gray: np.ndarray) -> Stored:
    """14 bits, a VOI LUT of an S-shaped curve, and in addition three windows that only approximate it."""
    first, entries = 1500, 12000
    curve = (1 - np.cos(np.pi * np.arange(entries) / (entries - 1))) / 2
    stored = first + (entries - 1) * np.arccos(1 - 2 * np.clip(gray, 0, WHITE) / WHITE) / np.pi
    centre, width = first + entries // 2, round(entries * 2 / np.pi)  # the curve's tangent at its middle
    windows = _window(
        [centre] * 3, [width, round(0.7 * width), round(1.4 * width)], WindowCenterWidthExplanation=["NORMAL", "HARDER", "SOFTER"]
    )
    return Stored(_whole(stored), 14, tags=windows | {"VOILUTSequence": [_lut(first, curve, 12, "NORMAL")]})


def rescaled(gray: np.ndarray) -> Stored:
    """Signed 16 bits, and a rescale other than the identity before the window."""
    slope, intercept, shown = 0.5, 2048, window_12_bits(gray)
    rescale = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    return Stored(_whole((shown.values - intercept) / slope), 16, signed=True, tags=shown.tags | rescale)


def modality_lut(gray: np.ndarray) -> Stored:
    """12 bits, and a Modality LUT of a power curve to 16 bits before the window."""
    top, power, shown = 4095, 0.8, window_16_bits(gray)
    lut = _lut(0, (np.arange(top + 1) / top) ** power, 16, "power curve")
    lut.ModalityLUTType = "US"
    stored = top * (shown.values / (2**16 - 1)) ** (1 / power)
    return Stored(_whole(stored), 12, tags=shown.tags | {"ModalityLUTSequence": [lut]})


def window_8_bits(gray: np.ndarray) -> Stored:
    """8 bits, stored as shown."""
    return linear(gray, 8, 0, 1)


def window_12_bits(gray: np.ndarray) -> Stored:
    """12 bits and a window within them."""
    return linear(gray, 12, 200, 12)


def window_16_bits(gray: np.ndarray) -> Stored:
    """16 bits and a window within them."""
    return linear(gray, 16, 3000, 200)


def raw(gray: np.ndarray) -> Stored:
    """14 bits as the detector reads them, For Processing: high where little tissue is in the way, and no window."""
    return Stored(_whole(14000 * np.exp(-gray / 100)), 14)


def _window(centre, width, **tags: object) -> dict[str, object]:
    return {"WindowCenter": centre, "WindowWidth": width, **tags}


def _lut(first: int, curve: np.ndarray, bits: int, explanation: str):
    """A sequence item that maps `first` and the values after it to a curve of 0 to 1, as whole numbers of `bits` bits."""
    from pydicom.dataset import Dataset

    lut = Dataset()
    # The standard allows two types for each (US or SS, US or OW), so the type is set here.
    lut.add_new("LUTDescriptor", "US", [len(curve), first, bits])
    lut.add_new("LUTData", "OW", _whole(curve * (2**bits - 1)).astype("<u2").tobytes())
    lut.LUTExplanation = explanation
    return lut


def _whole(values: np.ndarray) -> np.ndarray:
    return np.rint(values).astype(np.int32)
