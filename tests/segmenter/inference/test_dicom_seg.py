import subprocess
import sys

import numpy as np
import pydicom
import pytest
from inputs import mammogram
from pydicom.uid import RLELossless, SegmentationStorage
from skips import need_program

from pipeline.files import InputError
from segmenter.inference.dicom_seg import KINDS, Algorithm, SegmentationError, segmentations
from segmenter.scoring.files import find_masks, find_probabilities
from segmenter.scoring.reading import read_mask_of, read_probabilities

pytestmark = pytest.mark.filterwarnings("ignore:.*for VR:UserWarning")  # the odd values that some sources are given

# Attributes that a machine writes into a mammogram, in addition to those of `mammogram` (PS3.3 A.26).
HEADER = {
    "SOPInstanceUID": "2.25.11",
    "StudyInstanceUID": "2.25.12",
    "SeriesInstanceUID": "2.25.13",
    "FrameOfReferenceUID": "2.25.14",
    "PatientName": "Doe^Jane",
    "PatientBirthDate": "19500203",
    "PatientSex": "F",
    "AccessionNumber": "A1",
    "StudyID": "S1",
    "StudyDate": "20200101",
    "StudyTime": "120000",
    "ContentDate": "20200102",
    "ContentTime": "130000.5",
    "ReferringPhysicianName": "",
    "Manufacturer": "maker",
    "SeriesNumber": 3,
    "InstanceNumber": 7,
    "PatientOrientation": ["A", "FR"],
}
UNKNOWN_PATIENT = dict.fromkeys(
    ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime")
)
NO_THICKNESS = {"PixelSpacing": [0.1, 0.1]}
SOURCES = [
    pytest.param({}, id="spacing at the detector only"),
    pytest.param({"PhotometricInterpretation": "MONOCHROME1"}, id="MONOCHROME1"),
    pytest.param({"FrameOfReferenceUID": None}, id="no frame of reference"),
    pytest.param({"FrameOfReferenceUID": ""}, id="empty frame of reference"),
    pytest.param(NO_THICKNESS, id="spacing without thickness"),
    pytest.param(NO_THICKNESS | {"SliceThickness": ""}, id="empty thickness"),
    pytest.param(NO_THICKNESS | {"FrameOfReferenceUID": None}, id="spacing and no frame of reference"),
    pytest.param(NO_THICKNESS | {"SliceThickness": 2}, id="spacing and thickness"),
    pytest.param({"ImagePositionPatient": [0, 0, 0]}, id="position without orientation"),
    pytest.param(UNKNOWN_PATIENT | {"PatientOrientation": None}, id="patient and study unknown"),
    pytest.param({"ContentDate": None, "ContentTime": None, "StudyDate": "", "StudyTime": ""}, id="dates removed"),
    pytest.param({"ImageLaterality": None}, id="side unknown"),
    pytest.param({"PatientName": "山田^太郎", "SpecificCharacterSet": ["", "ISO 2022 IR 87"]}, id="Japanese"),
    pytest.param({"PatientName": "Grün^Éva", "SpecificCharacterSet": "ISO_IR 192"}, id="UTF-8"),
    pytest.param({"PatientName": "Jane Doe"}, id="name without components"),
    pytest.param({"LossyImageCompression": "01", "LossyImageCompressionRatio": 10}, id="pixels lossy"),
]
# What dciodvfy reports where the source has a spacing and no thickness: a number would be invented, and without the
# attribute highdicom could not read the file back.
EMPTY_THICKNESS = {
    "Error - Empty attribute (no value) Type 1C Conditional Element=<SliceThickness> Module=<PixelMeasuresMacro>",
    "Error - Attribute present but empty (no value) even though condition not satisfied Type 1C Conditional "
    "Element=<SliceThickness> Module=<PixelMeasuresMacro>",
}
ALGORITHM = Algorithm("SharpUNet", ("ab" * 32,), {"threshold": 0.5})


