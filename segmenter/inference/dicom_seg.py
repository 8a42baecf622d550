"""Encodes the predictions for a DICOM image as DICOM SEG (PS3.3 A.51, C.8.20), in memory; uses no model.

pydicom and highdicom are imported inside functions, so that inference on other images works without them.
"""

import hashlib
import io
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pipeline.files import install_command, is_installed, package_version, without_warnings

KINDS = ("binary", "fractional")
MISSING = f"highdicom is not installed, so DICOM images get PNGs only; run `{install_command('dicom')}`"

# A SEG refers to its source by these attributes; nothing can replace them.
_REFERENCES = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
# Type 2 attributes of the modules Patient, General Study and General Image: in every SEG, and empty where unknown.
_EMPTY_IF_UNKNOWN = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "PatientOrientation",
)
_SERIES_NUMBER = 1000  # required, but need not be unique; machines number their own series from 1


class SegmentationError(Exception):
    """A source image cannot carry a SEG; the message states what was found and what to do."""


@dataclass(frozen=True)
class Algorithm:
    """The algorithm that made the masks, as each segment of a SEG records it.

    Attributes:
      network: the network's name; several names for an ensemble.
      models_sha256: the SHA-256 of each model file, in order.
      parameters: everything else that the pixels depend on, such as the threshold.
    """

    network: str
    models_sha256: tuple[str, ...]
    parameters: Mapping[str, object]

    @property
    def name(self) -> str:
        """Program and network, truncated to 64 characters, the limit of DICOM's LO."""
        return f"cesm-segmenter {self.network}"[:64]

    @property
    def model_hash(self) -> str:
        """12 hexadecimal digits that identify the model files."""
        return hashlib.sha256("".join(self.models_sha256).encode()).hexdigest()[:12]

    @property
    def version(self) -> str:
        """The package's version with the model's hash: the masks depend on both."""
        return f"{package_version()} {self.model_hash}"


def can_write() -> bool:
    """Whether highdicom is installed."""
    return is_installed("highdicom")


def segmentations(
    source: Path, mask: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str], algorithm: Algorithm
) -> dict[str, bytes]:
    """The SEG files of one source image: one segment per lesion class, one frame per segment, at the source's size.

    Args:
      source: the DICOM file; only its header is read.
      mask: (height, width) uint8, 0 is background and 1, 2, ... are the lesion classes.
      probabilities: (height, width, classes) float32; with several classes the first is the background.
      class_names: the names of the lesion classes.
      algorithm: what made the mask and the probabilities.

    Returns:
      By kind (`KINDS`): the mask as bits, and the probabilities in steps of 1/255. The same arguments give the
      same bytes: identifiers are derived from them, and no time comes from the clock.

    Raises:
      SegmentationError: the header lacks an attribute that a SEG refers to, or holds a value that cannot be carried over.

    Source: PS3.3 C.8.20.2; codes of PS3.16 CID 7150, 7159, 7162, 244.
    """
    lesions = np.clip(probabilities[..., -len(class_names) :], 0, 1)  # rounding may lift the mean of several passes above 1
    pixels = {"binary": mask, "fractional": lesions[np.newaxis]}
    with without_warnings():
        header = _read_header(source)
        try:
            return {kind: _encode(header, kind, pixels[kind], class_names, algorithm) for kind in KINDS}
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # what highdicom raises for an odd header
            message = f"has a header that a SEG cannot carry over ({error}); correct it where the image comes from"
            raise SegmentationError(message) from error


def _read_header(source: Path):
    """Reads the source's header, and adds the attributes that highdicom requires and the source lacks, empty."""
    import pydicom

    header = pydicom.dcmread(source, stop_before_pixels=True)
    if missing := [keyword for keyword in _REFERENCES if not header.get(keyword)]:
        raise SegmentationError(f"has no {', '.join(missing)}, by which a SEG refers to its image; export it again")
    for keyword in _EMPTY_IF_UNKNOWN:
        header.setdefault(keyword, "")
    if not header.get("FrameOfReferenceUID"):
        header.pop("FrameOfReferenceUID", None)
    # A projection has no plane in the patient. Where a header states one, highdicom would add a spacing between slices.
    header.pop("ImagePositionPatient", None)
    # highdicom copies PixelSpacing and cannot read it back without a thickness. Empty means unknown; a number would be
    # invented. ImagerPixelSpacing is measured at the detector, so it is not a PixelSpacing and is not carried over.
    if header.get("PixelSpacing") and not header.get("SliceThickness"):
        header.SliceThickness = ""
    return header


