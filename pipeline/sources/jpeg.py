"""Decodes a JPEG, and notices where its coded data is damaged.

libjpeg fills what is missing with gray and only counts a warning, which no decoder for Python passes on. So the end of the data
is moved: a decoder that is refused an end mark asks for more data exactly where data is missing.

Source: ITU-T T.81 B.1 and B.2 (markers), E.1.4 and F.1.2.3 (restart intervals).
"""

import io
import re
import struct
from dataclasses import dataclass, field

import numpy as np
import PIL.Image

from pipeline.contract import SourceError

MARK = b"\xff\xd8"
_SOI, _EOI, _SOS, _DRI, _APP14 = 0xD8, 0xD9, 0xDA, 0xDD, 0xEE
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HUFFMAN_8_BIT = {0xC0, 0xC1, 0xC2}  # baseline, extended and progressive
_PROGRESSIVE = 0xC2
# Within coded data, FF is followed by 0 or by a restart marker; other markers end a scan.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
# Long Huffman codes, so that few blocks can hide behind them. Decoders look up to 8 bytes ahead.
_PADDING = b"\xfe" * 8
_LEFT_OVER = 8  # bytes that may follow the last block
_NOISE = bytes(37 * index * index % 251 for index in range(1, 65))  # codes of all lengths, and no mark
_COMPLAINT = "has coded data that ends too early or is damaged, so that part of its pixels would be made up; download it again"


@dataclass
class _Scan:
    """The coded data of one scan, from `start` to `stop`, and the components that it holds."""

    start: int
    stop: int
    components: tuple[int, ...]
    interval: int  # of restart markers, in minimum coded units; 0 for none


@dataclass
class _Stream:
    """The structure of a JPEG; `end` is the position of its end mark."""

    frame: int = 0
    precision: int = 8
    width: int = 0
    height: int = 0
    sampling: dict[int, tuple[int, int]] = field(default_factory=dict)  # of each component, horizontal and vertical
    scans: list[_Scan] = field(default_factory=list)
    end: int = 0


def decode_jpeg(data: bytes, *, color: bool) -> np.ndarray:
    """Decodes a JPEG of 8-bit gray or color.

    Returns:
      (height, width) uint8, which for a color file is its luma; with `color` (height, width, 3) uint8 RGB of a color file. An
      EXIF orientation is not applied.

    Raises:
      SourceError: `not-an-image` for CMYK and rare codings, `pixels-unreadable` for damaged data.
    """
    stream = _check(data)
    scan = stream.scans[0]
    if len(stream.scans) == 1 and not scan.interval and stream.frame != _PROGRESSIVE:
        return _decode_to_the_end(data, scan, color=color)
    _check_restarts(data, stream)
    pixels = _decode(io.BytesIO(data), color=color)
    # What follows the last block of a scan is never read; if it changes the picture, blocks are missing.
    if not np.array_equal(pixels, _decode(io.BytesIO(_with_noise(data, stream)), color=color)):
        raise SourceError("pixels-unreadable", _COMPLAINT)
    return pixels


def _check(data: bytes) -> _Stream:
    """The structure of a JPEG that can be decoded."""
    try:
        stream = _parse(data)
    except (IndexError, struct.error):
        raise SourceError("pixels-unreadable", _COMPLAINT) from None
    if len(stream.sampling) == 4:
        raise SourceError("not-an-image", "is a JPEG of four colors (CMYK or YCCK), made for printing; save it as gray or RGB")
    if stream.frame not in _HUFFMAN_8_BIT or stream.precision != 8 or len(stream.sampling) not in (1, 3):
        raise SourceError(
            "not-an-image",
            f"is a JPEG of {stream.precision} bits, {len(stream.sampling)} components and frame type {stream.frame:#x}; expected "
            "8 bits, gray or color, baseline or progressive; save it as PNG",
        )
    if not stream.scans or {name for scan in stream.scans for name in scan.components} != set(stream.sampling):
        raise SourceError("pixels-unreadable", _COMPLAINT)
    return stream


