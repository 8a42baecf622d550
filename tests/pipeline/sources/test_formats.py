"""Files whose content is not what their name says, or not an image that can be read as gray or color."""

import io

import numpy as np
import PIL.Image
import pytest

from pipeline.contract import SourceError
from pipeline.sources import read_header, read_image

COLOR = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
GRAY = COLOR.convert("L")
HALF = PIL.Image.fromarray(np.dstack([np.asarray(COLOR), np.asarray(GRAY)]))


def encoded(image, file_format, **options):
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "reason", "message"),
    [
        pytest.param(encoded(COLOR, "BMP"), "not-an-image", "contains BMP, which is not JPEG, PNG or TIFF", id="BMP"),
        pytest.param(encoded(COLOR, "GIF"), "not-an-image", "contains GIF, .*; convert it to PNG", id="GIF"),
        pytest.param(encoded(COLOR, "WEBP"), "not-an-image", "contains WebP", id="WebP"),
        pytest.param(encoded(COLOR, "JPEG2000"), "not-an-image", "contains JPEG 2000", id="JPEG 2000"),
        pytest.param(encoded(GRAY, "PPM"), "not-an-image", "contains PGM", id="PGM"),
        pytest.param(encoded(COLOR.convert("CMYK"), "JPEG"), "not-an-image", r"is a JPEG of four colors \(CMYK", id="CMYK"),
        pytest.param(encoded(GRAY.convert("F"), "TIFF"), "not-an-image", "is a TIFF of floating-point levels", id="float"),
        pytest.param(encoded(GRAY.convert("I"), "TIFF"), "not-an-image", "is a TIFF of 32-bit levels", id="32 bits"),
        pytest.param(
            encoded(GRAY, "TIFF", save_all=True, append_images=[GRAY]), "multi-frame", "holds 2 frames", id="pages of a TIFF"
        ),
        pytest.param(encoded(GRAY, "PNG", save_all=True, append_images=[COLOR]), "multi-frame", "holds 2", id="animated PNG"),
    ],
)
def test_content_of_another_format_is_refused_by_its_header(tmp_path, data, reason, message):
    for read in (read_header, read_image):
        with pytest.raises(SourceError, match=message) as error:
            read(tmp_path / "a.png", data)
        assert error.value.reason == reason


def test_partly_transparent_pixels_are_refused(tmp_path):
    with pytest.raises(SourceError, match="is partly transparent"):
        read_image(tmp_path / "a.png", encoded(HALF, "PNG"))


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"compression": "tiff_deflate"}])
def test_a_tiff_without_its_end_is_refused(tmp_path, options):
    data = encoded(GRAY, "TIFF", **options)
    with pytest.raises(SourceError):
        read_image(tmp_path / "a.tif", data[: len(data) * 2 // 3])


def chunk(kind, content):
    import struct
    import zlib

    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_a_png_with_a_damaged_or_short_chunk_is_refused(tmp_path):
    data = bytearray(encoded(GRAY, "PNG"))
    data[60] ^= 1
    with pytest.raises(SourceError, match="is a PNG with a damaged chunk at byte 33"):
        read_image(tmp_path / "a.png", bytes(data))
    whole = encoded(GRAY, "PNG")
    coded = whole[whole.index(b"IDAT") + 4 : -16]
    short = whole[:33] + chunk(b"IDAT", coded[: len(coded) // 2]) + whole[-12:]
    with pytest.raises(SourceError, match="cannot be decoded, though its header is valid"):
        read_image(tmp_path / "a.png", short)
