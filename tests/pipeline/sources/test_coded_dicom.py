"""DICOM whose coded pixels end early or have a hole: a reject, and never other pixels."""

import cv2
import numpy as np
import pydicom
import pytest
from inputs import mammogram
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from pipeline.contract import SourceError
from pipeline.phantom.compression import compress
from pipeline.sources import read_image

_ROWS, _COLUMNS = np.mgrid[0:96, 0:120]
NOISE = np.random.default_rng(0).normal(0, 8, (96, 120))
SMOOTH = (110 + 60 * np.sin(_ROWS / 7) + 40 * np.cos(_COLUMNS / 5) + NOISE).astype(np.uint8)


SYNTAXES = [JPEGBaseline8Bit, JPEGLossless, JPEGLosslessSV1, JPEG2000Lossless, JPEGLSLossless, RLELossless]


def coded(path, syntax):
    """A mammogram in a coding, and its frame."""
    if syntax == JPEGBaseline8Bit:
        frame = cv2.imencode(".jpg", SMOOTH)[1].tobytes()
        tags = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelData": encapsulate([frame])}
        mammogram(path, SMOOTH, syntax, **tags)
        return pydicom.dcmread(path), frame
    dataset = pydicom.dcmread(mammogram(path, SMOOTH.astype(np.uint16) * 16))
    compress(dataset, syntax)
    dataset.save_as(path)
    return dataset, next(generate_frames(dataset.PixelData, number_of_frames=1))


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_data_that_ends_early_is_refused(tmp_path, syntax, share):
    path = tmp_path / "a.dcm"
    dataset, frame = coded(path, syntax)
    assert np.abs(read_image(path).astype(int) - SMOOTH).max() < 24
    start = 700 if syntax == JPEGBaseline8Bit else 0
    end = b"" if syntax == RLELossless else b"\xff\xd9"
    dataset.PixelData = encapsulate([frame[: start + int((len(frame) - start) * share)] + end])
    dataset.save_as(path)
    with pytest.raises(SourceError) as error:
        read_image(path)
    assert error.value.reason == "pixels-unreadable"


def damaged(frame, start, damage):
    """A frame with 1000 bytes damaged after a start."""
    before, hole, after = frame[:start], frame[start : start + 1000], frame[start + 1000 :]
    if damage == "zeros":
        hole = bytes(1000)
    elif damage == "ones":
        hole = b"\xff" * 1000
    elif damage == "lost":
        hole = b""
    elif damage == "twice":
        hole *= 2
    return before + hole + after


@pytest.mark.parametrize("damage", ["zeros", "ones", "lost", "twice"])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_data_with_a_hole_is_refused(tmp_path, syntax, damage):
    path = tmp_path / "a.dcm"
    dataset, frame = coded(path, syntax)
    for share in (0.3, 0.6):
        dataset.PixelData = encapsulate([damaged(frame, int(len(frame) * share), damage)])
        dataset.save_as(path)
        with pytest.raises(SourceError) as error:
            read_image(path)
        assert error.value.reason == "pixels-unreadable"
