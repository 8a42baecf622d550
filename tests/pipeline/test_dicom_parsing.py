"""Every bad file is refused before its pixels are asked for, in words that quote nothing of its header."""

import dicom_inputs
import pydicom
import pytest
from inputs import mammogram
from pydicom.uid import DeflatedExplicitVRLittleEndian

from pipeline.dicom.options import DicomOptions
from pipeline.sources import SourceError, read_header, read_image

NAME = "Surname^Secret"
# The index alone can say so, since a file's name may tell what its tags do not.
OF_INDEX = {"unknown-kind"}
AT_DECODING = {"compressed pixels that are none"}


@pytest.mark.parametrize("name", [name for name, (reason, _) in dicom_inputs.BAD.items() if reason not in OF_INDEX])
def test_a_bad_file_is_refused_with_its_reason(tmp_path, name):
    reason, write = dicom_inputs.BAD[name]
    path = write(tmp_path / "a.dcm")
    for read in (read_image,) if name in AT_DECODING else (read_header, read_image):
        with pytest.raises(SourceError) as error:
            read(path)
        assert error.value.reason == reason
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"PresentationIntentType": "FOR PROCESSING"}, "give its For Presentation companion, or set for_processing = true"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "Modality": "CT"}, "is DICOM of modality CT; wanted MG"),
        ({"NumberOfFrames": 3}, "holds 3 frames; save the wanted one as a file of its own"),
        ({"PixelData": None}, "has no pixel data; is it a report or a presentation state?"),
        ({"Rows": None, "BitsStored": None}, "does not tell Rows, BitsStored; export it again"),
        ({"Rows": 60000, "Columns": 60000}, "claims 60000 x 60000 pixels; a mammogram has under 89 million"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "has 3 samples a pixel, RGB; wanted 1, MONOCHROME1 or"),
        ({"PixelData": b"\0\0" * 10}, "holds 20 bytes of pixels, wanted 3840; export it again"),
        ({"PixelData": b"\0\0" * 2000}, "holds 4000 bytes of pixels, wanted 3840; export it again"),
        ({"BurnedInAnnotation": "YES"}, 'set burned_in = "keep" in the recipe\'s [dicom] if it may stay'),
        ({"BitsStored": 4}, "stores 4 bits in 16; wanted 8 to 16 bits in 8 or 16"),
    ],
)
def test_the_words_say_what_was_found_and_what_to_do(tmp_path, tags, words):
    with pytest.raises(SourceError) as error:
        read_header(mammogram(tmp_path / "a.dcm", dicom_inputs.STORED, **tags))
    assert words in str(error.value)


def test_what_a_recipe_allows_is_read(tmp_path):
    raw = mammogram(tmp_path / "a.dcm", dicom_inputs.STORED, PresentationIntentType="FOR PROCESSING")
    assert read_image(raw, dicom=DicomOptions(for_processing=True)).shape == (48, 40)
    written = mammogram(tmp_path / "b.dcm", dicom_inputs.STORED, BurnedInAnnotation="YES")
    assert read_header(written, dicom=DicomOptions(burned_in="keep")).tags.has_text is True


def test_a_deflated_file_is_refused_before_it_is_inflated(tmp_path):
    dataset = pydicom.dcmread(mammogram(tmp_path / "a.dcm", dicom_inputs.STORED))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "b.dcm")
    with pytest.raises(SourceError, match="is deflated as a whole; save it uncompressed") as error:
        read_header(tmp_path / "b.dcm")
    assert error.value.reason == "unsupported-syntax"


def test_a_missing_decoder_names_what_to_install(tmp_path, monkeypatch):
    path = dicom_inputs.compressed(pydicom.uid.JPEGLosslessSV1)(tmp_path / "a.dcm")
    monkeypatch.setattr("pydicom.pixels.decoders.gdcm.HAVE_GDCM", False)
    decoder = type(pydicom.pixels.get_decoder(pydicom.uid.JPEGLosslessSV1))
    monkeypatch.setattr(decoder, "is_available", property(lambda self: False))
    monkeypatch.setattr(decoder, "missing_dependencies", property(lambda self: ["gdcm - requires gdcm>=3.0.10"]))
    with pytest.raises(SourceError, match=r"no decoder is installed; give `pip install '.\[dicom\]'`.*gdcm") as error:
        read_header(path)
    assert error.value.reason == "decoder-missing"


@pytest.mark.parametrize("tags", [{"Rows": -5}, {"WindowWidth": NAME}, {"RescaleSlope": NAME}, {"BitsStored": NAME}])
def test_odd_values_are_a_reject_and_their_text_stays_in_the_file(tmp_path, tags):
    path = tmp_path / "a.dcm"
    try:
        mammogram(path, dicom_inputs.STORED, PatientName=NAME, WindowCenter="2000", **tags)
    except Exception:
        pytest.skip("pydicom does not write such a file")
    with pytest.raises(SourceError) as error:
        read_image(path)
    assert "Secret" not in str(error.value)
