"""Scales the levels of a file to 8 or 16 bits, in which black is 0 and white the highest value.

A file of 16 bits often holds the levels of a detector of 10, 12 or 14 bits. Stretching each image over its own levels would make
the images of a set incomparable, so their range is what the file states, or what the recipe states, and never a guess: an image
whose levels cannot fill 16 bits and whose range nobody states is refused.
"""

import numpy as np

from pipeline.contract import SourceError

# A scaled image reaches beyond a quarter of the range; levels of a detector of 14 bits or fewer do not.
_MOST_UNCLEAR = 2**14 - 1


def find_range(levels: np.ndarray, in_file: int | None, stated: int | None) -> int:
    """Finds the level that is white in a file of 16 bits.

    Args:
      levels: (...) uint16.
      in_file: how many bits are used, as the file states it; None where it does not.
      stated: the same, as the recipe states it, which takes precedence.

    Raises:
      SourceError: `levels-unclear`.

    Example:
      >>> find_range(np.array([0, 4000], np.uint16), in_file=None, stated=12)
      4095
    """
    highest, bits = int(levels.max(initial=0)), stated or in_file
    if bits is None:
        if 0 < highest <= _MOST_UNCLEAR:
            raise SourceError(
                "levels-unclear",
                f"has 16 bits but only levels up to {highest}, which fit into {highest.bit_length()} bits, and states no range; "
                "set bits = 12 (or the bits of your detector) in the recipe's [source], or bits = 16 if it really is that dark; "
                "or save it with its levels scaled to 16 bits",
            )
        return 65535
    if highest >= 2**bits:
        source = f"bits = {bits} in the recipe's [source] states" if stated else f"the {bits} bits that the file states allow"
        raise SourceError("levels-unclear", f"holds levels up to {highest}, more than {source}; correct bits in [source]")
    return 2**bits - 1


def find_significant(levels: np.ndarray, significant_bits: int) -> int | None:
    """Interprets a PNG's significant bits: how many bits its levels use; None where that is not clear.

    By the specification levels are scaled up to the whole range, so that the low bits repeat or are 0; many programs store them
    as they are.
    """
    highest = int(levels.max(initial=0))
    if not 0 < significant_bits < 16 or highest >= 2**significant_bits:
        return 16 if significant_bits else None
    is_scaled = not (levels % 2 ** (16 - significant_bits)).any()
    return None if is_scaled else significant_bits


def scale(levels: np.ndarray, white: int, bits: int) -> np.ndarray:
    """Scales uint8 or uint16 levels from 0 to `white` to 8 or 16 bits, rounded.

    Example:
      >>> scale(np.array([0, 4095], np.uint16), 4095, 8).tolist()
      [0, 255]
    """
    full, dtype = 2**bits - 1, np.uint8 if bits == 8 else np.uint16
    if white == full:
        return levels.astype(dtype, copy=False)
    if full % white == 0:
        return np.multiply(levels, full // white, dtype=dtype)  # as below, in a fifth of the time
    # All sums fit: 65535 * 65535 + 32767 is below 2**32.
    return ((levels.astype(np.uint32) * np.uint32(full) + np.uint32(white // 2)) // np.uint32(white)).astype(dtype)
