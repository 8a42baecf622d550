"""Every bad file is refused before its pixels are decoded, with a message that quotes nothing from its header."""

import struct

import dicom_inputs
import numpy as np
import pydicom
import pytest
from inputs import mammogram
from pydicom.dataset import Dataset

from pipeline.contract import SourceError
from pipeline.dicom.options import DicomOptions
from pipeline.dicom.parsing import is_deflated
from pipeline.sources import read_header, read_image

NAME = "Surname^Secret"
# Reported by the index alone, since a file's name may state what its tags do not.
OF_INDEX = {"unknown-kind"}


@pytest.mark.parametrize("name", [name for name, (reason, _) in dicom_inputs.BAD.items() if reason not in OF_INDEX])
def test_a_bad_file_is_refused_with_its_reason(tmp_path, name):
    reason, write = dicom_inputs.BAD[name]
    path = write(tmp_path / "a.dcm")
    for read in (read_header, read_image):
        with pytest.raises(SourceError) as error:
            read(path)
        assert error.value.reason == reason
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"PresentationIntentType": "FOR PROCESSING"}, "use its For Presentation companion, or set for_processing = true"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "Modality": "CT"}, "is DICOM of modality CT; expected MG"),
        ({"NumberOfFrames": 3}, "holds 3 frames; save the one to use as a separate file"),
        ({"PixelData": None}, "has no pixel data; is it a report or a presentation state?"),
        ({"Rows": None, "BitsStored": None}, "lacks Rows, BitsStored; export it again"),
        ({"Rows": 60000, "Columns": 60000}, "claims 60000 x 60000 pixels; a mammogram has under 89 million"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "has 3 samples per pixel, RGB; expected 1, MONOCHROME1 or"),
        ({"PixelData": b"\0\0" * 10}, "holds 20 bytes of pixels, expected 3840; export it again"),
        ({"PixelData": b"\0\0" * 2000}, "holds 4000 bytes of pixels, expected 3840; export it again"),
        ({"BurnedInAnnotation": "YES"}, 'set burned_in = "keep" in the recipe\'s [dicom] if the text may stay'),
        ({"BitsStored": 12, "HighBit": 15}, "stores 12 bits below bit 15; expected HighBit to be 11"),
        ({"BitsStored": 4}, "stores 4 bits in 16; expected 8 to 16 bits in 8 or 16"),
    ],
)
def test_the_message_states_what_was_found_and_what_to_do(tmp_path, tags, message):
    with pytest.raises(SourceError) as error:
        read_header(mammogram(tmp_path / "a.dcm", dicom_inputs.STORED, **tags))
    assert message in str(error.value)


def test_what_a_recipe_allows_is_read(tmp_path):
    raw = mammogram(tmp_path / "a.dcm", dicom_inputs.STORED, PresentationIntentType="FOR PROCESSING")
    assert read_image(raw, dicom=DicomOptions(for_processing=True)).shape == (48, 40)
    written = mammogram(tmp_path / "b.dcm", dicom_inputs.STORED, BurnedInAnnotation="YES")
    assert read_header(written, dicom=DicomOptions(burned_in="keep")).tags.has_text is True


@pytest.mark.parametrize("write", [dicom_inputs.BAD["deflated"][1], dicom_inputs.BAD["deflated, as it states late"][1]])
def test_a_deflated_file_is_refused_before_it_is_inflated(tmp_path, monkeypatch, write):
    path = write(tmp_path / "a.dcm")
    monkeypatch.setattr("zlib.decompress", None)
    assert is_deflated(path.read_bytes())
    with pytest.raises(SourceError, match="is deflated as a whole; save it uncompressed") as error:
        read_header(path)
    assert error.value.reason == "unsupported-syntax"


@pytest.mark.parametrize("cut", [0, 131, 150, 400, None])
def test_a_file_that_is_not_deflated_is_recognised_by_any_start_of_it(tmp_path, cut):
    assert not is_deflated(mammogram(tmp_path / "a.dcm", dicom_inputs.STORED).read_bytes()[:cut])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("JPEG 2000 of 64 components", "claims 40 x 48 pixels, but its coded data has 40 x 48 of 64 samples"),
        ("offsets of two frames", "has offsets to more than the one coded frame; export it again"),
        ("compressed pixels that are not pixels", "has coded data that does not begin with its size; export it again"),
        ("fragments that are not fragments", "has coded data that is not divided into fragments (ValueError)"),
        ("thousands of items", "holds 20000 sequence items and fragments; expected at most 10000"),
        ("sides below zero", "is -40 x -48 pixels"),
    ],
)
def test_the_message_of_a_damaged_file(tmp_path, name, message):
    with pytest.raises(SourceError) as error:
        read_header(dicom_inputs.BAD[name][1](tmp_path / "a.dcm"))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "Modality": "SECRET"}, "is DICOM of modality unknown; expected MG"),
        ({"PhotometricInterpretation": "SECRET"}, "has 1 samples per pixel, unknown; expected 1, MONOCHROME1"),
        ({"PhotometricInterpretation": "MONOCHROME9"}, "has 1 samples per pixel, unknown; expected 1, MONOCHROME1"),
        ({"syntax": "2.25.5551234"}, "is coded as a private syntax, which is not a coding of single images"),
        (
            {"syntax": pydicom.uid.MPEG2MPML},
            "is coded as MPEG2 Main Profile / Main Level, which is not a coding of single images",
        ),
    ],
)
def test_only_terms_of_the_standard_are_quoted(tmp_path, tags, message):
    syntax = tags.pop("syntax", None)
    path = (
        dicom_inputs.wrapped(syntax)(tmp_path / "a.dcm") if syntax else mammogram(tmp_path / "a.dcm", dicom_inputs.STORED, **tags)
    )
    with pytest.raises(SourceError) as error:
        read_header(path)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [(["0.07", "0.07"], 0.07), (["nan", "nan"], None), (["inf", "inf"], None), (["0", "0"], None), (["-0.1", "-0.1"], None)],
)
def test_an_impossible_spacing_is_unknown(tmp_path, spacing, expected):
    assert read_header(mammogram(tmp_path / "a.dcm", dicom_inputs.STORED, PixelSpacing=spacing)).spacing_mm == expected


