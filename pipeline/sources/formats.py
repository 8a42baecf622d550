"""Recognises the format of an image file by its first bytes, whatever its name ends in."""

from typing import Literal

from pipeline.contract import SourceError

Format = Literal["JPEG", "PNG", "TIFF"]
_READ: dict[bytes, Format] = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # BigTIFF
    b"MM\0+": "TIFF",
}
_NOT_READ = {
    b"BM": "BMP",
    b"GIF8": "GIF",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"P2": "PGM",
    b"P5": "PGM",
    b"P6": "PPM",
    b"%PDF": "PDF",
    b"PK\x03\x04": "ZIP",
    b"\x1f\x8b": "gzip",
}


def find_format(data: bytes) -> Format:
    """Names the format of an image that is read here.

    Raises:
      SourceError: `not-an-image`; the message names the format where it is a common one.
    """
    for mark, file_format in _READ.items():
        if data.startswith(mark):
            return file_format
    other = "WebP" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""
    other = other or next((name for mark, name in _NOT_READ.items() if data.startswith(mark)), "")
    problem = f"contains {other}" if other else f"starts with {data[:8]!r}"
    advice = "convert it to PNG" if other else "is it another type of file?"
    raise SourceError("not-an-image", f"{problem}, which is not JPEG, PNG or TIFF; {advice}")