@pytest.fixture
def write(tmp_path):
    """Writes a source image of 23 x 37 px, and returns it with predictions of `classes` lesion classes."""

    def write(classes=1, shape=(37, 23), **tags):
        source = mammogram(tmp_path / "source", np.zeros(shape, np.uint16), **HEADER | tags)
        rng = np.random.default_rng(classes)
        mask = rng.integers(0, classes + 1, shape, dtype=np.uint8)
        probabilities = rng.random((*shape, classes + (classes > 1)), dtype=np.float32)
        return source, mask, probabilities, [f"class_{number}" for number in range(1, classes + 1)]

    return write


@pytest.mark.parametrize("classes", [1, 2])
def test_masks_and_probabilities_are_scored_as_they_were_written(write, tmp_path, classes):
    source, mask, probabilities, names = write(classes)
    likely = probabilities[..., 0] if classes == 1 else np.minimum(probabilities[..., 1:].sum(axis=-1), 1)
    for kind, data in segmentations(source, mask, probabilities, names, ALGORITHM).items():
        (tmp_path / f"P1_{kind}.dcm").write_bytes(data)
    path = find_masks([tmp_path])["P1"]
    np.testing.assert_array_equal(read_mask_of(path, 1), mask > 0)
    np.testing.assert_array_equal(read_mask_of(path, 3), mask)
    values, precision = read_probabilities(find_probabilities([tmp_path])["P1"])
    np.testing.assert_allclose(values, likely, atol=classes / 255)
    assert precision == "255 steps"
    if classes == 2:
        with pytest.raises(InputError, match=r"P1_binary\.dcm: has a segment 2; expected the lesion classes 1 to 1"):
            read_mask_of(path, 2)
        np.testing.assert_array_equal(read_mask_of(path, 3, ["class_1", "Class_2"]), mask)
        with pytest.raises(InputError, match="calls its segment 1 class_1; expected segments numbered 1 class_2, 2 class_1"):
            read_mask_of(path, 3, ["class_2", "class_1"])
        for read, kind in ((read_mask_of, "binary"), (read_probabilities, "fractional")):
            file = tmp_path / f"P1_{kind}.dcm"
            read(file, 1, ["class_1", "Class_2"])
            with pytest.raises(InputError, match=f"{kind}.dcm: has the segments class_1 and class_2; expected class_1 only; "):
                read(file, 1, ["class_1"])


def read_back(data, path):
    from highdicom.seg import segread

    path.write_bytes(data)
    return segread(path)


def pixels_of(segmentation):
    """The (height, width, classes) pixels, by the source that the SEG refers to."""
    pixels = segmentation.get_pixels_by_source_instance([HEADER["SOPInstanceUID"]])
    assert pixels.shape[0] == 1
    return pixels[0]


def check_pixels(made, folder, mask, probabilities, class_names):
    """Checks the pixels with highdicom's reader, and with pydicom's, which knows nothing of segments."""
    binary, fractional = (pixels_of(read_back(made[kind], folder / f"{kind}.dcm")) for kind in KINDS)
    for index, _ in enumerate(class_names):
        np.testing.assert_array_equal(binary[..., index], mask == index + 1)
    lesions = probabilities[..., -len(class_names) :]
    np.testing.assert_allclose(fractional, lesions, atol=0.5 / 255 + 1e-6)
    frames = pydicom.dcmread(folder / "binary.dcm").pixel_array.reshape(len(class_names), *mask.shape)
    np.testing.assert_array_equal(frames, np.moveaxis(binary, -1, 0))


@pytest.mark.parametrize("tags", SOURCES)
def test_every_pixel_comes_back(write, tmp_path, tags):
    source, *inferred = write(**tags)
    check_pixels(segmentations(source, *inferred, ALGORITHM), tmp_path, *inferred)


@pytest.mark.parametrize("classes", [1, 2, 3])
@pytest.mark.parametrize("shape", [(3, 3), (7, 9), (64, 32), (171, 203)])
def test_every_size_and_class_comes_back(write, tmp_path, classes, shape):
    source, *inferred = write(classes, shape)
    check_pixels(segmentations(source, *inferred, ALGORITHM), tmp_path, *inferred)


