"""Whether the runs of an RLE frame make exactly its pixels.

pydicom refuses too few pixels, but only warns of too many, as damaged runs make in half of the cases.

Source: PS3.5 Annex G.
"""

import struct

_MOST_PADDING = 2  # bytes of any value; pydicom's issue 1438 has a file of one pixel too many


def is_exact(frame: bytes, pixels: int, bytes_per_pixel: int) -> bool:
    """Whether each segment of an RLE frame ends with its last pixel; zeros or one run may follow, which some writers pad with.

    Raises:
      struct.error: the frame is shorter than its header.
    """
    count, *offsets = struct.unpack_from("<16L", frame)
    ends = [*offsets[1:count], len(frame)]
    return count == bytes_per_pixel and all(
        _makes(frame[start:end], pixels) for start, end in zip(offsets[:count], ends, strict=True)
    )


def _makes(segment: bytes, pixels: int) -> bool:
    made = offset = 0
    while made < pixels and offset < len(segment):
        control = segment[offset]
        if control < 128:
            made += control + 1
            offset += control + 2
        elif control > 128:
            made += 257 - control
            offset += 2
        else:
            offset += 1
    padding = segment[offset:]
    return made == pixels and (len(padding) <= _MOST_PADDING or not padding.strip(b"\0"))
