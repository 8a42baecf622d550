"""The levels of source images: depths and colors."""

import io
import struct
import zlib

import cv2
import numpy as np
import PIL.Image
import PIL.TiffImagePlugin
import pytest

from pipeline.contract import SourceError
from pipeline.sources import read_header, read_image
from pipeline.sources.levels import scale

GRAY = np.arange(0, 240, 4, dtype=np.uint8).reshape(10, 6)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF", ".PNG"])
def test_8_and_16_bit_files_read_the_same(tmp_path, suffix):
    eight, sixteen = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    cv2.imwrite(str(eight), GRAY)
    cv2.imwrite(str(sixteen), GRAY.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(eight), GRAY)
    np.testing.assert_array_equal(read_image(sixteen), GRAY)
    assert (read_header(sixteen).width, read_header(sixteen).height) == (6, 10)


def test_color_becomes_luma(tmp_path):
    PIL.Image.fromarray(GRAY).convert("RGB").save(tmp_path / "a.jpg", quality=100)
    image = read_image(tmp_path / "a.jpg")
    assert image.shape == (10, 6)
    assert np.abs(image.astype(int) - GRAY).max() < 4


@pytest.mark.parametrize(("stored", "expected"), [(np.uint8(51), 51 * 257), (np.uint16(1000), 1000)])
def test_sixteen_bits_are_kept_on_request(tmp_path, stored, expected):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 4), stored))
    image = read_image(tmp_path / "a.png", bits=16, stated_bits=16)
    assert (image.dtype, image[0, 0]) == (np.uint16, expected)


