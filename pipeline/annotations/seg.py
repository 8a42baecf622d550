"""Reads DICOM segmentations as ground truth: one bitmap per segment, joined by the SOPInstanceUID that they reference.

Source: DICOM PS3.3 C.8.20 (Segmentation); SOP class 1.2.840.10008.5.1.4.1.1.66.4.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.annotations.contents import Annotations, DrawnRegion, SegReference
from pipeline.annotations.format import AnnotationFile, AnnotationFormat
from pipeline.contract import SourceError
from pipeline.drawing.regions import bitmap_attributes
from pipeline.files import open_regular, require
from pipeline.recipe import Layout
from pipeline.sources import open_segmentation, segment_frames

_SOP_CLASS = re.compile(rb"1\.2\.840\.10008\.5\.1\.4\.1\.1\.66\.4(?![0-9.])")


def is_seg(path: Path) -> bool:
    """Whether a file is a DICOM segmentation, by the SOP class in its first bytes, without reading the rest."""
    try:
        with open_regular(path) as file:
            start = file.read(1024)  # preamble, mark, and the meta information, which begins with the SOP class
    except OSError:
        return False
    return start[128:132] == b"DICM" and _SOP_CLASS.search(start) is not None


def add_seg(annotations: Annotations, file: AnnotationFile, layout: Layout) -> bool:
    """Adds a segmentation's reference and, if it references one image, its regions; returns False for any other file.

    A copy of a segmentation that was read already is skipped.

    A fractional segmentation is thresholded at half of its maximum. One that cannot be read leaves a reference with a fault
    and no region, so that the run continues.

    Raises:
      InputError: highdicom is not installed.
    """
    path = file.path
    if not is_seg(path):
        return False
    require("highdicom", f"to read the DICOM segmentation {path}", "dicom")
    try:
        reference, regions = _read_seg(path)
    except SourceError as error:
        annotations.references.append(SegReference(path.name, fault=str(error)))
        return True
    if reference.uid in {earlier.uid for earlier in annotations.references}:
        return True
    annotations.references.append(reference)
    if len(reference.images) == 1:
        annotations.regions_by_uid.setdefault(reference.images[0], []).extend(regions)
    return True


def _read_seg(path: Path) -> tuple[SegReference, list[DrawnRegion]]:
    """Raises `SourceError` with a message that quotes nothing from the file."""
    with open_segmentation(path) as seg:
        images = sorted({str(instance) for _, _, instance in seg.get_source_image_uids()})
        reference = SegReference(path.name, str(seg.SOPInstanceUID), tuple(images), (int(seg.Columns), int(seg.Rows)))
        return reference, _read_segments(path, seg, reference.size) if len(reference.images) == 1 else []


def _read_segments(path: Path, seg, size: tuple[int, int]) -> list[DrawnRegion]:
    """The regions of a segmentation of one image, one per segment that has a pixel."""
    masks: dict[int, np.ndarray] = {}
    for segment, frame, full in segment_frames(seg):
        mask = frame >= full / 2  # half counts as inside
        masks[segment] = masks[segment] | mask if segment in masks else mask
    return [
        DrawnRegion(bitmap_attributes(mask), f"{path.name} segment {segment}", "", _label(seg, segment), size)
        for segment, mask in sorted(masks.items())
        if mask.any()
    ]


def _label(seg, segment: int) -> str:
    return str(seg.get_segment_description(segment).segment_label)


def check_reference(reference: SegReference, sizes: Mapping[str, tuple[int, int]]) -> str:
    """A message for a reject if a segmentation does not reference one image that fits; empty if it does.

    Args:
      reference: of the segmentation.
      sizes: width and height of the images that are there, in pixels, by SOPInstanceUID.
    """
    if reference.fault:
        return reference.fault
    if not reference.images:
        return "references no image; export it again with its source image"
    if len(reference.images) > 1:
        return f"references {len(reference.images)} images; expected one, whose pixels it shares"
    if reference.images[0] not in sizes:
        return "references an image that is not here; is the download complete?"
    (width, height), image = reference.size, sizes[reference.images[0]]
    if (width, height) != image:
        return f"has {width} x {height} pixels, but its image has {image[0]} x {image[1]}; expected the image's grid"
    return ""


SEG = AnnotationFormat(add_seg, is_dicom=is_seg)
