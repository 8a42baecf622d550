"""Wraps pixels as a mammogram of one vendor (PS3.3 A.26, A.27, C.8.11). Bytes, no files.

Every name, number and date in it is invented and recognisable as such, as far as its form allows.
"""

import datetime
import hashlib
import io

import numpy as np

from pipeline.phantom import grayscale
from pipeline.phantom.cases import SIDES, Exposure
from pipeline.phantom.compression import compress
from pipeline.phantom.grayscale import WHITE, Stored
from pipeline.phantom.vendors import EXPLICIT, IMPLICIT, Vendor

PRESENTATION, PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.1.2.1"
_SPACING_MM = 0.2
_MAGNIFIED = 1.05  # the breast lies above the detector, so a pixel spans less of it
_BREAST = ("76752008", "SCT", "Breast")
_CONTRAST = ("698127009", "SCT", "Iodinated contrast agent")


def mammogram_bytes(
    gray: np.ndarray, exposure: Exposure, kind: str, seed: int, vendor: Vendor, *, inverted: bool = False
) -> bytes:
    """One image For Presentation as a DICOM file.

    Args:
      gray: (height, width) float32 in gray levels, 0 to 255.
      exposure, kind: of the image.
      seed: the phantom's; all identifiers follow from it.
      vendor: how it is stored and tagged.
      inverted: writes MONOCHROME1, where low values are white, whatever the vendor does.

    Returns:
      The file; a viewer shows it as `gray`, to within half a gray level, except for JPEG Baseline, which is lossy.
    """
    inverted = inverted or vendor.inverted
    dataset = _dataset(exposure, kind, seed, vendor, PRESENTATION)
    _store(dataset, vendor.chain(WHITE - gray if inverted else gray), inverted)
    if vendor.syntax not in (IMPLICIT, EXPLICIT):
        compress(dataset, vendor.syntax)
    return as_bytes(dataset)


def raw_bytes(gray: np.ndarray, exposure: Exposure, seed: int, vendor: Vendor) -> bytes:
    """The low-energy image For Processing, as the detector read it; arguments as for `mammogram_bytes`."""
    dataset = _dataset(exposure, "DM", seed, vendor, PROCESSING)
    _store(dataset, grayscale.raw(gray), inverted=True)
    dataset.PixelIntensityRelationship = "LIN"
    return as_bytes(dataset)


