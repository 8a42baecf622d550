"""The chunks of a PNG: whether they are complete and undamaged, and what they state of the pixels.

Source: PNG specification, third edition, 5.3 (chunks), 11.2.1 (IHDR), 11.3.2.7 (sBIT).
"""

import struct
import zlib
from dataclasses import dataclass

from pipeline.contract import SourceError

_GRAY, _PALETTE = 0, 3


@dataclass(frozen=True)
class PngFacts:
    """What a PNG states: bits per channel, whether it is gray or has a palette, and its significant bits; 0 if not stated."""

    depth: int
    is_gray: bool
    has_palette: bool
    significant_bits: int


def read_png_facts(data: bytes) -> PngFacts:
    """Checks all chunks of a PNG and reads what they state.

    Raises:
      SourceError: `file-truncated`, `pixels-unreadable`.
    """
    depth, color_type, significant, offset = 0, 0, 0, 8
    kind = b""
    while kind != b"IEND":
        if offset + 12 > len(data):
            raise SourceError("file-truncated", f"is a PNG of {len(data)} bytes that ends within a chunk; download it again")
        length, kind = struct.unpack_from(">I4s", data, offset)
        content = memoryview(data)[offset + 4 : offset + 8 + length]
        if offset + 12 + length > len(data):
            raise SourceError("file-truncated", f"is a PNG of {len(data)} bytes that ends within a chunk; download it again")
        if zlib.crc32(content) != struct.unpack_from(">I", data, offset + 8 + length)[0]:
            raise SourceError("pixels-unreadable", f"is a PNG with a damaged chunk at byte {offset}; download it again")
        if kind == b"IHDR" and length >= 10:
            depth, color_type = content[12], content[13]
        elif kind == b"sBIT" and length:
            significant = max(content[4:])
        offset += 12 + length
    return PngFacts(depth, color_type == _GRAY, color_type == _PALETTE, significant)
