"""EXIF orientation: every reader shows an image as browsers and annotation tools do."""

import io

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from pipeline.sources import read_header, read_image

GRAY = np.arange(0, 240, 4, dtype=np.uint8).reshape(10, 6)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF"])
def test_an_image_is_turned_as_pillow_turns_it(tmp_path, file_format, orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.img"
    PIL.Image.fromarray(GRAY).save(path, file_format, exif=exif)
    image = PIL.Image.open(io.BytesIO(path.read_bytes()))  # a mapped TIFF is turned wrongly by Pillow 13
    expected = np.asarray(image if file_format == "TIFF" else PIL.ImageOps.exif_transpose(image))  # it turns a TIFF itself
    np.testing.assert_array_equal(read_image(path), expected)
    header = read_header(path)
    assert ((header.height, header.width), header.orientation) == (expected.shape, orientation)


@pytest.mark.parametrize("orientation", [0, 9, 99])
def test_an_orientation_that_does_not_exist_is_ignored(tmp_path, orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    data = io.BytesIO()
    PIL.Image.fromarray(GRAY).save(data, "PNG", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", data.getvalue()), GRAY)
    assert read_header(tmp_path / "a.png", data.getvalue()).orientation == 1