@pytest.mark.parametrize(("classes", "found"), [(1, 0), (2, 0), (2, 1), (2, 2)])
def test_classes_that_were_not_found_have_empty_frames(write, tmp_path, classes, found):
    source, mask, probabilities, names = write(classes)
    mask[mask != found], probabilities[mask != found] = 0, 0
    made = segmentations(source, mask, probabilities, names, ALGORITHM)
    check_pixels(made, tmp_path, mask, probabilities, names)
    assert read_back(made["binary"], tmp_path / "seg").NumberOfFrames == classes


def test_probabilities_that_rounding_lifts_above_one_are_one(write, tmp_path):
    source, mask, probabilities, names = write()
    made = segmentations(source, mask, np.full_like(probabilities, 1.0000001), names, ALGORITHM)
    assert (pixels_of(read_back(made["fractional"], tmp_path / "seg")) == 1).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tags", SOURCES)
def test_dciodvfy_finds_no_error(write, tmp_path, tags, kind):
    program = need_program("dciodvfy", package="dicom3tools")
    source, *inferred = write(2, **tags)
    file = tmp_path / "seg.dcm"
    file.write_bytes(segmentations(source, *inferred, ALGORITHM)[kind])
    result = subprocess.run([program, str(file)], capture_output=True, text=True, timeout=60)
    lines = (result.stdout + result.stderr).splitlines()
    assert "Segmentation" in lines
    errors = {line for line in lines if line.startswith(("Error", "Abort"))}
    allowed = EMPTY_THICKNESS if "PixelSpacing" in tags and not tags.get("SliceThickness") else set()
    assert errors <= allowed


def test_a_compressed_source_carries_one_too(write, tmp_path):
    source, *inferred = write()
    dataset = pydicom.dcmread(source)
    dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    dataset.save_as(source)
    check_pixels(segmentations(source, *inferred, ALGORITHM), tmp_path, *inferred)


def test_a_seg_holds_its_source_its_codes_and_its_algorithm(write, tmp_path):
    source, mask, probabilities, _ = write(2)
    made = segmentations(source, mask, probabilities, ["benign", "malignant"], ALGORITHM)
    segs = {kind: read_back(made[kind], tmp_path / kind) for kind in KINDS}
    for kind, seg in segs.items():
        assert (seg.SOPClassUID, seg.SegmentationType) == (SegmentationStorage, kind.upper())
        assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == HEADER["SeriesInstanceUID"]
        for keyword in (
            "StudyInstanceUID",
            "FrameOfReferenceUID",
            "PatientID",
            "PatientName",
            "ContentDate",
            "PatientOrientation",
        ):
            assert seg.get(keyword) == pydicom.dcmread(source).get(keyword), keyword
        assert [segment.segment_label for segment in seg.SegmentSequence] == ["benign", "malignant"]
        segment = seg.SegmentSequence[1]
        assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeMeaning == "Morphologically Abnormal Structure"
        assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Lesion"
        region = segment.AnatomicRegionSequence[0]
        assert (region.CodeMeaning, region.AnatomicRegionModifierSequence[0].CodeMeaning) == ("Breast", "Left")
        assert (segment.SegmentAlgorithmType, segment.SegmentAlgorithmName) == ("AUTOMATIC", "cesm-segmenter SharpUNet")
        algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
        assert algorithm.AlgorithmVersion.endswith(f" {ALGORITHM.model_hash}")
        assert algorithm.AlgorithmParameters == "threshold=0.5"
    binary, fractional = segs.values()
    assert (fractional.SegmentationFractionalType, fractional.MaximumFractionalValue) == ("PROBABILITY", 255)
    assert binary.SeriesInstanceUID == fractional.SeriesInstanceUID != HEADER["SeriesInstanceUID"]
    assert (binary.InstanceNumber, fractional.InstanceNumber) == (1, 2)
    tracking = [[segment.TrackingUID for segment in seg.SegmentSequence] for seg in (binary, fractional)]
    assert tracking[0] == tracking[1]


