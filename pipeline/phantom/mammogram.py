"""Wraps pixels as an uncompressed mammogram For Presentation (PS3.3 A.26, C.8.11). Bytes, no files."""

import hashlib
import io

import numpy as np

from pipeline.phantom.cases import Exposure

# Stored values run from BLACK up by STEP a grey level, within 12 bits: a reader has to apply the window.
_BLACK, _STEP = 200, 12
_VIEW_CODES = {"CC": ("399162004", "cranio-caudal"), "MLO": ("399368009", "medio-lateral oblique")}
_IMAGE_TYPES = {
    "DM": ["DERIVED", "PRIMARY", "POST_CONTRAST", "", "LOW_ENERGY"],
    "CM": ["DERIVED", "PRIMARY", "POST_CONTRAST", "SUBTRACTION"],
}


def mammogram_bytes(gray: np.ndarray, exposure: Exposure, kind: str, seed: int, *, inverted: bool = False) -> bytes:
    """One image as a DICOM file, Explicit VR Little Endian, 12 bits stored, with a linear window.

    Args:
      gray: (height, width) float32 in grey levels, 0 to 255.
      exposure, kind: whose image it is.
      seed: the phantom's; all identifiers follow from it.
      inverted: writes MONOCHROME1, where low values are white.

    Returns:
      the file; what a viewer shows of it is `gray`, to within a twelfth of a grey level.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    _identify(dataset, exposure, kind, seed)
    stored = _BLACK + _STEP * (255 - gray if inverted else gray)
    dataset.PixelData = np.rint(stored).astype("<u2").tobytes()
    dataset.Rows, dataset.Columns = gray.shape
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    dataset.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    # PS3.3 C.11.2.1.2: the window's ends are centre - 0.5 -+ (width - 1) / 2.
    dataset.WindowWidth = 255 * _STEP + 1
    dataset.WindowCenter = _BLACK + 255 * _STEP / 2 + 0.5
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _identify(dataset, exposure: Exposure, kind: str, seed: int) -> None:
    from pydicom.dataset import Dataset

    patient = f"P{exposure.patient.number}"
    view = f"{patient} {exposure.side} {exposure.view}{exposure.suffix}"
    code, meaning = _VIEW_CODES[exposure.view]
    dataset.SOPInstanceUID = _uid(seed, exposure.name(kind))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = _uid(seed, patient), _uid(seed, f"{patient} {kind}")
    dataset.FrameOfReferenceUID = _uid(seed, view)  # both images of one compression share it
    dataset.ImageType = _IMAGE_TYPES[kind]
    dataset.Modality, dataset.PresentationIntentType = "MG", "FOR PRESENTATION"
    dataset.Manufacturer, dataset.SeriesDescription = "phantom", "synthetic, no patient"
    dataset.PatientID, dataset.PatientName, dataset.PatientSex = patient, f"Phantom^{patient}", "F"
    dataset.PatientAge, dataset.PatientBirthDate = f"{exposure.patient.age:03d}Y", ""
    dataset.StudyDate = dataset.ContentDate = "20000101"
    dataset.StudyTime = dataset.ContentTime = "120000"
    dataset.StudyID = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.SeriesNumber, dataset.InstanceNumber = 1 + (kind == "CM"), 1
    dataset.BodyPartExamined, dataset.BurnedInAnnotation, dataset.LossyImageCompression = "BREAST", "NO", "00"
    dataset.ImageLaterality, dataset.ViewPosition = exposure.side, exposure.view
    view_code = Dataset()
    view_code.CodeValue, view_code.CodingSchemeDesignator, view_code.CodeMeaning = code, "SCT", meaning
    dataset.ViewCodeSequence = [view_code]
    dataset.ImagerPixelSpacing = [0.2, 0.2]


def _uid(seed: int, name: str) -> str:
    """An identifier under the root for UUIDs, the same for the same seed and name."""
    return f"2.25.{int.from_bytes(hashlib.sha256(f'phantom {seed} {name}'.encode()).digest()[:16])}"
