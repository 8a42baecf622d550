"""Reading source images: depths, colours, DICOM, and files that are broken in every way."""

import cv2
import numpy as np
import PIL.Image
import pydicom
import pytest
from inputs import mammogram
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLosslessSV1

from pipeline.sources import DATASET_MARK, PHANTOM_MARK, SUFFIXES, SourceError, find_files, read_header, read_image

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


def test_colour_becomes_luma_and_exif_orientation_is_not_applied(tmp_path):
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
    ("kind", "reason", "words"),
    [
        ("empty", "file-empty", "has 0 bytes; download it again"),
        ("text", "not-an-image", "starts with b'<html>no', which is no JPEG, PNG or TIFF"),
        ("cut", "file-truncated", "without its end mark; download it again"),
        ("cut png", "file-truncated", "is a PNG of"),
        ("frames", "multi-frame", "holds 2 frames"),
    ],
)
def test_a_broken_file_is_told_before_it_is_decoded(tmp_path, kind, reason, words):
    with pytest.raises(SourceError) as error:
        read_header(broken(tmp_path, kind))
    assert error.value.reason == reason
    assert words in str(error.value)


def test_a_missing_file_is_told(tmp_path):
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


def test_dicom_gives_identity_and_pixels(tmp_path):
    path = mammogram(tmp_path / "a.dcm", STORED)
    header = read_header(path)
    assert (header.patient, header.side, header.kind, header.view, header.spacing_mm) == ("P7", "L", "CM", "CC", 0.1)
    image = read_image(path)
    np.testing.assert_array_equal(image, np.rint(STORED * 255.0 / 4095).astype(np.uint8))


def test_monochrome1_is_inverted_once_against_the_fixed_maximum(tmp_path):
    plain = read_image(mammogram(tmp_path / "a.dcm", STORED))
    inverted = mammogram(tmp_path / "b.dcm", STORED, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    assert np.abs(read_image(inverted).astype(int) - (255 - plain.astype(int))).max() <= 1


def test_a_window_maps_to_black_and_white(tmp_path):
    path = mammogram(tmp_path / "a.dcm", STORED, WindowCenter="1920", WindowWidth="1920")
    image, stored = read_image(path).astype(float), STORED.astype(float)
    wanted = np.clip((stored - (1920 - 0.5)) / 1919 + 0.5, 0, 1) * 255  # PS3.3 C.11.2.1.2.1
    np.testing.assert_allclose(image, wanted, atol=0.51)


def test_a_voi_lut_after_an_identity_rescale_keeps_its_own_range(tmp_path):
    lut = Dataset()
    lut.LUTDescriptor = [4096, 0, 10]
    lut.LUTData = (np.arange(4096) // 4).astype("<u2").tobytes()
    lut["LUTData"].VR = "OW"
    path = mammogram(tmp_path / "a.dcm", STORED, VOILUTSequence=[lut], RescaleSlope="1", RescaleIntercept="0")
    np.testing.assert_allclose(read_image(path), STORED // 4 * 255.0 / 1023, atol=0.51)


def test_signed_pixels_use_the_signed_range(tmp_path):
    stored = STORED - 2048
    path = mammogram(tmp_path / "a.dcm", stored, PixelRepresentation=1)
    np.testing.assert_allclose(read_image(path), STORED * 255.0 / 4095, atol=0.51)


@pytest.mark.parametrize(
    ("tags", "reason", "words"),
    [
        ({"PresentationIntentType": "FOR PROCESSING"}, "for-processing", "give its For Presentation companion"),
        (
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "Modality": "CT"},
            "not-a-mammogram",
            "is DICOM of modality 'CT'; wanted MG",
        ),
        ({"NumberOfFrames": 3}, "multi-frame", "holds 3 frames"),
        ({"PixelData": None}, "no-pixels", "has no pixel data"),
        ({"Rows": None}, "no-pixels", "says nothing of rows and columns"),
        ({"SamplesPerPixel": 3}, "not-a-mammogram", "has 3 samples a pixel"),
        ({"PixelData": b"\0\0" * 10}, "pixels-unreadable", "cannot be decoded"),
    ],
)
def test_dicom_that_cannot_be_used_says_why(tmp_path, tags, reason, words):
    with pytest.raises(SourceError) as error:
        read_image(mammogram(tmp_path / "a.dcm", STORED, **tags))
    assert error.value.reason == reason
    assert words in str(error.value)


def test_compressed_dicom_names_its_syntax(tmp_path):
    path = mammogram(tmp_path / "a.dcm", STORED)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)
    with pytest.raises(SourceError, match="JPEG Lossless") as error:
        read_header(path)
    assert error.value.reason == "compressed"


def test_a_text_file_called_dcm_is_no_image(tmp_path):
    (tmp_path / "a.dcm").write_text("hello")
    with pytest.raises(SourceError, match="cannot be read as DICOM") as error:
        read_header(tmp_path / "a.dcm")
    assert error.value.reason == "not-an-image"


def test_find_files_passes_over_phantoms_data_sets_and_hidden_things(tmp_path):
    for name in ("a.jpg", "deep/er/b.JPG", ".hidden/c.jpg", "phantom/d.jpg", "made/train/images/e.jpg", "~$f.jpg", "g.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "phantom" / PHANTOM_MARK).write_text("")
    (tmp_path / "made" / DATASET_MARK).write_text("")
    assert [path.name for path in find_files(tmp_path, SUFFIXES)] == ["a.jpg", "b.JPG"]
    assert [path.name for path in find_files(tmp_path / "phantom", SUFFIXES)] == ["d.jpg"]