def _encode(header, kind: str, pixels: np.ndarray, class_names: Sequence[str], algorithm: Algorithm) -> bytes:
    from highdicom.seg import Segmentation

    origin = (header.SOPInstanceUID, *algorithm.models_sha256)
    # Another threshold gives another mask, and two instances must not share an identifier, so it depends on the pixels.
    instance = _uid(kind, *origin, json.dumps([asdict(algorithm), algorithm.version, *class_names]), pixels.tobytes())
    date, time = _date_and_time(header)
    segmentation = Segmentation(
        source_images=[header],
        pixel_array=pixels,
        segmentation_type=kind.upper(),
        segment_descriptions=_describe_segments(header, class_names, algorithm),
        series_instance_uid=_uid("series", *origin),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=instance,
        instance_number=1 + KINDS.index(kind),
        manufacturer="cesm-segmentation",
        manufacturer_model_name="cesm-segmenter",
        software_versions=package_version(),
        device_serial_number=algorithm.model_hash,
        series_description="Lesions found by cesm-segmenter",
        content_description="Predicted by a network, for research only",
        content_label="LESIONS",
        content_date=date,
        content_time=time,
        omit_empty_frames=False,  # a class that was not found has an empty frame, so that a reader need not guess
        specific_character_set=None,  # highdicom refuses lists that begin with the default set, as Japanese files do
    )
    if "SpecificCharacterSet" in header:
        segmentation.SpecificCharacterSet = header.SpecificCharacterSet
    segmentation.PatientOrientation = header.PatientOrientation  # rows and columns run as the source's do
    _make_reproducible(segmentation, _uid("dimensions", instance))
    file = io.BytesIO()
    segmentation.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _describe_segments(header, class_names: Sequence[str], algorithm: Algorithm) -> list:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from highdicom.sr import CodedConcept
    from pydicom.sr.codedict import codes

    lateralities = {"L": codes.cid244.Left, "R": codes.cid244.Right, "B": codes.cid244.Bilateral}
    breast = CodedConcept.from_code(codes.SCT.Breast)
    if laterality := lateralities.get(header.get("ImageLaterality") or header.get("Laterality")):
        breast.AnatomicRegionModifierSequence = [CodedConcept.from_code(laterality)]
    identification = AlgorithmIdentificationSequence(
        name=algorithm.name,
        family=codes.cid7162.ArtificialIntelligence,
        version=algorithm.version,
        source="cesm-segmentation",
        parameters={key: str(value) for key, value in algorithm.parameters.items()},
    )
    origin = (header.SOPInstanceUID, *algorithm.models_sha256)
    return [
        SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=codes.cid7150.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.cid7159.Lesion,
            algorithm_type="AUTOMATIC",
            algorithm_identification=identification,
            # The same in both kinds, because both show the same segment.
            tracking_uid=_uid("segment", *origin, name),
            tracking_id=f"{name} {algorithm.model_hash} {header.SOPInstanceUID}",
            anatomic_regions=[breast],
        )
        for number, name in enumerate(class_names, 1)
    ]


def _date_and_time(header) -> tuple[str, str]:
    """Date and time of the source's content. Those of the inference would make the file of each run different.

    A SEG must have both; the year 1900 stands for a source without a date, such as a file whose dates were removed.
    """
    for event in ("Content", "Acquisition", "Series", "Study"):
        if date := header.get(f"{event}Date"):
            return str(date), str(header.get(f"{event}Time") or "000000")
    return "19000101", "000000"


def _make_reproducible(segmentation, dimensions_uid: str) -> None:
    """Removes the clock's times and replaces the random identifier that highdicom puts into every file."""
    del segmentation.InstanceCreationDate, segmentation.InstanceCreationTime
    del segmentation.ContributingEquipmentSequence[-1].ContributionDateTime  # the last is highdicom itself
    for item in (*segmentation.DimensionOrganizationSequence, *segmentation.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions_uid


def _uid(*parts: str | bytes) -> str:
    """An identifier under the root for UUIDs (PS3.5 B.2), the same for the same arguments."""
    digests = [hashlib.sha256(part.encode() if isinstance(part, str) else part).digest() for part in parts]
    # Version 5 only marks that the identifier is derived from a name.
    return f"2.25.{uuid.UUID(bytes=hashlib.sha256(b''.join(digests)).digest()[:16], version=5).int}"
