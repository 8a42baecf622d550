"""Reads the size that a JPEG, JPEG-LS or JPEG 2000 stream claims, before a decoder allocates memory for it."""

import struct

Claim = tuple[int, int, int]  # width and height in pixels, components


def read_claim(stream: bytes) -> Claim | None:
    """Reads the width, height and components that a stream claims; None if it does not begin with them."""
    try:
        return _read_siz(skip_boxes(stream)) or _read_sof(stream)
    except (IndexError, struct.error):
        return None


def _read_siz(stream: bytes) -> Claim | None:
    """Source: ITU-T T.800 A.5.1."""
    if stream[:4] != b"\xff\x4f\xff\x51":  # SOC, SIZ
        return None
    right, below, left, top = struct.unpack_from(">4I", stream, 8)
    return right - left, below - top, struct.unpack_from(">H", stream, 40)[0]


def skip_boxes(stream: bytes) -> bytes:
    """The codestream of a JP2 file (T.800 Annex I), which DICOM forbids but some writers store; other streams unchanged."""
    offset = 0
    while stream[4:8] == b"jP  " and offset + 8 <= len(stream):
        length, kind = struct.unpack_from(">I4s", stream, offset)
        if kind == b"jp2c":
            # A palette turns one sample into several.
            return b"" if b"pclr" in stream[:offset] else stream[offset + (16 if length == 1 else 8) :]
        if length < 8:
            return b""
        offset += length
    return stream


def _read_sof(stream: bytes) -> Claim | None:
    """None if two frames begin before the first scan, since a decoder may follow the second.

    Source: ITU-T T.81 B.2.2 (SOF), B.2.3 (SOS), T.87 C.2.2 (SOF55).
    """
    offset, claims = 2, []
    while stream[:2] == b"\xff\xd8" and stream[offset] == 0xFF and (marker := stream[offset + 1]) != 0xDA:  # start of scan
        if marker == 0xFF:  # a fill byte
            offset += 1
            continue
        # Start of frame; 0xC4, 0xC8 and 0xCC are tables.
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            height, width, components = struct.unpack_from(">HHB", stream, offset + 5)
            claims.append((width, height, components))
        offset += 2 + struct.unpack_from(">H", stream, offset + 2)[0]
    return claims[0] if len(claims) == 1 else None
