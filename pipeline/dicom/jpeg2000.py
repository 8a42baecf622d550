"""Whether the coded data of a JPEG 2000 stream may be what an encoder wrote.

Decoders turn any bytes into coefficients, and return wrong pixels for damaged ones. Two things never occur in what an encoder
wrote: an FF before a byte above 8F, and a long run of zeros. Damage that has neither is beyond what the format can show.

Source: ITU-T T.800 A.4 to A.6 (markers), B.6 (precincts), B.10 (packets), C.2 (bytes of the coder); T.814 (HTJ2K).
"""

import re
import struct
from collections.abc import Iterator

_SOC_BYTES, _SOT, _SOD, _SIZ, _COD = 2, 0xFF90, 0xFF93, 0xFF51, 0xFF52
_FORBIDDEN = re.compile(rb"\xff(?!\x91\x00\x04|\x92)[\x90-\xff]")  # but SOP and EPH, which may stand before and in packets
_HIGH_THROUGHPUT = 0x40  # in the style of code-blocks; flat areas may take zeros there
_MOST_ZEROS = 64  # bytes in a row, in addition to those that `_count_zeros` finds


def is_possible(stream: bytes) -> bool:
    """Whether an encoder may have written the coded data of a codestream; False only where it is damaged.

    A stream whose headers cannot be followed is left to the decoder.
    """
    try:
        siz, cod = _read_header(stream)
        zeros = bytes(_MOST_ZEROS + _count_zeros(siz, cod))
        is_block_coded = not cod[8] & _HIGH_THROUGHPUT
        return not any(_FORBIDDEN.search(data) or (is_block_coded and zeros in data) for data in _tile_parts(stream))
    except (IndexError, KeyError, struct.error, ZeroDivisionError):
        return True


def _segments(stream: bytes, offset: int) -> Iterator[tuple[int, int, bytes]]:
    """Mark, offset and content of each segment from an offset, until one without content."""
    while True:
        mark = struct.unpack_from(">H", stream, offset)[0]
        if mark in (_SOD, 0xFFD9):
            yield mark, offset, b""
            return
        length = struct.unpack_from(">H", stream, offset + 2)[0]
        yield mark, offset, stream[offset + 4 : offset + 2 + length]
        offset += 2 + length


def _read_header(stream: bytes) -> tuple[bytes, bytes]:
    """The contents of SIZ and COD."""
    contents: dict[int, bytes] = {}
    for mark, _, content in _segments(stream, _SOC_BYTES):
        if mark == _SOT:
            break
        contents[mark] = content
    return contents[_SIZ], contents[_COD]


def _count_zeros(siz: bytes, cod: bytes) -> int:
    """At least as many bytes of zeros as headers of packets may have in a row.

    An empty packet is one. After the first layer, a code-block to which a packet adds nothing takes one bit of it.
    """
    right, below, left, top, width, height = struct.unpack_from(">6I", siz, 2)
    width, height = min(width, right - left), min(height, below - top)
    components = struct.unpack_from(">H", siz, 34)[0]
    layers, levels = struct.unpack_from(">H", cod, 2)[0], cod[5]
    precincts = 0
    for level in range(levels + 1):
        exponents = cod[10 + level] if cod[0] & 1 else 0xFF
        scale = levels - level
        columns, rows = ((side >> (scale + bits)) + 2 for side, bits in ((width, exponents & 15), (height, exponents >> 4)))
        precincts += columns * rows
    blocks = (width * height >> (cod[6] + cod[7] + 4)) if layers > 1 else 0
    return precincts * layers * components + blocks // 4


def _tile_parts(stream: bytes) -> Iterator[bytes]:
    """The coded data of each tile-part."""
    offset = next(offset for mark, offset, _ in _segments(stream, _SOC_BYTES) if mark == _SOT)
    while struct.unpack_from(">H", stream, offset)[0] == _SOT:
        length = struct.unpack_from(">I", stream, offset + 6)[0]
        end = offset + length if length else stream.rindex(b"\xff\xd9")
        start = next(offset for mark, offset, _ in _segments(stream, offset) if mark == _SOD) + 2
        yield stream[start:end]
        offset = end
