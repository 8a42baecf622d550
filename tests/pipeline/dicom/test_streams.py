"""The size that coded streams claim, and streams that claim two sizes."""

import struct

import pytest

from pipeline.dicom.streams import read_claim


def frame_header(marker, width, height):
    return bytes([0xFF, marker]) + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\1\x11\0"


START, SCAN = b"\xff\xd8", b"\xff\xda\0\x08\1\1\0\0\0\0data"


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC3, 0xF7])
def test_a_size_is_read_before_the_first_scan(marker):
    table = b"\xff\xc4\0\x04\0\0"
    assert read_claim(START + table + frame_header(marker, 40, 48) + SCAN) == (40, 48, 1)


@pytest.mark.parametrize("second", [0xC0, 0xC3, 0xF7])
def test_a_second_frame_header_makes_the_claim_invalid(second):
    assert read_claim(START + frame_header(0xF7, 40, 48) + frame_header(second, 20000, 20000) + SCAN) is None


@pytest.mark.parametrize("stream", [b"", START, START + SCAN, b"\xff\x4f\xff\x51", b"no stream at all"])
def test_streams_without_a_size(stream):
    assert read_claim(stream) is None
