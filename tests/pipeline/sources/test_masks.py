"""Mask files in every encoding: what they mean, and which are refused."""

import contextlib
import io
import re
import struct
import zlib

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contract import MaskError
from pipeline.sources import decode_mask, read_image, read_mask

LESION = np.kron(np.array([[0, 1], [0, 1]], np.uint8), np.ones((8, 8), np.uint8))  # its right half


def encode(pixels, suffix=".png", *options):
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


def pillow(pixels, mode, **options):
    out = io.BytesIO()
    image = PIL.Image.fromarray(pixels)
    if mode == "P":
        image = PIL.Image.new("P", image.size)
        image.putdata(pixels.ravel().tolist())
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.save(out, "PNG", **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encode(LESION * 255), id="0 and 255"),
        pytest.param(encode(LESION * 255, ".png", cv2.IMWRITE_PNG_BILEVEL, 1), id="1 bit"),
        pytest.param(encode(LESION), id="0 and 1"),
        pytest.param(pillow(LESION, "P"), id="palette indices"),
        pytest.param(encode(cv2.merge([LESION * 255] * 3)), id="gray in three channels"),
        pytest.param(encode(cv2.merge([LESION * 255] * 3 + [np.full_like(LESION, 255)])), id="opaque"),
        pytest.param(encode(LESION.astype(np.uint16)), id="16 bits, 0 and 1"),
        pytest.param(encode(LESION.astype(np.uint16) * 255), id="16 bits, 0 and 255"),
        pytest.param(encode(LESION.astype(np.uint16) * 65535), id="16 bits, 0 and 65535"),
        pytest.param(encode(LESION * 255, ".jpg"), id="JPEG"),
        pytest.param(encode(cv2.merge([LESION * 255] * 3), ".jpg"), id="color JPEG of gray"),
        pytest.param(encode(LESION * 255, ".tiff"), id="TIFF"),
        pytest.param(encode(LESION, ".tiff"), id="TIFF of 0 and 1"),
    ],
)
def test_a_binary_mask_is_read_in_every_encoding(data):
    np.testing.assert_array_equal(read_mask(data), LESION)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(encode(cv2.merge([LESION * 0, LESION * 0, LESION * 255])), "is colored, for example red 255", id="red"),
        pytest.param(encode(cv2.merge([LESION * 0, LESION * 0, LESION * 0, LESION * 255])), "is partly transparent", id="alpha"),
        pytest.param(encode(LESION * 76), "holds only levels up to 76", id="a gray that is not lesion"),
        pytest.param(encode(LESION * 2), "holds class indices up to 2; expected 0 and 255, or 0 and 1", id="indices"),
        pytest.param(encode(LESION.astype(np.uint16) * 4095), "holds 16-bit values up to 4095", id="12 bits"),
        pytest.param(b"", "starts with b'', which is not JPEG, PNG or TIFF", id="empty"),
        pytest.param(b"P1_L_DM_CC", "starts with b'P1_L_DM_', which is not JPEG, PNG or TIFF", id="text"),
        pytest.param(pillow(LESION, "P")[:60], "whose header cannot be read", id="cut palette"),
    ],
)
def test_a_file_that_is_not_a_mask_is_refused_with_its_values(data, message):
    with pytest.raises(MaskError, match=re.escape(message)):
        read_mask(data)


def test_class_indices_are_read_where_classes_are_asked_for():
    indices = LESION + LESION[::-1].cumsum(0, dtype=np.uint8) // 9
    np.testing.assert_array_equal(read_mask(encode(indices), 3), indices)
    np.testing.assert_array_equal(read_mask(pillow(indices, "P"), 3), indices)
    np.testing.assert_array_equal(read_mask(encode(indices), None), indices)
    with pytest.raises(MaskError, match="holds values up to 255; expected a lossless mask of the class indices 0 to 2"):
        read_mask(encode(LESION * 255), 3)
    with pytest.raises(MaskError, match="is a JPEG; expected a lossless mask of the class indices 0 to 2"):
        read_mask(encode(LESION, ".jpg"), 3)


def test_an_empty_mask_is_empty_in_every_encoding():
    for suffix in (".png", ".jpg", ".tiff"):
        assert not read_mask(encode(LESION * 0, suffix)).any()


def test_levels_far_from_both_need_a_threshold_of_ones_own():
    def cut(levels):
        return (levels >= 50).astype(np.uint8)

    np.testing.assert_array_equal(read_mask(encode(LESION * 76), cut=cut, any_levels=True), LESION)


