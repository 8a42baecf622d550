"""What a data set folder is: the contract between the half that makes data sets and the half that uses them.

Splits, classes, names of samples, columns of the manifest, how a mask file is read, and why a source image is dropped are
declared in this package, each once. It knows neither how a data set is made nor what is done with it.
"""

from pipeline.contract.classes import CLASS_COLORS, CLASSES, LESION_CLASSES, WORST_FIRST
from pipeline.contract.columns import COLUMN_NAMES, COLUMNS, DESCRIPTIONS, DETAILS, GROUPS, Column, read_row
from pipeline.contract.descriptions import AnnotatorEntry, AuditFile, DescriptionFile, Dropped, RegionCounts
from pipeline.contract.folders import (
    DATASET_JSON,
    DATASET_MARK,
    MANIFEST,
    SCHEMA,
    SPLIT_FOLDERS,
    SPLITS,
    SplitFolder,
    find_split_folders,
)
from pipeline.contract.images import DICOM_SUFFIXES, IMAGE_SUFFIXES, MOST_PIXELS, PAIR_SUFFIXES, UNREAD_SUFFIXES
from pipeline.contract.masks import LESION_LEVEL, MOST_CLASSES, ClassesError, MaskError, MaskLevels, as_classes, cut_levels
from pipeline.contract.names import ImageName, clean_name, fold_patient, parse_image, parse_sample, parse_view, sample_name
from pipeline.contract.partners import MISSING, PARTNER_COLUMNS, PARTNER_FOLDER, PARTNERS, REGISTERED
from pipeline.contract.reasons import CRASHED, REASONS, Reason, SourceError, find_reason

__all__ = [
    "CLASSES",
    "CLASS_COLORS",
    "COLUMNS",
    "COLUMN_NAMES",
    "CRASHED",
    "DATASET_JSON",
    "DATASET_MARK",
    "DESCRIPTIONS",
    "DETAILS",
    "DICOM_SUFFIXES",
    "GROUPS",
    "IMAGE_SUFFIXES",
    "LESION_CLASSES",
    "LESION_LEVEL",
    "MANIFEST",
    "MISSING",
    "MOST_CLASSES",
    "MOST_PIXELS",
    "PAIR_SUFFIXES",
    "PARTNERS",
    "PARTNER_COLUMNS",
    "PARTNER_FOLDER",
    "REASONS",
    "REGISTERED",
    "SCHEMA",
    "SPLITS",
    "SPLIT_FOLDERS",
    "UNREAD_SUFFIXES",
    "WORST_FIRST",
    "AnnotatorEntry",
    "AuditFile",
    "ClassesError",
    "Column",
    "DescriptionFile",
    "Dropped",
    "ImageName",
    "MaskError",
    "MaskLevels",
    "Reason",
    "RegionCounts",
    "SourceError",
    "SplitFolder",
    "as_classes",
    "clean_name",
    "cut_levels",
    "find_reason",
    "find_split_folders",
    "fold_patient",
    "parse_image",
    "parse_sample",
    "parse_view",
    "read_row",
    "sample_name",
]
