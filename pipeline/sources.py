"""Reads one source image: JPEG, PNG, TIFF, or a single-frame mammogram in DICOM. Knows no recipe and no region.

DICOM pixels go through the modality LUT, then the VOI LUT, then one inversion for MONOCHROME1 (PS3.3 C.11.1, C.11.2;
PS3.4 N.2), so that they look like the JPEGs of CDD-CESM, which were made from For Presentation files.
"""

import io
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".dcm"}

# A folder that holds one of these is another program's work: a phantom, or a data set that a stage wrote.
PHANTOM_MARK = "PHANTOM.txt"
UNFINISHED_PHANTOM_MARK = ".phantom-part"
DATASET_MARK = "recipe.toml"

_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
# PS3.16 CID 4014: SNOMED CT first, then the retired SNOMED RT codes that older files carry.
_VIEWS = {"399162004": "CC", "R-10242": "CC", "399368009": "MLO", "R-10226": "MLO"}


class SourceError(Exception):
    """One image cannot be used; `reason` is the code for rejects.csv, the words say what was found and what to do."""

    def __init__(self, reason: str, words: str):
        super().__init__(words)
        self.reason = reason


@dataclass(frozen=True)
class Header:
    """What is known of an image before its pixels are decoded; an empty string or None is unknown."""

    width: int
    height: int
    spacing_mm: float | None = None
    patient: str = ""
    side: str = ""
    kind: str = ""
    view: str = ""


def find_files(root: Path, suffixes: set[str]) -> list[Path]:
    """Files below a folder by suffix (any case), sorted; hidden folders, phantoms and data sets below it are passed over.

    `root` itself may be a phantom.
    """
    return sorted(_walk(root, suffixes))


def _walk(root: Path, suffixes: set[str]) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        if {PHANTOM_MARK, UNFINISHED_PHANTOM_MARK, DATASET_MARK} & set(names) and Path(folder) != root:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (
            Path(folder, name) for name in names if Path(name).suffix.lower() in suffixes and not name.startswith((".", "~$"))
        )


def read_header(path: Path, data: bytes | None = None) -> Header:
    """Reads size and, for DICOM, identity, without decoding pixels.

    Args:
      path: the file.
      data: its bytes where the caller has read them already.

    Raises:
      SourceError: `file-empty`, `file-truncated`, `file-unreadable`, `not-an-image`, `multi-frame`, `too-large`, or
        for DICOM `not-a-mammogram`, `for-processing`, `compressed`, `no-pixels`.
    """
    data = read_bytes(path) if data is None else data
    if path.suffix.lower() == ".dcm":
        return _dicom_header(_dicom(data, pixels=False))
    try:
        with warnings.catch_warnings():
            # Pillow warns from 89 million pixels on; no mammogram has so many.
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(io.BytesIO(data)) as image:
                frames, (width, height) = getattr(image, "n_frames", 1), image.size
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        raise SourceError("too-large", f"{error}; a mammogram has under 89 million pixels") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise SourceError(
            "not-an-image", f"starts with {data[:8]!r}, which is no JPEG, PNG or TIFF; is it another kind of file?"
        ) from error
    if frames > 1:
        raise SourceError("multi-frame", f"holds {frames} frames; save the wanted one as an image of its own")
    return Header(width, height)


def read_image(path: Path, data: bytes | None = None) -> np.ndarray:
    """Reads the pixels of one image as gray.

    Args:
      path: the file.
      data: its bytes where the caller has read them already.

    Returns:
      (height, width) uint8. 16-bit files are divided by 257, so that 65535 becomes 255; colour becomes luma; an EXIF
      orientation is not applied, because regions are in stored pixels.

    Raises:
      SourceError: as `read_header`, and `pixels-unreadable`.
    """
    data = read_bytes(path) if data is None else data
    if path.suffix.lower() == ".dcm":
        return _dicom_pixels(_dicom(data, pixels=True))
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise SourceError("pixels-unreadable", f"cannot be decoded ({error.err}); download it again") from error
    if image is None:
        read_header(path, data)  # says more where the header is the trouble
        raise SourceError("pixels-unreadable", "cannot be decoded, though its header is sound; download it again")
    if image.dtype == np.uint16:
        return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.dtype != np.uint8:
        raise SourceError("pixels-unreadable", f"holds {image.dtype} pixels; wanted 8 or 16 bits without sign")
    return image


