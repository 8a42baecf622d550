"""Bits of lossless JPEG that decoded pixels account for: all of a whole stream's, and not a damaged one's."""

import struct

import numpy as np
import pydicom
import pytest
from inputs import mammogram
from lossless_encoder import encode
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLossless

from pipeline.dicom.lossless_jpeg import is_accounted_for, read_scan


def picture(bits, rows=12, columns=10):
    """Samples that use the whole range, and all categories of differences."""
    random = np.random.default_rng(bits)
    steps = 2.0 ** random.uniform(0, bits, (rows, columns))
    return (steps.astype(np.int64) % 2**bits).astype(np.uint8 if bits == 8 else np.uint16)


def fits(stream, samples):
    return is_accounted_for(samples, read_scan(stream))


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("options", [{}, {"interval": 5}, {"interval": 4}, {"shift": 2}], ids=str)
@pytest.mark.parametrize("predictor", range(1, 8))
def test_a_whole_stream_has_the_bits_that_its_pixels_take(predictor, options, bits):
    samples = picture(bits) >> options.get("shift", 0) << options.get("shift", 0)
    stream = encode(samples, bits, predictor, **options)
    assert fits(stream, samples)
    flat = np.zeros_like(samples)
    assert not fits(stream, flat)
    assert not fits(encode(flat, bits, predictor, **options), samples)


@pytest.mark.parametrize("options", [{}, {"interval": 4}], ids=str)
@pytest.mark.parametrize("predictor", range(1, 8))
def test_a_decoder_agrees_with_the_encoder_of_these_tests(tmp_path, predictor, options):
    samples = picture(12)
    pixels = encapsulate([encode(samples, 12, predictor, **options)])
    path = mammogram(tmp_path / "a.dcm", samples, JPEGLossless, PixelData=pixels)
    np.testing.assert_array_equal(pydicom.dcmread(path).pixel_array, samples)


def test_a_block_of_many_lines_counts_each_line_once():
    samples = picture(12, rows=600)
    assert fits(encode(samples, 12, 4), samples)


END = b"\xff\xd9"


@pytest.mark.parametrize(
    ("change", "is_whole"),
    [
        pytest.param(lambda data: data + END, True, id="as written"),
        pytest.param(lambda data: data, True, id="without an end mark"),
        pytest.param(lambda data: data + b"\xff\xff" + END, True, id="fill bytes"),
        pytest.param(lambda data: data + b"\xff\0" + END, True, id="a further byte of ones"),
        pytest.param(lambda data: data + b"\x5a" + END, False, id="a further byte"),
        pytest.param(lambda data: data + bytes(5) + END, False, id="five further bytes"),
        pytest.param(lambda data: data[:-1] + END, False, id="a byte too few"),
        pytest.param(lambda data: data[:-9] + b"\xff\xd0" + data[-9:] + END, False, id="a restart that no header states"),
    ],
)
def test_what_stands_between_the_last_code_and_the_end(change, is_whole):
    samples = picture(12)
    stream = encode(samples, 12, 1)
    assert stream.endswith(END)
    assert fits(change(stream[:-2]), samples) == is_whole


def test_padding_may_be_zeros():
    samples = picture(12)
    stream = encode(samples, 12, 1, padding="0")
    assert stream != encode(samples, 12, 1)
    assert fits(stream, samples)


def test_another_kind_of_jpeg_has_no_scan_to_count():
    stream = encode(picture(8), 8, 1)
    assert read_scan(stream.replace(b"\xff\xc3", b"\xff\xc1")) is None
    colored = stream.replace(struct.pack(">B3s", 1, b"\1\x11\0"), struct.pack(">B3s", 3, b"\1\x11\0"), 1)
    assert read_scan(colored) is None