@pytest.mark.parametrize(
    ("tags", "spacing", "thickness"),
    [
        pytest.param({}, None, None, id="at the detector only"),
        pytest.param(NO_THICKNESS, [0.1, 0.1], None, id="without thickness"),
        pytest.param(NO_THICKNESS | {"SliceThickness": 2}, [0.1, 0.1], 2, id="with thickness"),
        pytest.param(
            NO_THICKNESS | {"ImagePositionPatient": [0, 0, 0], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
            [0.1, 0.1],
            None,
            id="with a plane in the patient",
        ),
    ],
)
def test_it_claims_no_size_that_the_source_does_not(write, tmp_path, tags, spacing, thickness):
    source, *inferred = write(**tags)
    seg = read_back(segmentations(source, *inferred, ALGORITHM)["binary"], tmp_path / "seg")
    measures = seg.SharedFunctionalGroupsSequence[0].get("PixelMeasuresSequence", [pydicom.Dataset()])[0]
    assert measures.get("PixelSpacing") == spacing
    assert measures.get("SliceThickness") == thickness
    assert "SpacingBetweenSlices" not in measures


def test_the_same_inference_gives_the_same_bytes(write):
    source, *inferred = write()
    assert segmentations(source, *inferred, ALGORITHM) == segmentations(source, *inferred, ALGORITHM)


@pytest.mark.parametrize(
    ("name", "characters"),
    [("山田^太郎", ["", "ISO 2022 IR 87"]), ("Grün^Éva", "ISO_IR 192"), ("Grün^Éva", "ISO_IR 100"), ("Doe^Jane", None)],
)
def test_names_keep_their_character_set(write, tmp_path, name, characters):
    source, *inferred = write(PatientName=name, SpecificCharacterSet=characters)
    seg = read_back(segmentations(source, *inferred, ALGORITHM)["binary"], tmp_path / "seg")
    assert (seg.PatientName, seg.get("SpecificCharacterSet")) == (name, characters)


def test_whatever_changes_a_file_changes_its_identifier(write):
    source, mask, probabilities, names = write()
    other_model = Algorithm("SharpUNet", ("cd" * 32,), {"threshold": 0.5})
    other_threshold = Algorithm("SharpUNet", ALGORITHM.models_sha256, {"threshold": 0.4})
    made = [
        segmentations(source, mask, probabilities, names, ALGORITHM),
        segmentations(source, mask, probabilities, names, other_model),
        segmentations(source, mask, probabilities, names, other_threshold),
        segmentations(source, mask, probabilities, ["mass"], ALGORITHM),
        segmentations(source, 1 - mask, 1 - probabilities, names, ALGORITHM),
        segmentations(write(SOPInstanceUID="2.25.99")[0], mask, probabilities, names, ALGORITHM),
    ]
    files = [data for files_by_kind in made for data in files_by_kind.values()]
    identifiers = [pydicom.dcmread(pydicom.filebase.DicomBytesIO(data)).SOPInstanceUID for data in files]
    assert len(set(identifiers)) == 2 * len(made)
    assert all(len(identifier) <= 64 and pydicom.uid.UID(identifier).is_valid for identifier in identifiers)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (
            {"StudyInstanceUID": None, "SeriesInstanceUID": ""},
            r"has no StudyInstanceUID, SeriesInstanceUID, by which a SEG refers",
        ),
        ({"SOPClassUID": "1.2.3", "Modality": "MG"}, r"has a header that a SEG cannot carry over \('1.2.3'\); correct it where"),
        ({"PatientSex": "X"}, r"a SEG cannot carry over \('X' is not a valid PatientSexValues\)"),
        ({"StudyDate": "2020-99-01"}, r"a SEG cannot carry over \(.*2020-99-01.*\)"),
    ],
)
def test_a_source_that_cannot_carry_a_seg_is_an_error(write, tags, message):
    source, *inferred = write(**tags)
    with pytest.raises(SegmentationError, match=message):
        segmentations(source, *inferred, ALGORITHM)


def test_no_value_of_a_header_is_printed(write, capfd, recwarn):
    source, *inferred = write(PatientName="Jane Doe", PatientID="x" * 80)
    recwarn.clear()
    segmentations(source, *inferred, ALGORITHM)
    assert not recwarn
    assert capfd.readouterr() == ("", "")


def test_names_of_networks_are_truncated_to_the_limit_of_dicom():
    assert len(Algorithm("network" * 20, (), {}).name) == 64


def test_importing_it_imports_no_dicom_package():
    program = "import sys, segmenter.inference.dicom_seg; sys.exit(bool({'pydicom', 'highdicom'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
