"""Wraps what was inferred on a DICOM image as DICOM SEG (PS3.3 A.51, C.8.20). Bytes in memory; knows no model.

pydicom and highdicom are imported inside functions: inference on other images does without them.
"""

import hashlib
import io
import json
import uuid
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pipeline.files import install_command, is_installed, package_version

KINDS = ("binary", "fractional")
MISSING = f"highdicom is not installed, so DICOM images get PNGs only; run `{install_command('dicom')}`"

# A SEG refers to its source by these, and nothing can stand in for them.
_REFERENCES = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
# Type 2 of the modules Patient, General Study and General Image: in every SEG, and empty where nobody knows them.
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
_SERIES_NUMBER = 1000  # has to be there and need not be unique; machines count their own series from 1


class SegmentationError(Exception):
    """A source image cannot carry a SEG; the text states what was found and what to do."""


@dataclass(frozen=True)
class Algorithm:
    """What made the masks, as each segment of a SEG records it.

    Attributes:
      network: its name; several for an ensemble.
      models_sha256: of the model files, in their order.
      parameters: whatever else the pixels depend on, such as the threshold.
    """

    network: str
    models_sha256: tuple[str, ...]
    parameters: Mapping[str, object]

    @property
    def name(self) -> str:
        """Program and network, cut to the 64 characters that DICOM's LO holds."""
        return f"cesm-segmenter {self.network}"[:64]

    @property
    def model_hash(self) -> str:
        """12 hexadecimal digits that stand for the model files."""
        return hashlib.sha256("".join(self.models_sha256).encode()).hexdigest()[:12]

    @property
    def version(self) -> str:
        """Of the package, with the model's hash: either changes the masks."""
        return f"{package_version()} {self.model_hash}"


def can_write() -> bool:
    """Whether highdicom is installed."""
    return is_installed("highdicom")


def segmentations(
    source: Path, mask: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str], algorithm: Algorithm
) -> dict[str, bytes]:
    """The SEG files of one source image: one segment per lesion class, one frame per segment, at the source's size.

    Args:
      source: the DICOM file; its header alone is read.
      mask: (height, width) uint8, 0 is background and 1, 2, ... are the lesion classes.
      probabilities: (height, width, classes) float32; with several classes the first is the background.
      class_names: of the lesion classes.
      algorithm: what made them.

    Returns:
      By kind (`KINDS`): the mask bit by bit, and the probabilities in steps of 1/255. The same arguments give the
      same bytes: identifiers follow from them, and no time is of the clock.

    Raises:
      SegmentationError: the header lacks what a SEG refers to, or holds what cannot be carried over.

    Source: PS3.3 C.8.20.2; codes of PS3.16 CID 7150, 7159, 7162, 244.
    """
    lesions = np.clip(probabilities[..., -len(class_names) :], 0, 1)  # means of several views may pass 1 by a rounding
    pixels = {"binary": mask, "fractional": lesions[np.newaxis]}
    with warnings.catch_warnings():
        # The packages warn of odd values by printing them, and a header's values are a patient's.
        warnings.simplefilter("ignore")
        header = _read_header(source)
        try:
            return {kind: _encode(header, kind, pixels[kind], class_names, algorithm) for kind in KINDS}
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # what highdicom raises for an odd header
            message = f"has a header that a SEG cannot carry over ({error}); correct it where the image comes from"
            raise SegmentationError(message) from error


def _read_header(source: Path):
    """The source's header, in memory, with what highdicom asks for and a source need not have left empty."""
    import pydicom

    header = pydicom.dcmread(source, stop_before_pixels=True)
    if missing := [keyword for keyword in _REFERENCES if not header.get(keyword)]:
        raise SegmentationError(f"has no {', '.join(missing)}, by which a SEG refers to its image; export it again")
    for keyword in _EMPTY_IF_UNKNOWN:
        header.setdefault(keyword, "")
    if not header.get("FrameOfReferenceUID"):
        header.pop("FrameOfReferenceUID", None)
    # A projection has no plane in the patient. Where a header has one, highdicom would add a spacing between slices.
    header.pop("ImagePositionPatient", None)
    # highdicom copies PixelSpacing and cannot read it back without a thickness. Empty says that there is none;
    # a number would be made up. ImagerPixelSpacing is at the detector, so it is no PixelSpacing and stays behind.
    if header.get("PixelSpacing") and not header.get("SliceThickness"):
        header.SliceThickness = ""
    return header


def _encode(header, kind: str, pixels: np.ndarray, class_names: Sequence[str], algorithm: Algorithm) -> bytes:
    from highdicom.seg import Segmentation

    of_source = (header.SOPInstanceUID, *algorithm.models_sha256)
    # Another threshold gives another mask, and two instances must not share an identifier: so it depends on the pixels.
    instance = _uid(kind, *of_source, json.dumps([asdict(algorithm), algorithm.version, *class_names]), pixels.tobytes())
    date, time = _date_and_time(header)
    segmentation = Segmentation(
        source_images=[header],
        pixel_array=pixels,
        segmentation_type=kind.upper(),
        segment_descriptions=_describe_segments(header, class_names, algorithm),
        series_instance_uid=_uid("series", *of_source),
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
        omit_empty_frames=False,  # a class that was not found has its frame, too, and a reader need not guess
        specific_character_set=None,  # highdicom refuses lists that begin with the default set, as Japanese files do
    )
    if "SpecificCharacterSet" in header:
        segmentation.SpecificCharacterSet = header.SpecificCharacterSet
    segmentation.PatientOrientation = header.PatientOrientation  # rows and columns run as the source's do
    _fix_what_varies(segmentation, _uid("dimensions", instance))
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
    of_source = (header.SOPInstanceUID, *algorithm.models_sha256)
    return [
        SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=codes.cid7150.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.cid7159.Lesion,
            algorithm_type="AUTOMATIC",
            algorithm_identification=identification,
            # The same in both kinds: they show the same segment.
            tracking_uid=_uid("segment", *of_source, name),
            tracking_id=f"{name} {algorithm.model_hash} {header.SOPInstanceUID}",
            anatomic_regions=[breast],
        )
        for number, name in enumerate(class_names, 1)
    ]


def _date_and_time(header) -> tuple[str, str]:
    """When the source's content was made. That of the inference would make each run's file another one.

    A SEG must have both; the year 1900 stands for a source that has no date, as in files whose dates were removed.
    """
    for of in ("Content", "Acquisition", "Series", "Study"):
        if date := header.get(f"{of}Date"):
            return str(date), str(header.get(f"{of}Time") or "000000")
    return "19000101", "000000"


def _fix_what_varies(segmentation, dimensions_uid: str) -> None:
    """Takes out the clock's times and replaces the random identifier that highdicom puts into every file."""
    del segmentation.InstanceCreationDate, segmentation.InstanceCreationTime
    del segmentation.ContributingEquipmentSequence[-1].ContributionDateTime  # the last is highdicom itself
    for item in (*segmentation.DimensionOrganizationSequence, *segmentation.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions_uid


def _uid(*parts: str | bytes) -> str:
    """An identifier of the root for UUIDs (PS3.5 B.2), the same for the same parts."""
    digests = [hashlib.sha256(part.encode() if isinstance(part, str) else part).digest() for part in parts]
    # The version's bits only mark that it comes from a name.
    return f"2.25.{uuid.UUID(bytes=hashlib.sha256(b''.join(digests)).digest()[:16], version=5).int}"
