"""Header and pixels of DICOM, as those of other images."""

import math

import numpy as np

from pipeline.dicom.options import DicomOptions
from pipeline.dicom.parsing import check, guarded, parse, parse_start
from pipeline.dicom.tags import Tags
from pipeline.sources.coded import check_coded
from pipeline.sources.headers import Header


def read_dicom_header(data: bytes, options: DicomOptions) -> Header:
    """Reads size, pixel spacing and identity; errors are those that `pipeline.dicom.parsing` lists."""
    from pipeline.dicom.tag_rules import read_tags

    dataset = parse(data)
    check(dataset, options)
    with guarded("not-an-image", "has tags that cannot be read"):
        # ImagerPixelSpacing is measured at the detector, PixelSpacing in the breast if calibrated (PS3.3 10.7.1.3).
        spacing = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing") or [0]
        spacing_mm = float(spacing[0])
        is_known = math.isfinite(spacing_mm) and spacing_mm > 0
        tags = read_tags(dataset, options)
        return Header(int(dataset.Columns), int(dataset.Rows), spacing_mm if is_known else None, tags)


def read_dicom_tags(data: bytes, options: DicomOptions) -> Tags:
    """Reads the identity of the image in a file, from the file's beginning; errors as `pipeline.dicom.parsing.parse_start`."""
    from pipeline.dicom.tag_rules import read_tags

    dataset = parse_start(data, options)
    with guarded("not-an-image", "has tags that cannot be read"):
        return read_tags(dataset, options)


def read_dicom_pixels(data: bytes, options: DicomOptions, bits: int) -> np.ndarray:
    """Reads (height, width) uint8, or uint16 with 16 bits: what a viewer shows, stretched over all levels."""
    from pipeline.dicom.pixels import read_gray

    dataset = parse(data)
    check(dataset, options)
    check_coded(dataset)
    return read_gray(dataset, options, bits)
