"""DICOM segmentations that tests write, and the study that they and their mammogram belong to."""

import warnings
from pathlib import Path

import numpy as np
import pydicom
from skips import need_package

highdicom = need_package("highdicom")

STUDY = {
    "StudyInstanceUID": "2.25.10",
    "SeriesInstanceUID": "2.25.11",
    "PatientName": "",
    "PatientSex": "",
    "PatientBirthDate": "",
    "StudyID": "",
    "StudyDate": "",
    "StudyTime": "",
    "AccessionNumber": "",
    "ReferringPhysicianName": "",
    "SeriesNumber": 1,
    "InstanceNumber": 1,
    "PatientOrientation": ["A", "R"],
}


def write_seg(path: Path, image: Path, masks: np.ndarray, labels: list[str], kind: str = "BINARY") -> Path:
    """Writes a segmentation of (height, width, segments)."""
    from pydicom.sr.codedict import codes

    segments = [
        highdicom.seg.SegmentDescription(
            number, label, codes.cid7150.MorphologicallyAbnormalStructure, codes.cid7159.Lesion, "MANUAL"
        )
        for number, label in enumerate(labels, 1)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seg = highdicom.seg.Segmentation(
            [pydicom.dcmread(image)],
            masks[None],
            kind,
            segments,
            series_instance_uid="2.25.20",
            series_number=2,
            sop_instance_uid=f"2.25.{sum(path.name.encode())}",
            instance_number=1,
            manufacturer="test",
            manufacturer_model_name="test",
            software_versions="1",
            device_serial_number="1",
        )
    seg.save_as(path)
    return path