def _parse(data: bytes) -> _Stream:
    stream, offset, interval = _Stream(), 2, 0
    while True:
        if data[offset] != 0xFF:
            raise IndexError
        marker = data[offset + 1]
        if marker == 0xFF:  # a fill byte
            offset += 1
            continue
        if marker == _EOI:
            stream.end = offset
            return stream
        length = struct.unpack_from(">H", data, offset + 2)[0]
        body = data[offset + 4 : offset + 2 + length]
        offset += 2 + length
        if marker in _FRAMES:
            stream.frame = marker
            stream.precision, stream.height, stream.width, count = struct.unpack_from(">BHHB", body)
            parts = [struct.unpack_from("BB", body, 6 + 3 * index) for index in range(count)]
            stream.sampling = {name: (factors >> 4, factors & 15) for name, factors in parts}
        elif marker == _DRI:
            interval = struct.unpack(">H", body)[0]
        elif marker == _SOS:
            ending = _END_OF_SCAN.search(data, offset)
            if ending is None:
                raise IndexError
            stop = ending.start()
            offset, start = stop, offset
            while data[stop - 1] == 0xFF and stop > start:  # fill bytes before the mark
                stop -= 1
            stream.scans.append(_Scan(start, stop, tuple(body[1 : 1 + 2 * body[0] : 2]), interval))


class _Ending(io.BytesIO):
    """A file that hands out its last bytes only when all before them were not enough."""

    def __init__(self, data: bytes, last: int):
        super().__init__(data)
        self.last = last

    def read(self, size: int | None = -1, /) -> bytes:
        position = self.tell()
        if position < self.last:
            size = self.last - position if size is None or size < 0 else min(size, self.last - position)
        return super().read(size)


def _decode_to_the_end(data: bytes, scan: _Scan, *, color: bool) -> np.ndarray:
    """Decodes a JPEG of one scan, without its end mark, and makes sure that it takes all of its data and no more."""
    file = _Ending(data[: scan.stop] + _PADDING, max(scan.start, scan.stop - _LEFT_OVER))
    pixels = _decode(file, color=color)
    if file.tell() <= file.last:
        raise SourceError("pixels-unreadable", _COMPLAINT)
    return pixels


def _decode(file: io.BytesIO, *, color: bool) -> np.ndarray:
    try:
        with PIL.Image.open(file, formats=["JPEG"]) as image:
            if not color:
                image.draft("L", image.size)
            image.load()
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise SourceError("pixels-unreadable", _COMPLAINT) from error


def _with_noise(data: bytes, stream: _Stream) -> bytes:
    """The same JPEG with meaningless data after that of each restart interval and each scan."""
    pieces, done = [], 0
    for scan in stream.scans:
        marks = [match.start() for match in _RESTART.finditer(data, scan.start, scan.stop)] if scan.interval else []
        for stop in (*marks, scan.stop):
            pieces += [data[done:stop], _NOISE]
            done = stop
    return b"".join([*pieces, data[done:]])


def _check_restarts(data: bytes, stream: _Stream) -> None:
    """Checks that no restart interval is missing: their markers are numbered from 0 to 7, again and again."""
    for scan in stream.scans:
        if scan.interval:
            numbers = [match[1][0] - 0xD0 for match in _RESTART.finditer(data, scan.start, scan.stop)]
            expected = -(-_count_units(stream, scan) // scan.interval) - 1
            if numbers != [index % 8 for index in range(expected)]:
                raise SourceError("pixels-unreadable", _COMPLAINT)


def _count_units(stream: _Stream, scan: _Scan) -> int:
    """The number of minimum coded units of a scan (T.81 A.2)."""
    most_across, most_down = (max(factors) for factors in zip(*stream.sampling.values(), strict=True))
    if len(scan.components) > 1:
        return -(-stream.width // (8 * most_across)) * -(-stream.height // (8 * most_down))
    across, down = stream.sampling[scan.components[0]]
    width, height = -(-stream.width * across // most_across), -(-stream.height * down // most_down)
    return -(-width // 8) * -(-height // 8)
