"""Reads one source image: JPEG, PNG, TIFF, or a single-frame mammogram in DICOM. Knows no recipe and no region.

DICOM files are recognised by their mark, whatever their name; `pipeline.dicom` reads them.
"""

from pipeline.dicom.options import DicomOptions
from pipeline.sources.coded import check_coded
from pipeline.sources.contents import DEFAULT_DICOM, has_dicom_mark, read_bytes
from pipeline.sources.finding import (
    PHANTOM_MARK,
    UNFINISHED_PHANTOM_MARK,
    count_unread_images,
    describe_unread_images,
    find_files,
    find_unread_images,
    leaves,
    stem_of,
)
from pipeline.sources.headers import Header
from pipeline.sources.images import read_header, read_header_and_levels, read_image, read_tags
from pipeline.sources.masks import decode_mask, decode_values, read_mask
from pipeline.sources.segmentations import open_segmentation, segment_frames

__all__ = [
    "DEFAULT_DICOM",
    "PHANTOM_MARK",
    "UNFINISHED_PHANTOM_MARK",
    "DicomOptions",
    "Header",
    "check_coded",
    "count_unread_images",
    "decode_mask",
    "decode_values",
    "describe_unread_images",
    "find_files",
    "find_unread_images",
    "has_dicom_mark",
    "leaves",
    "open_segmentation",
    "read_bytes",
    "read_header",
    "read_header_and_levels",
    "read_image",
    "read_mask",
    "read_tags",
    "segment_frames",
    "stem_of",
]
