"""Files that are no whole image: each is refused, with the reason."""

import cv2
import numpy as np
import PIL.Image
import pytest

from pipeline.contract import SourceError
from pipeline.sources import read_header, read_image
from pipeline.sources.contents import _count_scans

GRAY = np.arange(0, 240, 4, dtype=np.uint8).reshape(10, 6)


def broken(tmp_path, kind):
    path = tmp_path / "P1_L_DM_CC.jpg"
    sound = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8))[1].tobytes()
    if kind == "cut png":
        path = path.with_suffix(".png")
        sound = cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8))[1].tobytes()
    if kind == "frames":
        path = path.with_suffix(".tif")
        PIL.Image.fromarray(GRAY).save(path, save_all=True, append_images=[PIL.Image.fromarray(GRAY)])
        return path
    path.write_bytes(
        {"empty": b"", "text": b"<html>not here</html>", "cut": sound[: len(sound) // 2], "cut png": sound[: len(sound) // 2]}[
            kind
        ]
    )
    return path


@pytest.mark.parametrize(
    ("kind", "reason", "message"),
    [
        ("empty", "file-empty", "has 0 bytes; download it again"),
        ("text", "not-an-image", "starts with b'<html>no', which is not JPEG, PNG or TIFF"),
        ("cut", "file-truncated", "without its end mark; download it again"),
        ("cut png", "file-truncated", "is a PNG of"),
        ("frames", "multi-frame", "holds 2 frames; save the one to use as a separate image"),
    ],
)
def test_a_broken_file_is_reported_before_it_is_decoded(tmp_path, kind, reason, message):
    with pytest.raises(SourceError) as error:
        read_header(broken(tmp_path, kind))
    assert error.value.reason == reason
    assert message in str(error.value)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(SourceError, match="cannot be read: No such file") as error:
        read_image(tmp_path / "gone.jpg")
    assert error.value.reason == "file-unreadable"


def test_an_absurdly_large_image_is_refused_by_its_header(tmp_path):
    data = bytearray(cv2.imencode(".png", GRAY)[1].tobytes())
    data[16:24] = (60000).to_bytes(4, "big") * 2
    data[29:33] = __import__("zlib").crc32(bytes(data[12:29])).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(bytes(data))
    with pytest.raises(SourceError) as error:
        read_header(tmp_path / "a.png")
    assert error.value.reason == "too-large"


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), np.zeros((8, 8), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    data = path.read_bytes()
    assert read_image(path).shape == (8, 8)
    scan = data[data.rindex(b"\xff\xda") : -2]
    path.write_bytes(data[:-2] + scan * 100 + data[-2:])
    assert path.read_bytes().count(b"\xff\xda") == _count_scans(path.read_bytes()) > 100
    assert _count_scans(b"\xff\xda\xda\xff\xda") == _count_scans(b"\0" + b"\xff\xda" * 2) == 2
    with pytest.raises(SourceError, match=r"is a JPEG of \d+ scans; expected at most 100") as error:
        read_image(path)
    assert error.value.reason == "too-large"
