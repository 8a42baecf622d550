"""DICOM files other than images: the directory of exchange media (PS3.3 F, PS3.10 8), and a report."""

import io
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from pipeline.phantom.cases import Exposure
from pipeline.phantom.mammogram import as_bytes, code, describe_study, identifier, new_file

_DIRECTORY, _REPORT = "1.2.840.10008.1.3.10", "1.2.840.10008.5.1.4.1.1.88.11"
# By level: the tag that distinguishes its records, and further tags that they repeat from the image's header.
_LEVELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "PATIENT": ("PatientID", ("PatientName",)),
    "STUDY": ("StudyInstanceUID", ("StudyDate", "StudyTime", "StudyDescription", "StudyID", "AccessionNumber")),
    "SERIES": ("SeriesInstanceUID", ("Modality", "SeriesNumber")),
    "IMAGE": ("SOPInstanceUID", ("InstanceNumber",)),
}


def directory_bytes(media: Path, seed: int) -> bytes:
    """The DICOMDIR of a folder's images.

    Args:
      media: the folder for the DICOMDIR; images lie one folder deeper, in names of at most 8 capitals and digits.
      seed: the phantom's.
    """
    import pydicom

    headers = []
    for path in sorted(media.glob("*/*")):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        header.filename = path.relative_to(media).as_posix()
        headers.append(header)
    headers.sort(key=lambda header: [str(header[key].value) for key, _ in _LEVELS.values()])
    records: list = []
    roots = _add_records(records, headers, list(_LEVELS))
    directory = new_file(_DIRECTORY, identifier(seed, "DICOMDIR"))
    meta = directory.file_meta
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = directory.SOPClassUID, directory.SOPInstanceUID
    del directory.SOPClassUID, directory.SOPInstanceUID  # a directory has them in its file header alone
    directory.FileSetID, directory.FileSetConsistencyFlag = "PHANTOM", 0
    directory.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = roots[0]
    directory.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = roots[-1]
    directory.DirectoryRecordSequence = records
    return _with_offsets(directory)


def _add_records(records: list, headers: list, levels: list[str]) -> list[int]:
    """Appends the records of a level and all below, linked by their numbers from 1; returns the level's numbers."""
    if not levels:
        return [0]  # nothing is below
    key, repeated = _LEVELS[levels[0]]
    numbers: list[int] = []
    for _, group in groupby(headers, lambda header: header[key].value):
        members = list(group)
        record = _record(members[0], levels[0], (key, *repeated))
        if numbers:
            records[numbers[-1] - 1].OffsetOfTheNextDirectoryRecord = len(records) + 1
        records.append(record)
        numbers.append(len(records))
        record.OffsetOfReferencedLowerLevelDirectoryEntity = _add_records(records, members, levels[1:])[0]
    return numbers


def _record(header, level: str, repeated: tuple[str, ...]):
    from pydicom.dataset import Dataset

    record = Dataset()
    record.OffsetOfTheNextDirectoryRecord, record.RecordInUseFlag = 0, 0xFFFF
    record.DirectoryRecordType = level
    for keyword in repeated:
        setattr(record, keyword, header[keyword].value)
    if level == "IMAGE":
        del record.SOPInstanceUID  # has a tag of its own here
        record.ReferencedFileID = header.filename.split("/")
        record.ReferencedSOPClassUIDInFile, record.ReferencedSOPInstanceUIDInFile = header.SOPClassUID, header.SOPInstanceUID
        record.ReferencedTransferSyntaxUIDInFile = header.file_meta.TransferSyntaxUID
    return record


def _with_offsets(directory) -> bytes:
    """The file, with the records' numbers replaced by the bytes at which they start, which are known only once it is written."""
    import pydicom

    records = pydicom.dcmread(io.BytesIO(as_bytes(directory))).DirectoryRecordSequence
    starts: Mapping[int, int] = {0: 0} | {number: record.seq_item_tell for number, record in enumerate(records, 1)}
    for dataset in (directory, *directory.DirectoryRecordSequence):
        for element in dataset:
            if element.keyword.startswith("Offset"):
                element.value = starts[element.value]
    return as_bytes(directory)


def report_bytes(exposure: Exposure, seed: int) -> bytes:
    """A structured report of one line: a DICOM file without an image."""
    report = new_file(_REPORT, identifier(seed, f"report P{exposure.patient.number}"))
    describe_study(report, exposure, seed)
    report.SeriesInstanceUID, report.SeriesNumber = identifier(seed, f"reports P{exposure.patient.number}"), 90
    report.Modality, report.Manufacturer, report.InstanceNumber = "SR", "Phantom North", 1
    report.ReferencedPerformedProcedureStepSequence = []
    report.ContentDate, report.ContentTime = report.StudyDate, report.StudyTime
    report.CompletionFlag, report.VerificationFlag = "PARTIAL", "UNVERIFIED"
    report.PerformedProcedureCodeSequence = []
    report.ValueType, report.ContinuityOfContent = "CONTAINER", "SEPARATE"
    report.ConceptNameCodeSequence = [code("18748-4", "LN", "Diagnostic imaging report")]
    return as_bytes(report)