def new_file(sop_class: str, instance: str, syntax: str = EXPLICIT):
    """A `pydicom` data set with its class, instance and transfer syntax."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, instance
    return dataset


def _dataset(exposure: Exposure, kind: str, seed: int, vendor: Vendor, sop_class: str):
    """The `pydicom` data set of an image, without pixels."""
    written = vendor.syntax if vendor.syntax == IMPLICIT else EXPLICIT
    dataset = new_file(sop_class, identifier(seed, f"{vendor.name} {exposure.name(kind)} {sop_class}"), written)
    describe_study(dataset, exposure, seed)
    _describe_series(dataset, exposure, kind, seed, vendor)
    _describe_image(dataset, exposure, kind, seed, vendor)
    return dataset


def describe_study(dataset, exposure: Exposure, seed: int) -> None:
    """Sets the tags of patient and study, which all files of a patient share."""
    patient = exposure.patient
    name = f"P{patient.number}"
    day = datetime.date(2001, 1, 1) + datetime.timedelta(days=5 * patient.number)
    dataset.PatientID, dataset.PatientName, dataset.PatientSex = name, f"Phantom^Synthetic {name}", "F"
    dataset.PatientBirthDate = f"{day.year - patient.age}0101"
    dataset.PatientAge = f"{patient.age:03d}Y"
    dataset.StudyInstanceUID = identifier(seed, name)
    dataset.StudyDate, dataset.StudyTime = f"{day:%Y%m%d}", "100000"
    dataset.StudyID, dataset.AccessionNumber = f"{patient.number}", f"PHANTOM{patient.number:06d}"
    dataset.ReferringPhysicianName, dataset.InstitutionName = "Phantom^Referrer", "Phantom Hospital"
    dataset.StudyDescription = "Synthetic CESM, no patient"


def _describe_series(dataset, exposure: Exposure, kind: str, seed: int, vendor: Vendor) -> None:
    processing = dataset.SOPClassUID == PROCESSING
    dataset.SeriesInstanceUID = identifier(seed, f"P{exposure.patient.number} {kind}{' raw' * processing}")
    dataset.SeriesNumber = 1 + (kind == "CM") + 10 * processing
    dataset.SeriesDescription = f"{exposure.side} {exposure.view} {vendor.descriptions[kind]}"
    dataset.Modality = "MG"
    dataset.PresentationIntentType = "FOR PROCESSING" if processing else "FOR PRESENTATION"
    dataset.Manufacturer, dataset.ManufacturerModelName = vendor.name, "Synthetic 1"
    dataset.DeviceSerialNumber, dataset.StationName = f"PHANTOM{exposure.patient.machine}", "PHANTOM"
    dataset.SoftwareVersions, dataset.OperatorsName = "1.0", "Phantom^Operator"


def _describe_image(dataset, exposure: Exposure, kind: str, seed: int, vendor: Vendor) -> None:
    view = f"P{exposure.patient.number} {exposure.side} {exposure.view}{exposure.suffix}"
    dataset.FrameOfReferenceUID = identifier(seed, view)  # both images of one compression share it
    dataset.PositionReferenceIndicator = ""
    dataset.ImageType = list(vendor.image_types[kind])
    dataset.InstanceNumber = 1 + 4 * SIDES.index(exposure.side) + 2 * (exposure.view == "MLO") + bool(exposure.suffix)
    dataset.AcquisitionNumber = dataset.InstanceNumber
    dataset.AcquisitionDate = dataset.ContentDate = dataset.StudyDate
    dataset.AcquisitionTime = dataset.ContentTime = f"10{dataset.InstanceNumber:02d}00"
    if vendor.says_burned_in:
        dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    setattr(dataset, vendor.laterality, exposure.side)
    dataset.ViewPosition = exposure.view
    dataset.ViewCodeSequence = [code(*vendor.view_codes[exposure.view])]
    dataset.ViewCodeSequence[0].ViewModifierCodeSequence = []
    dataset.PatientOrientation = _orientation(exposure)
    dataset.BodyPartExamined, dataset.OrganExposed = "BREAST", "BREAST"
    dataset.AnatomicRegionSequence = [code(*_BREAST)]
    dataset.AcquisitionContextSequence = []
    dataset.ContrastBolusAgent = "synthetic, none given"
    dataset.ContrastBolusAgentSequence = [code(*_CONTRAST)]
    _describe_exposure(dataset, kind, vendor)


def _describe_exposure(dataset, kind: str, vendor: Vendor) -> None:
    dataset.PositionerType, dataset.DetectorType = "MAMMOGRAPHIC", "DIRECT"
    dataset.KVP = 30 if kind == "DM" else 45
    dataset.BodyPartThickness, dataset.CompressionForce = 55, 100
    dataset.BreastImplantPresent = "NO"
    dataset.ImagerPixelSpacing = [_SPACING_MM] * 2
    if vendor.calibrated:
        dataset.EstimatedRadiographicMagnificationFactor = _MAGNIFIED
        dataset.PixelSpacing = [round(_SPACING_MM / _MAGNIFIED, 4)] * 2
        dataset.PixelSpacingCalibrationType, dataset.PixelSpacingCalibrationDescription = "GEOMETRY", "synthetic"


def _orientation(exposure: Exposure) -> list[str]:
    """The directions of rows and columns: left breasts have the chest wall at the left, the outer or upper side at the top."""
    down = {"L": "R", "R": "L"}[exposure.side]
    return ["A" if exposure.side == "L" else "P", down if exposure.view == "CC" else f"F{down}"]


def _store(dataset, stored: Stored, inverted: bool) -> None:
    allocated = 8 if stored.bits <= 8 else 16
    dataset.Rows, dataset.Columns = stored.values.shape
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, int(stored.signed)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, stored.bits, stored.bits - 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    dataset.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", 1 if inverted else -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    for keyword, value in stored.tags.items():
        setattr(dataset, keyword, value)
    if "ModalityLUTSequence" in dataset:  # replaces the rescale (PS3.3 C.11.1)
        del dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType
    pixels = stored.values.astype(f"<{'i' if stored.signed else 'u'}{allocated // 8}").tobytes()
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OB" if allocated == 8 else "OW"


def code(value: str, scheme: str, meaning: str):
    """An item of a code sequence."""
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def as_bytes(dataset) -> bytes:
    """The bytes of a `pydicom` data set as a DICOM file."""
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def identifier(seed: int, name: str) -> str:
    """An identifier under the root for UUIDs, the same for the same seed and name."""
    return f"2.25.{int.from_bytes(hashlib.sha256(f'phantom {seed} {name}'.encode()).digest()[:16])}"
