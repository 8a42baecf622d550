"""The phantom as DICOM: a viewer shows the phantom's picture, whatever the vendor, and the files are like real ones."""

import io
import subprocess
import sys

import cv2
import numpy as np
import pydicom
import pytest
from dicom_inputs import shown
from pydicom.fileset import FileSet
from pydicom.pixels.encoders import JPEGLSLosslessEncoder
from skips import need_program

from pipeline.files import InputError
from pipeline.geometry import square_image
from pipeline.phantom import cases, download, write_phantom
from pipeline.phantom.compression import require_encoders
from pipeline.phantom.mammogram import mammogram_bytes, raw_bytes
from pipeline.phantom.media import report_bytes
from pipeline.phantom.vendors import JPEG_BASELINE, JPEG_LOSSLESS, JPEG_LS, PLAIN, VENDORS, vendor_of
from pipeline.sources import PHANTOM_MARK

EXPOSURE = next(cases.exposures(6, 0))
BY_NAME = {vendor.name: vendor for vendor in VENDORS}


@pytest.fixture(scope="module")
def gray() -> np.ndarray:
    """The phantom's first low-energy image."""
    return download.paint_pair(download._scene(EXPOSURE, 0), EXPOSURE.chance(0, 1))["DM"]


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    """A phantom of all vendors, with small pictures in place of the painted ones."""
    out = tmp_path_factory.mktemp("varied") / "phantom"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download, "paint_pair", lambda scene, draw: {kind: small(kind) for kind in cases.KINDS})
        write_phantom(out, len(VENDORS), dicom="varied")
    return out


def small(kind: str) -> np.ndarray:
    slope = np.linspace(0, 255, 64 * 48, dtype=np.float32).reshape(64, 48)
    return slope if kind == "DM" else slope[::-1]


def dataset(vendor, gray, kind="DM", **options) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(mammogram_bytes(gray, EXPOSURE, kind, 0, vendor, **options)))


