"""The levels of source images: depths and colors."""

import cv2
import numpy as np
import PIL.Image
import pytest

from pipeline.sources import read_header, read_image

GRAY = np.arange(0, 240, 4, dtype=np.uint8).reshape(10, 6)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF", ".PNG"])
def test_8_and_16_bit_files_read_the_same(tmp_path, suffix):
    eight, sixteen = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    cv2.imwrite(str(eight), GRAY)
    cv2.imwrite(str(sixteen), GRAY.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(eight), GRAY)
    np.testing.assert_array_equal(read_image(sixteen), GRAY)
    assert (read_header(sixteen).width, read_header(sixteen).height) == (6, 10)


def test_color_becomes_luma_and_exif_orientation_is_not_applied(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turn by a quarter
    PIL.Image.fromarray(GRAY).convert("RGB").save(tmp_path / "a.jpg", quality=100, exif=exif)
    image = read_image(tmp_path / "a.jpg")
    assert image.shape == (10, 6)
    assert np.abs(image.astype(int) - GRAY).max() < 4


@pytest.mark.parametrize(("stored", "expected"), [(np.uint8(51), 51 * 257), (np.uint16(1000), 1000)])
def test_sixteen_bits_are_kept_on_request(tmp_path, stored, expected):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 4), stored))
    image = read_image(tmp_path / "a.png", bits=16)
    assert (image.dtype, image[0, 0]) == (np.uint16, expected)
