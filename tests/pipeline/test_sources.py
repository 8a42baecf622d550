"""Reading source images: depths, colors, DICOM, and files that are broken in every way."""

import cv2
import numpy as np
import PIL.Image
import pytest
from inputs import mammogram

from pipeline.contract import DATASET_MARK, IMAGE_SUFFIXES, SourceError
from pipeline.sources import PHANTOM_MARK, find_files, read_header, read_image

GRAY = np.arange(0, 240, 4, dtype=np.uint8).reshape(10, 6)
STORED = GRAY.astype(np.int16) * 16  # twelve bits


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


def test_find_files_skips_phantoms_data_sets_and_hidden_folders(tmp_path):
    for name in ("a.jpg", "deep/er/b.JPG", ".hidden/c.jpg", "phantom/d.jpg", "made/train/images/e.jpg", "~$f.jpg", "g.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "phantom" / PHANTOM_MARK).write_text("")
    (tmp_path / "made" / DATASET_MARK).write_text("")
    assert [path.name for path in find_files(tmp_path, IMAGE_SUFFIXES)] == ["a.jpg", "b.JPG"]
    assert [path.name for path in find_files(tmp_path / "phantom", IMAGE_SUFFIXES)] == ["d.jpg"]


def test_find_files_recognises_dicom_by_its_mark_and_skips_its_index(tmp_path):
    for name in ("IM000001", "1.2.840.5", "DICOMDIR", "b.dcm"):
        mammogram(tmp_path / name, STORED)
    (tmp_path / "notes").write_text("no image")
    names = [path.name for path in find_files(tmp_path, IMAGE_SUFFIXES, dicom=True)]
    assert names == ["1.2.840.5", "IM000001", "b.dcm"]
    assert [path.name for path in find_files(tmp_path, IMAGE_SUFFIXES)] == ["b.dcm"]
    assert read_header(tmp_path / "IM000001") == read_header(tmp_path / "b.dcm")


@pytest.mark.parametrize(("stored", "expected"), [(np.uint8(51), 51 * 257), (np.uint16(1000), 1000)])
def test_sixteen_bits_are_kept_on_request(tmp_path, stored, expected):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 4), stored))
    image = read_image(tmp_path / "a.png", bits=16)
    assert (image.dtype, image[0, 0]) == (np.uint16, expected)
