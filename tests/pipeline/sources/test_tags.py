"""The identity of a DICOM image, read from the beginning of its file."""

import numpy as np
import pytest
from inputs import mammogram

from pipeline.contract import SourceError
from pipeline.sources import DicomOptions, images, read_tags


def test_tags_are_read_without_the_pixels(tmp_path, monkeypatch):
    path = mammogram(tmp_path / "a", np.full((400, 500), 100), StudyInstanceUID="1.2.3", FrameOfReferenceUID="1.2.4")
    monkeypatch.setattr(images, "_START", 2000)
    tags = read_tags(path)
    assert (tags.patient_id, tags.side, tags.kind, tags.view) == ("P7", "L", "CM", "CC")
    assert (tags.study, tags.exposure) == ("1.2.3", "1.2.4")


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        pytest.param({"PresentationIntentType": "FOR PROCESSING"}, "for-processing", id="for processing"),
        pytest.param({"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "not-a-mammogram", id="modality"),
        pytest.param({"BurnedInAnnotation": "YES"}, "burned-in", id="text"),
        pytest.param({"NumberOfFrames": 2}, "multi-frame", id="frames"),
    ],
)
def test_what_cannot_be_used_is_refused_as_in_whole_files(tmp_path, tags, reason):
    path = mammogram(tmp_path / "a", np.full((4, 4), 100), **tags)
    with pytest.raises(SourceError) as error:
        read_tags(path)
    assert error.value.reason == reason
    if reason == "for-processing":
        assert read_tags(path, DicomOptions(for_processing=True)).patient_id == "P7"


def test_other_files_are_no_dicom(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"no DICOM")
    with pytest.raises(SourceError, match="lacks the mark of a DICOM file"):
        read_tags(tmp_path / "a.dcm")
    with pytest.raises(SourceError, match="cannot be read"):
        read_tags(tmp_path / "absent.dcm")