def read_bytes(path: Path) -> bytes:
    """The file's bytes, if they are all there.

    Decoders fill the missing part of a cut file with grey and only print a warning, so the end marks are checked here.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError("file-unreadable", f"cannot be read: {error.strerror}") from error
    if not data:
        raise SourceError("file-empty", "has 0 bytes; download it again")
    ends = {b"\xff\xd8": (b"\xff\xd9", "JPEG"), b"\x89P": (b"IEND", "PNG")}
    mark, kind = ends.get(data[:2], (b"", ""))
    # Within JPEG's coded data an FF is never followed by D9, so an earlier one would be a thumbnail's.
    if mark and mark not in data[-65536:]:
        raise SourceError("file-truncated", f"is a {kind} of {len(data)} bytes without its end mark; download it again")
    return data


def _dicom(data: bytes, *, pixels: bool):
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom warns of odd values in fields that are not used here
            return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=not pixels)
    except Exception as error:  # pydicom raises what its parser happens to meet in a broken file
        raise SourceError("not-an-image", f"cannot be read as DICOM ({error}); is it another kind of file?") from error


def _dicom_header(dataset) -> Header:
    sop = str(dataset.get("SOPClassUID", ""))
    if dataset.get("PresentationIntentType") == "FOR PROCESSING" or sop == _PROCESSING:
        raise SourceError(
            "for-processing",
            "is a For Processing image, whose pixels look nothing like the ones that were "
            "annotated; give its For Presentation companion",
        )
    if sop != _PRESENTATION and dataset.get("Modality") != "MG":
        raise SourceError("not-a-mammogram", f"is DICOM of modality {dataset.get('Modality', 'unknown')!r}; wanted MG")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise SourceError("multi-frame", f"holds {frames} frames; save the wanted one as a file of its own")
    syntax = getattr(dataset, "file_meta", {}).get("TransferSyntaxUID")
    if syntax is not None and syntax.is_compressed and not syntax.is_deflated:
        raise SourceError(
            "compressed",
            f"is compressed ({syntax.name}); decompress it first, for example with `pydicom`'s decompress or `gdcmconv --raw`",
        )
    width, height = int(dataset.get("Columns") or 0), int(dataset.get("Rows") or 0)
    if not width or not height:
        raise SourceError("no-pixels", "says nothing of rows and columns; is it a report or a presentation state?")
    if int(dataset.get("SamplesPerPixel") or 1) != 1:
        raise SourceError("not-a-mammogram", f"has {dataset.SamplesPerPixel} samples a pixel; a mammogram has 1")
    spacing = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
    number = re.fullmatch(r"\s*[Pp]?0*([1-9]\d*)\s*", str(dataset.get("PatientID", "")))
    return Header(
        width,
        height,
        float(spacing[0]) if spacing else None,
        patient=f"P{number[1]}" if number else "",
        side=str(dataset.get("ImageLaterality") or dataset.get("Laterality") or "").strip(),
        kind=_dicom_kind(dataset),
        view=_dicom_view(dataset),
    )


def _dicom_kind(dataset) -> str:
    """DM or CM by Image Type (PS3.3 C.8.11.7.1.4): value 5 names the low energy, value 4 the subtraction."""
    image_type = set(dataset.get("ImageType") or [])
    kinds = {kind for word, kind in (("LOW_ENERGY", "DM"), ("SUBTRACTION", "CM")) if word in image_type}
    return kinds.pop() if len(kinds) == 1 else ""


def _dicom_view(dataset) -> str:
    codes = dataset.get("ViewCodeSequence") or []
    coded = _VIEWS.get(str(codes[0].get("CodeValue", ""))) if len(codes) else None
    return coded or str(dataset.get("ViewPosition") or "").strip()


def _dicom_pixels(dataset) -> np.ndarray:
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    header = _dicom_header(dataset)
    if "PixelData" not in dataset:
        raise SourceError("no-pixels", "has no pixel data; is it a report or a presentation state?")
    try:
        stored = dataset.pixel_array
        slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
        # An identity rescale would only turn integers into floats, which a VOI LUT cannot take.
        plain = "ModalityLUTSequence" not in dataset and (slope, intercept) == (1, 0)
        values = apply_voi_lut(stored if plain else apply_modality_lut(stored, dataset), dataset)
    except Exception as error:  # as above: whatever pydicom meets
        raise SourceError("pixels-unreadable", f"its pixels cannot be decoded ({error}); export it again") from error
    if values.shape != (header.height, header.width):
        raise SourceError("pixels-unreadable", f"decodes to {values.shape}, wanted {(header.height, header.width)}")
    low, high = _output_range(dataset, slope, intercept)
    gray = np.clip((values - low) * (255.0 / (high - low)), 0, 255)
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE":
        gray = 255 - gray  # against the fixed maximum, not the image's own
    return np.rint(gray).astype(np.uint8)


def _output_range(dataset, slope: float, intercept: float) -> tuple[float, float]:
    """The values that mean black and white after the VOI LUT, from the header alone and never from the pixels."""
    if dataset.get("VOILUTSequence"):
        return 0, 2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1
    if dataset.get("ModalityLUTSequence"):
        return 0, 2 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
    bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return low * slope + intercept, high * slope + intercept
