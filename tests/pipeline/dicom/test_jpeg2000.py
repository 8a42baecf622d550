"""Coded data of JPEG 2000 that no encoder writes."""

import io

import numpy as np
import PIL.Image
import pytest

from pipeline.dicom.jpeg2000 import is_possible

NOISE = np.random.default_rng(0).integers(0, 256, (96, 120), np.uint8)
HALF_BLACK = np.hstack([NOISE, np.zeros((96, 680), np.uint8)])


def encode(pixels, **options):
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "JPEG2000", no_jp2=True, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="plain"),
        pytest.param({"tile_size": (40, 50)}, id="tiles"),
        pytest.param({"precinct_size": (64, 64), "codeblock_size": (16, 16)}, id="precincts"),
        pytest.param({"quality_layers": [60, 30, 10, 1], "codeblock_size": (4, 4)}, id="layers of small blocks"),
        pytest.param({"irreversible": True, "quality_layers": [20]}, id="lossy"),
    ],
)
@pytest.mark.parametrize("pixels", [NOISE, HALF_BLACK, np.zeros((300, 400), np.uint8)], ids=["noise", "half black", "black"])
def test_what_an_encoder_writes_is_possible(pixels, options):
    assert is_possible(encode(pixels, **options))


@pytest.mark.parametrize("options", [{}, {"tile_size": (40, 50)}], ids=["plain", "tiles"])
@pytest.mark.parametrize("hole", [bytes(128), b"\xff\x90", b"\xff\x91ab", b"\xff\xff"], ids=["zeros", "mark", "no SOP", "ones"])
def test_a_hole_is_not(hole, options):
    stream = encode(NOISE, **options)
    at = len(stream) - len(hole) - 40
    assert not is_possible(stream[:at] + hole + stream[at + len(hole) :])


@pytest.mark.parametrize("mark", [b"\xff\x91\0\x04\0\0", b"\xff\x92"], ids=["SOP", "EPH"])
def test_marks_of_packets_are_possible(mark):
    stream = encode(NOISE)
    at = len(stream) - 500
    assert is_possible(stream[:at] + mark + stream[at + len(mark) :])


def test_zeros_are_possible_in_high_throughput_blocks():
    stream = encode(NOISE)
    at, style = len(stream) - 200, stream.index(b"\xff\x52") + 12
    assert not is_possible(stream[:at] + bytes(128) + stream[at + 128 :])
    stream = stream[:style] + b"\x40" + stream[style + 1 :]
    assert is_possible(stream[:at] + bytes(128) + stream[at + 128 :])


@pytest.mark.parametrize("stream", [b"", b"\xff\x4f\xff\x51", encode(NOISE)[:90]], ids=["nothing", "a mark", "a part"])
def test_headers_that_cannot_be_followed_are_left_to_the_decoder(stream):
    assert is_possible(stream)
