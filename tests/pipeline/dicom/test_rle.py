"""Runs that make exactly the pixels, and damaged ones that make others."""

import struct

import numpy as np
import pydicom
import pytest
from inputs import mammogram
from pydicom.encaps import generate_frames
from pydicom.uid import RLELossless

from pipeline.dicom.rle import is_exact


def frame(*segments):
    offsets = np.cumsum([64, *map(len, segments)])[:-1]
    return struct.pack("<16L", len(segments), *offsets, *[0] * (15 - len(segments))) + b"".join(segments)


LITERAL, RUN, NOTHING = b"\x02abc", b"\xfdx", b"\x80"  # three pixels, four, and none


@pytest.mark.parametrize(
    ("segments", "is_whole"),
    [
        pytest.param([LITERAL + RUN], True, id="exact"),
        pytest.param([LITERAL + NOTHING + RUN + b"\0"], True, id="an even length"),
        pytest.param([LITERAL + RUN + bytes(3)], True, id="more zeros"),
        pytest.param([LITERAL + RUN + b"\0\1"], True, id="a pixel of padding"),
        pytest.param([LITERAL + RUN + LITERAL], False, id="a run too many"),
        pytest.param([LITERAL + b"\xfcx"], False, id="a run too long"),
        pytest.param([RUN], False, id="too few"),
        pytest.param([LITERAL + RUN, RUN + LITERAL], False, id="a segment too many"),
    ],
)
def test_runs_of_seven_bytes(segments, is_whole):
    assert is_exact(frame(*segments), 7, 1) == is_whole


def test_both_bytes_of_a_pixel_are_checked():
    assert is_exact(frame(LITERAL, LITERAL), 3, 2)
    assert not is_exact(frame(LITERAL, LITERAL + RUN + RUN), 3, 2)


def test_what_pydicom_writes_is_exact(tmp_path):
    dataset = pydicom.dcmread(mammogram(tmp_path / "a.dcm", np.arange(35, dtype=np.uint16).reshape(5, 7) // 3))
    dataset.compress(RLELossless, encoding_plugin="pydicom")
    assert is_exact(next(generate_frames(dataset.PixelData, number_of_frames=1)), 35, 2)