def png(width, height, depth, color, data):
    """The bytes of a PNG of `data` as it is compressed; color 0 is gray, 3 has a palette."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    palette = [chunk(b"PLTE", bytes(6))] if color == 3 else []
    chunks = [chunk(b"IHDR", header), *palette, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png_of_bits(values, depth):
    """The bytes of a gray PNG of one row with `depth` bits per pixel."""
    bits = "".join(format(value, f"0{depth}b") for value in values)
    packed = bytes(int(bits[start : start + 8].ljust(8, "0"), 2) for start in range(0, len(bits), 8))
    return png(len(values), 1, depth, 0, zlib.compress(b"\0" + packed))


@pytest.mark.parametrize("color", [0, 3], ids=["gray", "palette"])
@pytest.mark.parametrize("data", [b"", b"hello", zlib.compress(bytes(3))], ids=["empty", "text", "too few"])
def test_a_sound_png_of_damaged_pixels_is_refused(color, data):
    with pytest.raises(MaskError, match=r"^cannot be decoded \(\d+ bytes\); write it again as a gray PNG of 0 and 255$"):
        decode_mask(png(4, 4, 8, color, data))


@pytest.mark.parametrize(
    ("data", "values", "levels"),
    [
        pytest.param(png_of_bits([0, 1, 2, 3], 2), [0, 1, 2, 3], [0, 1, 2, 3], id="indices of 2 bits"),
        pytest.param(png_of_bits([0, 1, 1, 0], 2), [0, 1], [0, 1, 1, 0], id="a single index of 2 bits"),
        pytest.param(pillow(np.array([[0, 2, 1]], np.uint8), "P"), [0, 1, 2], [0, 2, 1], id="palette"),
        pytest.param(png_of_bits([0, 2, 15, 1], 4), [0, 1, 2, 15], [0, 2, 15, 1], id="indices of 4 bits"),
        pytest.param(png_of_bits([0, 3, 3, 0], 2), [0, 255], [0, 255, 255, 0], id="levels of 2 bits"),
        pytest.param(png_of_bits([1, 0, 1], 1), [0, 255], [255, 0, 255], id="levels of 1 bit"),
        pytest.param(png_of_bits([0, 85, 4], 8), [0, 4, 85], [0, 85, 4], id="8 bits"),
        pytest.param(encode(np.array([[0, 255, 7]], np.uint16)), [0, 7, 255], [0, 255, 7], id="16 bits, low"),
        pytest.param(
            encode(np.array([[0, 257, 32896, 65534, 65535]], np.uint16)),
            [0, 1, 128, 254, 255],
            [0, 1, 128, 254, 255],
            id="16 bits",
        ),
        pytest.param(encode(np.array([[[9, 9, 9], [0, 0, 0]]], np.uint16)), [0, 9], [9, 0], id="16 bits, three channels"),
        pytest.param(encode(np.full((1, 2, 4), 65535, np.uint16)), [255], [255, 255], id="16 bits, opaque"),
    ],
)
def test_the_values_of_a_mask_are_those_that_its_file_means(data, values, levels):
    mask = decode_mask(data)
    assert (mask.values, mask.levels.tolist(), mask.levels.dtype, mask.lossy) == (values, [levels], np.uint8, False)


def test_a_jpeg_may_lose_colors_to_its_coding():
    assert decode_mask(encode(LESION * 255, ".jpg")).lossy
    slightly = np.zeros((16, 16, 3), np.uint8)
    slightly[...] = (118, 118, 140)
    assert decode_mask(encode(slightly, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 100)).levels.shape == (16, 16)
    slightly[...] = (100, 100, 180)
    with pytest.raises(MaskError, match=r"is colored, for example red 1[78]"):
        decode_mask(encode(slightly, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 100))


ADVICE = "write it again as a gray PNG of 0 and 255"
GOOD = "a mask is a gray PNG of 0 and 255"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", f"starts with b'', which is not JPEG, PNG or TIFF; is it another type of file?; {GOOD}", id="empty"),
        pytest.param(
            b"\x89PNG\r\n\x1a\n", f"is a PNG whose header cannot be read; download it again; {GOOD}", id="only a PNG's mark"
        ),
        pytest.param(
            pillow(LESION, "P")[:26],
            f"is a PNG whose header cannot be read; download it again; {GOOD}",
            id="only a palette PNG's header",
        ),
        pytest.param(
            encode(np.zeros((2, 2), np.float32), ".tiff"),
            f"is a TIFF of floating-point levels; save it as gray or RGB of 8 or 16 bits; {GOOD}",
            id="float",
        ),
        pytest.param(
            encode(np.array([[[10, 20, 30], [40, 50, 61], [0, 0, 0]]], np.uint8)),
            f"is colored, for example red 61 green 50 blue 40; {ADVICE}, or of class indices",
            id="colors",
        ),
        pytest.param(
            encode(np.array([[[0, 0, 1], [0, 0, 0]]], np.uint8)),
            f"is colored, for example red 1 green 0 blue 0; {ADVICE}, or of class indices",
            id="nearly gray",
        ),
        pytest.param(
            encode(np.array([[[9, 9, 9, 254], [9, 9, 9, 255]]], np.uint8)),
            f"is partly transparent, so that it is unclear what marks the lesion; {ADVICE}",
            id="nearly opaque",
        ),
        pytest.param(
            encode(np.array([[[9, 9, 9, 30_000], [9, 9, 9, 65535]]], np.uint16)),
            f"is partly transparent, so that it is unclear what marks the lesion; {ADVICE}",
            id="transparent in 16 bits",
        ),
        pytest.param(
            encode(np.array([[256]], np.uint16)),
            "holds 16-bit values up to 256, which are neither class indices nor levels of 0 to 65535",
            id="16 bits",
        ),
    ],
)
def test_what_is_wrong_with_a_mask_is_said_in_full(data, message):
    with pytest.raises(MaskError) as caught:
        decode_mask(data)
    assert str(caught.value) == message


def test_a_threshold_of_ones_own_is_used_for_levels_only_where_any_are_allowed():
    def cut(levels):
        return (levels >= 20).astype(np.uint8)

    data = encode(np.array([[0, 19, 20]], np.uint8))
    assert read_mask(data, cut=cut, any_levels=True).tolist() == [[0, 0, 1]]
    with pytest.raises(MaskError, match="holds only levels up to 20"):
        read_mask(data, cut=cut)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 1), min_size=1, max_size=30), st.sampled_from([1, 2, 4, 8, 16]))
def test_a_binary_mask_of_any_depth_is_itself(pixels, depth):
    for highest in {1, 2**depth - 1} if depth in (1, 8, 16) else {2**depth - 1}:
        data = png_of_bits([value * highest for value in pixels], depth)
        assert read_mask(data).tolist() == [pixels]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"II*\0"]))
def test_any_bytes_are_a_mask_or_a_mask_error(data, start):
    with contextlib.suppress(MaskError):
        assert read_mask(start + data, None).ndim == 2


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8, 5])
def test_a_mask_is_turned_as_its_image_is(tmp_path, file_format, orientation):
    mask = np.zeros((32, 48), np.uint8)
    mask[:8, :24] = 255
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    PIL.Image.fromarray(mask).save(out, file_format, exif=exif)
    image = read_image(tmp_path / "a", out.getvalue())
    np.testing.assert_array_equal(read_mask(out.getvalue()), image >= 128)
    assert image.shape == ((48, 32) if orientation >= 5 else (32, 48))


def test_damaged_and_foreign_masks_are_refused_and_never_read_in_part():
    noise = (np.random.default_rng(0).integers(0, 2, (64, 64)) * 255).astype(np.uint8)
    jpeg, png = encode(noise, ".jpg"), encode(noise)
    half = len(jpeg) // 2
    for data, message in (
        (jpeg[:half] + b"\xff\xd9", "damaged or missing data"),
        (png[:-20] + bytes([png[-20] ^ 1]) + png[-19:], "damaged chunk"),
        (encode(noise, ".bmp"), "contains BMP, which is not JPEG, PNG or TIFF"),
    ):
        with pytest.raises(MaskError, match=message):
            decode_mask(data)
    pages = io.BytesIO()
    PIL.Image.fromarray(noise).save(pages, "TIFF", save_all=True, append_images=[PIL.Image.fromarray(noise)])
    with pytest.raises(MaskError, match="holds 2 frames"):
        decode_mask(pages.getvalue())


def palette(indices, colors):
    image = PIL.Image.frombytes("P", indices.shape[::-1], indices.tobytes())
    image.putpalette([level for color in colors for level in color])
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def test_a_palette_that_shows_higher_indices_darker_is_refused():
    for data in (palette(LESION, [[255] * 3, [0] * 3]), palette(LESION * 255, [[255] * 3] + [[0] * 3] * 255)):
        with pytest.raises(MaskError, match=r"shows its indices 0, (1|255) as the gray levels 255, 0, so that it is unclear"):
            read_mask(data)
    with pytest.raises(MaskError, match="shows its indices 0, 1 as the gray levels"):
        read_mask(palette(1 - LESION, [[200] * 3, [100] * 3]))


@pytest.mark.parametrize("colors", [[[0] * 3, [255] * 3], [[255] * 3, [255, 0, 0]], [[0] * 3, [0] * 3]])
def test_any_other_palette_is_read_by_its_indices(colors):
    np.testing.assert_array_equal(read_mask(palette(LESION, colors)), LESION)


def test_a_palette_whose_indices_end_early_is_refused():
    def chunk(kind, content):
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    header = (16).to_bytes(4, "big") * 2 + bytes([8, 3, 0, 0, 0])
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"PLTE", bytes([0, 0, 0, 255, 0, 0]))
    rows = zlib.compress(b"".join(b"\0" + bytes(row) for row in LESION[:9]))
    with pytest.raises(MaskError, match="cannot be decoded"):
        read_mask(data + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
