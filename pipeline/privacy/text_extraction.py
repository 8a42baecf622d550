"""Extracts the text of a file of any type: plain text, metadata of pictures, contents of containers, strings in binary files.

The type of a file is recognised by its content and not by its suffix. No picture is decoded.
"""

import gzip
import html
import io
import re
import zipfile
import zlib
from collections.abc import Iterator

MOST_BYTES = 64 << 20  # of a file, and of what a container holds

_BASE64 = re.compile(r"base64,[A-Za-z0-9+/=]+")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_STRING = re.compile(rb"(?:[\x20-\x7e]|[\xc3-\xf4][\x80-\xbf]{1,3}){4,}")
_PICTURE = re.compile(rb"\xff\xd8\xff.*?\xff\xd9|\x89PNG\r\n\x1a\n.*?IEND", re.DOTALL)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_texts(data: bytes, *, opened: bool = False) -> Iterator[tuple[str, bool]]:
    """Yields the texts of a file, each with whether it is from binary data, in which short words occur by chance.

    Args:
      data: the file's bytes.
      opened: whether they come from a container; containers in it are then not opened.

    Raises:
      Exception: of any type, if a picture or a container is broken or holds more than is searched.
    """
    if data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        metadata = b"\n".join(_jpeg_metadata(data) if data[0] == 0xFF else _png_metadata(data))
        for part in (metadata, metadata.replace(b"\0", b"")):  # without zeros, UTF-16 reads as text
            yield from ((text, False) for text in (part.decode(errors="replace"), part.decode("latin-1")))
    elif data.startswith((b"PK\3\4", b"\x1f\x8b")) and not opened:
        for part in _unpacked(data):
            yield from read_texts(part, opened=True)
    elif data.startswith(_UTF_16):
        yield data.decode("utf-16", errors="replace"), False
    elif b"\0" in data:
        yield from _strings(data)
    else:
        yield _plain(data), False


def _strings(data: bytes) -> Iterator[tuple[str, bool]]:
    """Strings of a binary file; of pictures in it only the metadata."""
    for picture in _PICTURE.findall(data):
        yield from read_texts(picture)
    rest = _PICTURE.sub(b"\n", data)
    for part in (rest, rest.replace(b"\0", b"")):
        yield b"\n".join(_STRING.findall(part)).decode(errors="replace"), True


def _plain(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), _BASE64.sub(" ", text))
    return html.unescape(text)


def _jpeg_metadata(data: bytes) -> Iterator[bytes]:
    """Comments and application segments, and the bytes after the image (ITU-T T.81 B.1.1)."""
    offset = 2
    while data[offset : offset + 1] == b"\xff" and (marker := data[offset + 1]) != 0xDA:
        end = offset + 2 + int.from_bytes(data[offset + 2 : offset + 4])
        if 0xE0 <= marker <= 0xEF or marker == 0xFE:
            yield data[offset + 4 : end]
        offset = end
    yield data[data.rfind(b"\xff\xd9") + 2 :] if b"\xff\xd9" in data else b""


def _png_metadata(data: bytes) -> Iterator[bytes]:
    """All chunks except pixels, with inflated text, and the bytes after the image (PNG, third edition, 11.3.3)."""
    offset, kind = 8, b""
    while offset < len(data) and kind != b"IEND":
        kind, end = data[offset + 4 : offset + 8], offset + 8 + int.from_bytes(data[offset : offset + 4])
        body, offset = data[offset + 8 : end], end + 4
        if kind not in (b"IDAT", b"fdAT"):
            yield body
        rest = body.partition(b"\0")[2]
        packed = {b"zTXt": rest[1:], b"iTXt": rest[2:].split(b"\0", 2)[-1] if rest[:1] == b"\1" else b""}.get(kind)
        if packed:
            yield zlib.decompressobj().decompress(packed, MOST_BYTES)
    yield data[offset:]


def _unpacked(data: bytes) -> Iterator[bytes]:
    """Names and contents of a zip file's members, or the content of a gzip file.

    Raises:
      ValueError: there is more than is searched.
    """
    left = MOST_BYTES
    if data.startswith(b"\x1f\x8b"):
        with gzip.open(io.BytesIO(data)) as file:
            yield file.read(left)
            left -= left if file.read(1) else 0
    else:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                yield member.filename.encode(errors="replace")
                with archive.open(member) as file:
                    part = file.read(left)
                left -= len(part)
                yield part
    if not left:
        raise ValueError(f"holds more than {MOST_BYTES} bytes")
