"""Whether decoded pixels account for every bit of a lossless JPEG.

A decoder follows damaged data without an error, because almost any bits are valid codes, and fills in gray where they end
early. But from there on it has made too many or too few pixels. So the bits that its pixels take under the stream's own Huffman
table are compared with the bits that are there. No codes are read: each difference from the predicted value costs a known number.

Source: ITU-T T.81 B.2 (segments), F.1.2.3 (padding), H.1.2 (predictors, codes of differences).
"""

import re
import struct
from dataclasses import dataclass

import numpy as np

_SOF3, _DHT, _SOS, _DRI = 0xC3, 0xC4, 0xDA, 0xDD
_RESTART_OR_END = re.compile(rb"\xff+([^\x00\xff])")
_NO_CODE = 1 << 40  # bits; more than any scan has
_BLOCK_ROWS = 256  # counted in one step, as 4-byte integers
_MOST_PADDING = 32  # bits, where they are all alike; below 8 they may be anything


@dataclass(frozen=True)
class Scan:
    """The one scan of a stream, and what decodes it.

    Attributes:
      precision: bits per sample.
      predictor: 1 to 7.
      shift: the point transform, in bits.
      interval: lines between two restarts; 0 for none.
      category_bits: (17,) int64, what a difference of each category costs, with its further bits.
      parts: the coded data between restarts, without stuffed bytes.
    """

    precision: int
    predictor: int
    shift: int
    interval: int
    category_bits: np.ndarray
    parts: list[bytes]


def read_scan(stream: bytes) -> Scan | None:
    """Reads a lossless JPEG of one component; None if the stream is another kind of JPEG.

    Raises:
      IndexError, KeyError, ValueError, struct.error, ZeroDivisionError: the headers are damaged.
    """
    tables: dict[int, tuple[bytes, bytes]] = {}
    offset, precision, columns, interval = 2, 0, 0, 0
    while (marker := stream[offset + 1]) != _SOS:
        if marker == 0xFF:  # a fill byte
            offset += 1
            continue
        length = struct.unpack_from(">H", stream, offset + 2)[0]
        content = stream[offset + 4 : offset + 2 + length]
        if marker == _SOF3:
            precision, _, columns, components = struct.unpack_from(">BHHB", content)
        elif marker == _DHT:
            tables |= _read_tables(content)
        elif marker == _DRI:
            interval = struct.unpack(">H", content)[0]
        offset += 2 + length
    if not precision or components != 1:
        return None
    length = struct.unpack_from(">H", stream, offset + 2)[0]
    _, _, table, predictor, _, shift = stream[offset + 4 : offset + 10]
    parts = _split(stream[offset + 2 + length :])
    return Scan(precision, predictor, shift & 15, interval // columns, _cost(*tables[table >> 4]), parts)


def _read_tables(content: bytes) -> dict[int, tuple[bytes, bytes]]:
    """How many codes have 1 to 16 bits, and the categories in the order of their codes, by the number of the table."""
    tables = {}
    while content:
        end = 17 + sum(content[1:17])
        tables[content[0]] = content[1:17], content[17:end]
        content = content[end:]
    return tables


def _cost(counts: bytes, categories: bytes) -> np.ndarray:
    costs = np.full(17, _NO_CODE)
    for category, bits in zip(categories, np.repeat(np.arange(1, 17), list(counts)), strict=True):
        costs[category] = bits + (category if category < 16 else 0)  # category 16 has one difference only
    return costs


def _split(coded: bytes) -> list[bytes]:
    """Coded data up to the first mark that is not a restart, cut at restarts."""
    parts, start = [], 0
    for mark in _RESTART_OR_END.finditer(coded):
        parts.append(coded[start : mark.start()])
        start = mark.end()
        if not 0xD0 <= mark[1][0] <= 0xD7:
            break
    else:
        parts.append(coded[start:])
    return [part.replace(b"\xff\x00", b"\xff") for part in parts]


def is_accounted_for(samples: np.ndarray, scan: Scan) -> bool:
    """Whether decoded samples take the bits that a scan has, up to the padding at its end.

    Args:
      samples: (height, width) uint8 or uint16, as decoded, before any mask or sign.
      scan: of the same stream.
    """
    magnitudes = np.minimum(np.arange(2**16), 2**16 - np.arange(2**16))
    costs = scan.category_bits[np.frexp(magnitudes)[1]]  # the category is the number of bits of the magnitude
    lines = scan.interval or len(samples)
    starts = range(0, len(samples), lines)
    return len(scan.parts) == len(starts) and all(
        _fits(part, _count_bits(samples[start : start + lines], scan, costs))
        for part, start in zip(scan.parts, starts, strict=True)
    )


def _fits(part: bytes, bits: int) -> bool:
    left = 8 * len(part) - bits
    if not 0 <= left < _MOST_PADDING:
        return False
    ones = (1 << left) - 1
    return left < 8 or int.from_bytes(part[-4:], "big") & ones in (0, ones)


def _count_bits(samples: np.ndarray, scan: Scan, costs: np.ndarray) -> int:
    """The bits that the lines after a restart take."""
    counts = np.zeros(2**16, np.int64)
    for start in range(0, len(samples), _BLOCK_ROWS):
        block = samples[max(start - 1, 0) : start + _BLOCK_ROWS].astype(np.int32) >> scan.shift
        if not start:
            middle = 1 << (scan.precision - scan.shift - 1)
            counts += _histogram(np.diff(block[0], prepend=middle))
        counts += _histogram(np.diff(block[:, 0]))
        counts += _histogram(block[1:, 1:] - _predict(block[1:, :-1], block[:-1, 1:], block[:-1, :-1], scan.predictor))
    return int(counts @ costs)


def _histogram(differences: np.ndarray) -> np.ndarray:
    return np.bincount((differences & 0xFFFF).ravel(), minlength=2**16)


def _predict(left: np.ndarray, above: np.ndarray, corner: np.ndarray, predictor: int) -> np.ndarray:
    """The predicted values of all samples but those of the first row and column (table H.1)."""
    match predictor:
        case 1:
            return left
        case 2:
            return above
        case 3:
            return corner
        case 4:
            return left + above - corner
        case 5:
            return left + ((above - corner) >> 1)
        case 6:
            return above + ((left - corner) >> 1)
        case _:
            return (left + above) >> 1
