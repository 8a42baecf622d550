"""Annotation files: the table of images, and the regions in any format.

To add a format, write a module that declares an `AnnotationFormat`, and list it in `reading.FORMATS`.
"""

from pipeline.annotations.contents import Annotations, DrawnRegion, SegReference, TableRow, UnreadFiles
from pipeline.annotations.format import AnnotationFile, AnnotationFormat, add_images
from pipeline.annotations.joining import UNLISTED, class_by_labels, class_unlisted, rename_images
from pipeline.annotations.provenance import Statement, make_statement
from pipeline.annotations.reading import find_annotations, read_annotations
from pipeline.annotations.seg import check_reference
from pipeline.annotations.unread import describe_unread, find_image_names, find_others, is_like_mask, masked_image

__all__ = [
    "UNLISTED",
    "AnnotationFile",
    "AnnotationFormat",
    "Annotations",
    "DrawnRegion",
    "SegReference",
    "Statement",
    "TableRow",
    "UnreadFiles",
    "add_images",
    "check_reference",
    "class_by_labels",
    "class_unlisted",
    "describe_unread",
    "find_annotations",
    "find_image_names",
    "find_others",
    "is_like_mask",
    "make_statement",
    "masked_image",
    "read_annotations",
    "rename_images",
]