@pytest.mark.parametrize("white", [1, 15, 51, 255, 257, 1023, 4095, 21845])
@pytest.mark.parametrize("bits", [8, 16])
def test_levels_are_scaled_and_rounded_whether_or_not_white_divides_the_range(white, bits):
    levels = np.arange(white + 1, dtype=np.uint16)
    full = 2**bits - 1
    scaled = scale(levels, white, bits)
    assert scaled.dtype == (np.uint8 if bits == 8 else np.uint16)
    np.testing.assert_array_equal(scaled, [(level * full + white // 2) // white for level in range(white + 1)])


TWELVE = GRAY.astype(np.uint16) * 17  # levels of a detector of 12 bits: 0 to 4012


def written(tmp_path, pixels, suffix=".png", sbit=0, **tags):
    """A file of these pixels; `sbit` are a PNG's significant bits, `tags` those of TIFF, as t262."""
    path = tmp_path / f"a{suffix}"
    if suffix == ".png":
        data = cv2.imencode(".png", pixels)[1].tobytes()
        chunk = b"sBIT" + bytes([sbit])
        stated = struct.pack(">I", 1) + chunk + struct.pack(">I", zlib.crc32(chunk))
        path.write_bytes(data[:33] + (stated if sbit else b"") + data[33:])
    else:
        directory = PIL.TiffImagePlugin.ImageFileDirectory_v2()
        for tag, value in tags.items():
            directory[int(tag[1:])] = value
        PIL.Image.fromarray(pixels).save(path, tiffinfo=directory)
    return path


@pytest.mark.parametrize(
    ("options", "stated"),
    [
        pytest.param({"sbit": 12}, None, id="stated by a PNG"),
        pytest.param({"suffix": ".tif", "t281": 4095}, None, id="stated by a TIFF"),
        pytest.param({}, 12, id="stated by the recipe"),
        pytest.param({"suffix": ".tif"}, 12, id="TIFF, stated by the recipe"),
    ],
)
def test_levels_of_12_bits_are_scaled_by_the_range_that_is_stated(tmp_path, options, stated):
    path = written(tmp_path, TWELVE, **options)
    expected = np.rint(TWELVE * (255 / 4095))
    np.testing.assert_array_equal(read_image(path, stated_bits=stated), expected)
    np.testing.assert_array_equal(read_image(path, bits=16, stated_bits=stated), np.rint(TWELVE * (65535 / 4095)))
    assert read_header(path).is_deep


@pytest.mark.parametrize("most", [1023, 4095, 16383])
@pytest.mark.parametrize("options", [{}, {"suffix": ".tif"}, {"suffix": ".tif", "t281": 4000}])
def test_levels_that_cannot_fill_16_bits_are_refused_where_nobody_states_their_range(tmp_path, options, most):
    path = written(tmp_path, (GRAY * (most / 240)).astype(np.uint16), **options)
    with pytest.raises(
        SourceError, match=r"has 16 bits but only levels up to \d+, .* set bits = 12 .* in the recipe's \[source\]"
    ):
        read_image(path)


def test_a_scaled_png_with_significant_bits_keeps_its_levels(tmp_path):
    scaled = (TWELVE << 4) | (TWELVE >> 8)
    np.testing.assert_array_equal(read_image(written(tmp_path, scaled, sbit=12), bits=16), scaled)


def test_levels_above_the_stated_range_are_refused(tmp_path):
    with pytest.raises(SourceError, match="holds levels up to 4012, more than bits = 10 in the recipe's") as error:
        read_image(written(tmp_path, TWELVE), stated_bits=10)
    assert error.value.reason == "levels-unclear"


def test_black_is_black_in_any_range(tmp_path):
    assert not read_image(written(tmp_path, np.zeros((4, 4), np.uint16))).any()


@pytest.mark.parametrize("pixels", [GRAY, GRAY.astype(np.uint16) * 257])
def test_white_is_zero_is_inverted_once(tmp_path, pixels):
    path = written(tmp_path, pixels, ".tif")
    black_is_zero, white_is_zero = (struct.pack("<HHIH", 262, 3, 1, photometric) for photometric in (1, 0))
    assert black_is_zero in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(black_is_zero, white_is_zero))
    np.testing.assert_array_equal(read_image(path), 255 - GRAY)


def encoded(image, file_format="PNG", **options):
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


BILEVEL = PIL.Image.fromarray(GRAY).point(lambda level: 255 * (level > 100), "1")
COLOR = np.dstack([GRAY, GRAY[::-1], 255 - GRAY])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(encoded(BILEVEL), 255 * (GRAY > 100), id="1 bit"),
        pytest.param(encoded(BILEVEL, "TIFF"), 255 * (GRAY > 100), id="TIFF of 1 bit"),
        pytest.param(encoded(PIL.Image.fromarray(GRAY).quantize(64)), GRAY, id="palette"),
        pytest.param(encoded(PIL.Image.fromarray(GRAY).convert("LA")), GRAY, id="gray and opaque"),
        pytest.param(encoded(PIL.Image.fromarray(GRAY).convert("RGBA"), "TIFF"), GRAY, id="color and opaque"),
        pytest.param(cv2.imencode(".png", np.dstack([GRAY] * 3).astype(np.uint16) * 257)[1].tobytes(), GRAY, id="16-bit color"),
        pytest.param(cv2.imencode(".tif", np.dstack([GRAY] * 3).astype(np.uint16) * 257)[1].tobytes(), GRAY, id="its TIFF"),
    ],
)
def test_all_codings_of_gray_levels_are_read_alike(tmp_path, data, expected):
    (tmp_path / "a.png").write_bytes(data)
    assert np.abs(read_image(tmp_path / "a.png").astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", color=True)[..., 1], read_image(tmp_path / "a.png"))


def test_colors_are_red_green_blue(tmp_path):
    for suffix in (".png", ".tif"):
        cv2.imwrite(str(tmp_path / f"a{suffix}"), COLOR[..., ::-1].astype(np.uint16) * 257)
        np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}", color=True), COLOR)
    cv2.imwrite(str(tmp_path / "a.jpg"), COLOR[..., ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg", color=True), cv2.imread(str(tmp_path / "a.jpg"))[..., ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), cv2.imread(str(tmp_path / "a.jpg"), cv2.IMREAD_GRAYSCALE))