def test_a_missing_decoder_names_what_to_install(tmp_path, monkeypatch):
    path = dicom_inputs.compressed(pydicom.uid.JPEGLosslessSV1)(tmp_path / "a.dcm")
    monkeypatch.setattr("pydicom.pixels.decoders.gdcm.HAVE_GDCM", False)
    decoder = type(pydicom.pixels.get_decoder(pydicom.uid.JPEGLosslessSV1))
    monkeypatch.setattr(decoder, "is_available", property(lambda self: False))
    monkeypatch.setattr(decoder, "missing_dependencies", property(lambda self: ["gdcm - requires gdcm>=3.0.10"]))
    message = r"no decoder is installed; run `pip install 'cesm-segmentation\[dicom\]'`.*gdcm"
    with pytest.raises(SourceError, match=message) as error:
        read_header(path)
    assert error.value.reason == "decoder-missing"


@pytest.mark.parametrize(
    ("keyword", "representation"), [("Rows", b"US"), ("BitsStored", b"US"), ("WindowWidth", b"DS"), ("RescaleSlope", b"DS")]
)
def test_text_in_place_of_a_number_is_a_reject_and_is_not_quoted(tmp_path, keyword, representation):
    path = mammogram(tmp_path / "a.dcm", dicom_inputs.STORED, PatientName=NAME, WindowCenter="2000")
    dataset = pydicom.dcmread(path)
    dataset[keyword] = pydicom.DataElement(keyword, "LO", NAME)  # pydicom writes no text into a number,
    dataset.save_as(path)
    tag = struct.pack("<HH", dataset[keyword].tag.group, dataset[keyword].tag.element)
    path.write_bytes(path.read_bytes().replace(tag + b"LO", tag + representation))  # but another program did
    with pytest.raises(SourceError) as error:
        read_image(path)
    assert "Secret" not in str(error.value)


def nested(levels):
    dataset = Dataset()
    dataset.CodeValue = "x"
    for _ in range(levels):
        outer = Dataset()
        outer.ContentSequence = [dataset]
        outer["ContentSequence"].is_undefined_length = True
        dataset = outer
    return dataset


def test_nested_sequences_of_undefined_length_are_read(tmp_path):
    path = mammogram(tmp_path / "a.dcm", np.arange(64, dtype=np.uint16).reshape(8, 8), ContentSequence=[nested(8)])
    assert read_header(path).width == 8


def test_hundreds_of_nested_sequences_are_named_as_such(tmp_path):
    path = mammogram(tmp_path / "a.dcm", np.arange(64, dtype=np.uint16).reshape(8, 8), AcquisitionContextSequence=[Dataset()])
    opening = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    data = path.read_bytes()
    start = data.index(b"\x40\x00\x55\x05SQ")
    path.write_bytes(data[:start] + opening * 2000 + closing * 2000 + data[start:])
    with pytest.raises(SourceError, match="nests sequences in hundreds of levels") as error:
        read_header(path)
    assert error.value.reason == "too-large"


@pytest.mark.parametrize(
    ("modalities", "is_read"), [(("MG",), False), (("MG", "CR"), True), (("CR",), True), (("DX", "RG"), False)]
)
def test_a_recipe_may_take_other_modalities(tmp_path, modalities, is_read):
    path = mammogram(tmp_path / "a.dcm", dicom_inputs.STORED, SOPClassUID="1.2.840.10008.5.1.4.1.1.1", Modality="CR")
    if is_read:
        assert read_header(path, dicom=DicomOptions(modalities=modalities)).width == 40
    else:
        expected = f"is DICOM of modality CR; expected {' or '.join(modalities)}; if it is a mammogram, add its modality"
        with pytest.raises(SourceError, match=expected):
            read_header(path, dicom=DicomOptions(modalities=modalities))
