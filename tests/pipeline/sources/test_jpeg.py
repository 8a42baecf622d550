"""JPEG: healthy files of all codings decode as by OpenCV, and missing data is noticed."""

import cv2
import numpy as np
import PIL.Image
import pytest

from pipeline.contract import SourceError
from pipeline.sources import read_image

_ROWS, _COLUMNS = np.mgrid[0:96, 0:120]
SMOOTH = (110 + 60 * np.sin(_ROWS / 7) + 40 * np.cos(_COLUMNS / 5) + np.random.default_rng(0).normal(0, 8, (96, 120))).astype(
    np.uint8
)
CODINGS = [
    pytest.param({}, id="baseline"),
    pytest.param({cv2.IMWRITE_JPEG_OPTIMIZE: 1, cv2.IMWRITE_JPEG_QUALITY: 30}, id="optimized"),
    pytest.param({cv2.IMWRITE_JPEG_PROGRESSIVE: 1}, id="progressive"),
    pytest.param({cv2.IMWRITE_JPEG_RST_INTERVAL: 10}, id="restart markers"),
    pytest.param({cv2.IMWRITE_JPEG_RST_INTERVAL: 1, cv2.IMWRITE_JPEG_PROGRESSIVE: 1}, id="both"),
]


def encoded(pixels, options):
    return cv2.imencode(".jpg", pixels, [number for pair in options.items() for number in pair])[1].tobytes()


def scan(data):
    """The start and the end of the last coded data."""
    start = data.rindex(b"\xff\xda")
    return start + 2 + int.from_bytes(data[start + 2 : start + 4], "big"), data.rindex(b"\xff\xd9")


@pytest.mark.parametrize("options", CODINGS)
@pytest.mark.parametrize(
    "pixels", [SMOOTH, np.dstack([SMOOTH, SMOOTH[::-1], 255 - SMOOTH]), SMOOTH[:1, :1], np.zeros((40, 40), np.uint8)]
)
def test_healthy_files_decode_as_by_opencv(tmp_path, pixels, options):
    data = encoded(pixels, options)
    for color, flags in ((False, cv2.IMREAD_GRAYSCALE), (True, cv2.IMREAD_COLOR_RGB)):
        expected = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        np.testing.assert_array_equal(read_image(tmp_path / "a.jpg", data, color=color), expected)


@pytest.mark.parametrize("options", CODINGS)
@pytest.mark.parametrize("lost", [24, 200])
def test_data_that_ends_early_behind_an_end_mark_is_refused(tmp_path, options, lost):
    data = encoded(SMOOTH, options)
    start, stop = scan(data)
    lost = min(lost, (stop - start) * 2 // 3)
    with pytest.raises(SourceError, match="has damaged or missing data") as error:
        read_image(tmp_path / "a.jpg", data[: stop - lost] + data[stop:])
    assert error.value.reason == "pixels-unreadable"


@pytest.mark.parametrize("options", CODINGS)
def test_a_hole_is_refused(tmp_path, options):
    data = encoded(SMOOTH, options)
    start, stop = scan(data)
    middle, size = (start + stop) // 2, (stop - start) // 4
    for damaged in (data[:middle] + data[middle + size :], data[:middle] + bytes(size) + data[middle + size :]):
        with pytest.raises(SourceError, match="has damaged or missing data"):
            read_image(tmp_path / "a.jpg", damaged)


def test_bytes_behind_the_end_mark_and_thumbnails_do_no_harm(tmp_path):
    data = encoded(SMOOTH, {})
    thumbnail = encoded(SMOOTH[:16, :16], {})
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    for harmless in (data + b"\0" * 100, data + b"trailer", data[:2] + segment + data[2:], data[:-2] + b"\xff\xff\xff\xd9"):
        np.testing.assert_array_equal(read_image(tmp_path / "a.jpg", harmless), read_image(tmp_path / "a.jpg", data))


def test_a_jpeg_of_four_colors_is_refused(tmp_path):
    PIL.Image.fromarray(SMOOTH).convert("CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(SourceError, match="four colors"):
        read_image(tmp_path / "a.jpg")