def headers(folder) -> dict[str, pydicom.Dataset]:
    """Data sets with pixels by file name."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix in (".dcm", ""))
    datasets = {path.name: pydicom.dcmread(path) for path in files}
    return {name: header for name, header in datasets.items() if "PixelData" in header}


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_a_viewer_shows_what_the_jpeg_shows(gray, vendor, inverted):
    jpeg = cv2.imdecode(np.frombuffer(download._jpeg(gray), np.uint8), cv2.IMREAD_GRAYSCALE)
    displayed = np.rint(np.clip(shown(dataset(vendor, gray, inverted=inverted)), 0, 255)).astype(np.uint8)
    if vendor.syntax != JPEG_BASELINE:
        assert np.abs(displayed - gray).max() < 1.1
    error = np.mean((square_image(displayed, 512).astype(float) - square_image(jpeg, 512)) ** 2)
    assert error < 255**2 / 10**4.5  # a PSNR of 45 dB


def test_vendors_store_pixels_in_many_ways():
    stored = {vendor.name: dataset(vendor, small("DM")) for vendor in VENDORS}
    assert {header.BitsStored for header in stored.values()} == {8, 10, 12, 14, 16}
    assert len({header.file_meta.TransferSyntaxUID for header in stored.values()}) == 7
    assert [name for name, header in stored.items() if header.PixelRepresentation] == ["Phantom Gateway"]
    assert [name for name, header in stored.items() if header.PhotometricInterpretation == "MONOCHROME1"] == ["Phantom Hill"]
    assert stored["Phantom East"].WindowCenterWidthExplanation == ["NORMAL", "HARDER", "SOFTER"]
    assert stored["Phantom Lake"].LossyImageCompression == "01"


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("Phantom North", {"ImageType": ["DERIVED", "PRIMARY", "POST_CONTRAST", "SUBTRACTION"], "BurnedInAnnotation": "NO"}),
        ("Phantom South", {"VOILUTFunction": "SIGMOID", "ImageLaterality": "L", "Laterality": None, "PixelSpacing": None}),
        ("Phantom West", {"BurnedInAnnotation": None, "PixelSpacing": [0.1905, 0.1905], "ImagerPixelSpacing": [0.2, 0.2]}),
        ("Phantom Gateway", {"ImageLaterality": None, "Laterality": "L", "RescaleSlope": 0.5, "SliceThickness": None}),
        ("Phantom Shore", {"ImageType": ["DERIVED", "PRIMARY", "POST_CONTRAST"], "SeriesDescription": "L CC CESM RECOMBINED"}),
    ],
)
def test_vendors_tag_subtracted_images_in_many_ways(name, tags):
    header = dataset(BY_NAME[name], small("CM"), "CM")
    assert {keyword: header.get(keyword) for keyword in tags} == tags


@pytest.mark.parametrize(("name", "code"), [("Phantom North", "399162004"), ("Phantom East", "R-10242")])
def test_views_are_coded(name, code):
    assert dataset(BY_NAME[name], small("DM")).ViewCodeSequence[0].CodeValue == code


def test_the_mark_names_the_command(varied):
    assert "--patients 8 --seed 0 --dicom varied\n" in (varied / PHANTOM_MARK).read_text()


def test_names_of_files_identify_images_or_do_not(varied):
    named = headers(varied)
    assert {"P1_L_DM_CC.dcm", "P3_L_CM_CC", "P8_R_CM_MLO.dcm", "IM000033"} <= named.keys()
    assert {header.PatientID for name, header in named.items() if name.startswith("IM")} == {"P5"}
    assert {name.split("_")[0] for name in named if "_" in name and not name.endswith(".dcm")} == {"P3"}


def test_pairs_share_a_frame_and_files_share_nothing_else(varied):
    named = headers(varied)
    assert len({header.SOPInstanceUID for header in named.values()}) == len(named)
    assert named["P4_L_DM_MLO.dcm"].FrameOfReferenceUID == named["P4_L_CM_MLO.dcm"].FrameOfReferenceUID
    assert named["P4_L_DM_MLO.dcm"].FrameOfReferenceUID != named["P4_L_DM_MLO_2.dcm"].FrameOfReferenceUID
    assert named["P1_L_DM_CC.dcm"].SeriesInstanceUID != named["P1_L_DM_CC_raw.dcm"].SeriesInstanceUID


def test_raw_companions_are_for_processing(varied):
    raw = {name: header for name, header in headers(varied).items() if name.endswith("_raw.dcm")}
    assert set(raw) == {"P1_L_DM_CC_raw.dcm", "P1_R_DM_CC_raw.dcm", "P2_L_DM_CC_raw.dcm"}
    for header in raw.values():
        assert header.SOPClassUID == "1.2.840.10008.5.1.4.1.1.1.2.1"
        assert header.PresentationIntentType == "FOR PROCESSING"
        assert "WindowCenter" not in header
        assert header.pixel_array[0, 0] > 10 * header.pixel_array[-1, -1]  # air lets more through


def test_media_have_a_directory_of_their_images(varied):
    directory = FileSet(varied / download.MEDIA / "DICOMDIR")
    files = sorted(path for path in (varied / download.MEDIA / "IMAGES").iterdir())
    assert sorted(instance.path for instance in directory) == [str(path) for path in files]
    assert all(instance.load().SOPInstanceUID == instance.SOPInstanceUID for instance in directory)


def test_one_dicom_file_is_a_report(varied):
    report = pydicom.dcmread(varied / download.FOLDERS["CM"] / "P1_report.dcm")
    assert report.Modality == "SR"
    assert "Rows" not in report


def test_a_second_varied_phantom_has_the_same_bytes(varied, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "paint_pair", lambda scene, draw: {kind: small(kind) for kind in cases.KINDS})
    write_phantom(tmp_path / "again", len(VENDORS), dicom="varied")
    files = sorted(path.relative_to(varied) for path in varied.rglob("*") if path.is_file())
    assert sorted(path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file()) == files
    for path in files:
        assert (tmp_path / "again" / path).read_bytes() == (varied / path).read_bytes(), path


def test_second_exposures_are_not_on_media_where_only_tags_identify_images():
    twice = {exposure.patient.number for exposure in cases.exposures(60, 0) if exposure.suffix}
    assert not any(vendor_of(patient).media for patient in twice)


def test_a_missing_encoder_is_reported_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdcm", None)
    with pytest.raises(
        InputError, match=r"JPEG Lossless.* is written by python-gdcm, which is not installed.*cesm-segmentation\[dicom"
    ):
        write_phantom(tmp_path / "out", 6, dicom="varied")
    assert not (tmp_path / "out").exists()


def test_a_missing_plugin_of_pydicom_is_reported(monkeypatch):
    monkeypatch.setattr(JPEGLSLosslessEncoder, "_available", {})
    require_encoders([PLAIN.syntax, JPEG_BASELINE, JPEG_LOSSLESS])
    with pytest.raises(InputError, match=r"JPEG-LS Lossless.* is written by pyjpegls, which is not installed"):
        require_encoders([JPEG_LS])


# Intended faults, which real files have. POST_CONTRAST as value 3 of an Image Type is newer than Debian 12's dciodvfy.
_CONTRAST = "Unrecognized enumerated value <POST_CONTRAST> for value 3 of attribute <Image Type>"
FAULTS = {
    "Phantom West": {"<BurnedInAnnotation>"},
    "Phantom Gateway": {"<ImageLaterality>", "<Rescale Slope>", "<Rescale Intercept>", "<Pixel Representation>"},
    "Phantom Shore": {"<RescaleIntercept>", "<RescaleSlope>", "<RescaleType>"},  # a Modality LUT replaces them
}


def faults(path) -> list[str]:
    """The errors that dciodvfy reports for a file."""
    process = subprocess.run(
        [need_program("dciodvfy", package="dicom3tools"), str(path)], capture_output=True, text=True, check=False
    )
    return [line for line in (process.stdout + process.stderr).splitlines() if line.startswith("Error") and _CONTRAST not in line]


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
@pytest.mark.parametrize("kind", cases.KINDS)
def test_dciodvfy_finds_only_the_intended_faults(tmp_path, vendor, kind):
    (tmp_path / "a.dcm").write_bytes(mammogram_bytes(small(kind), EXPOSURE, kind, 0, vendor))
    expected = FAULTS.get(vendor.name, set())
    lines = faults(tmp_path / "a.dcm")
    assert all(any(attribute in line for attribute in expected) for line in lines), lines
    assert all(any(attribute in line for line in lines) for attribute in expected)


def test_dciodvfy_finds_no_fault_in_the_other_files(tmp_path, varied):
    (tmp_path / "raw.dcm").write_bytes(raw_bytes(small("DM"), EXPOSURE, 0, VENDORS[0]))
    (tmp_path / "report.dcm").write_bytes(report_bytes(EXPOSURE, 0))
    for path in (tmp_path / "raw.dcm", tmp_path / "report.dcm", varied / download.MEDIA / "DICOMDIR"):
        assert faults(path) == [], path.name
