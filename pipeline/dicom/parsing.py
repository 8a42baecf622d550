"""From the bytes of a file to a dataset whose pixels can be decoded; all that can be refused without decoding is refused here."""

import contextlib
import io
from collections.abc import Iterator
from typing import Any

from pipeline.contract import MOST_PIXELS, SourceError
from pipeline.dicom.options import DicomOptions
from pipeline.dicom.streams import read_claim
from pipeline.files import InputError, install_command, without_warnings

PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
_DIGITAL_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"  # of DX, For Processing
# An item of a sequence takes a hundred times its bytes in memory, so a small file could fill the memory. A mammogram's header
# has some dozens of items, and its coded pixels have hundreds of fragments at most.
_ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
MOST_ITEMS = 10_000
# Tags without which pixels have no meaning (PS3.3 C.7.6.3).
_NEEDED = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "PhotometricInterpretation",
)
# Terms of the standard (PS3.3 C.7.3.1.1.1, C.7.6.3.1.2). Any other value of these tags may be anything, even a name, and is
# never quoted.
_MODALITIES = {"CR", "CT", "DX", "KO", "MG", "MR", "NM", "OT", "PR", "PT", "RF", "RG", "SC", "SEG", "SR", "US", "XA"}
_GRAY = ("MONOCHROME1", "MONOCHROME2")
_COLORS = {
    *_GRAY,
    *("PALETTE COLOR", "RGB", "HSV", "ARGB", "CMYK", "XYB"),
    *("YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_PARTIAL_422", "YBR_ICT", "YBR_RCT"),
}


def has_mark(data: bytes) -> bool:
    """Whether bytes begin as a DICOM file does (PS3.10 7.1)."""
    return data[128:132] == b"DICM"


@contextlib.contextmanager
def guarded(reason: str, message: str, remedy: str = "export it again") -> Iterator[None]:
    """Turns whatever pydicom and its decoders raise on a broken file into a `SourceError`.

    Its message has the error's type and not its text, which may quote the header.
    """
    try:
        with without_warnings():  # pydicom warns of odd values in fields that are not used here
            yield
    except (SourceError, InputError):
        raise
    except RecursionError as error:
        raise SourceError("too-large", "nests sequences in hundreds of levels; a mammogram has under ten") from error
    except Exception as error:
        raise SourceError(reason, f"{message} ({type(error).__name__}); {remedy}") from error


def is_deflated(data: bytes) -> bool:
    """Whether a DICOM file is deflated as a whole, by its meta group alone.

    Nothing is inflated, since that could fill the memory before anything is known about the file.

    Args:
      data: the file, or a start of it that holds the meta group (PS3.10 7.1).
    """
    from pydicom.filereader import _read_file_meta_info  # the public one opens files only
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    if not has_mark(data):
        return False
    file = io.BytesIO(data)
    file.seek(132)
    try:
        with without_warnings():
            return _read_file_meta_info(file).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian
    except Exception:  # pydicom reads this group first, so it cannot read the rest of the file either
        return False


def refuse_bombs(data: bytes, most_items: int = MOST_ITEMS) -> None:
    """Refuses a whole file that could fill the memory while it is parsed.

    Raises:
      SourceError: `too-large`, `unsupported-syntax`.
    """
    if (items := max(map(data.count, _ITEMS))) > most_items:
        raise SourceError("too-large", f"holds {items} sequence items and fragments; expected at most {most_items}")
    if is_deflated(data):
        raise SourceError("unsupported-syntax", "is deflated as a whole; save it uncompressed, for example with `gdcmconv --raw`")


def read_words(dataset: Any, tag: str) -> set[str]:
    """The values of a coded tag in capitals and without blanks around them; to be compared, and never shown."""
    value = dataset.get(tag)
    if value in (None, ""):
        return set()
    return {str(text).strip().upper() for text in ([value] if isinstance(value, str) else value)}


def parse(data: bytes) -> Any:
    """Parses a DICOM file to a `pydicom.Dataset`.

    Raises:
      SourceError: `not-an-image`, `file-truncated`, `too-large`, `unsupported-syntax`.
    """
    import pydicom

    if not has_mark(data):
        raise SourceError("not-an-image", "ends in .dcm but lacks the mark of a DICOM file; is it another type of file?")
    refuse_bombs(data)
    with guarded("not-an-image", "cannot be read as DICOM"):
        dataset = pydicom.dcmread(io.BytesIO(data))
    if _is_cut(dataset):
        raise SourceError("file-truncated", f"ends within an element, after {len(data)} bytes; export it again")
    return dataset


def parse_start(data: bytes, options: DicomOptions) -> Any:
    """Parses the elements before the pixels, of a mammogram that may be used.

    Args:
      data: the beginning of a file; what it cuts off is left out.
      options: as for `check`.

    Raises:
      SourceError: as `parse`, but not `file-truncated`; `not-a-mammogram`, `for-processing`, `burned-in`, `multi-frame`.
    """
    import pydicom

    if not has_mark(data):
        raise SourceError("not-an-image", "lacks the mark of a DICOM file; is it another type of file?")
    refuse_bombs(data)
    with guarded("not-an-image", "cannot be read as DICOM"):
        dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    with guarded("not-an-image", "has tags that cannot be read"):
        _check_object(dataset, options)
    return dataset


def _is_cut(dataset: Any) -> bool:
    """Whether the file ends within an element; pydicom raises nothing then, and returns the elements before it or none."""
    if not len(dataset):
        return True
    last = dataset.get_item(max(dataset.keys()))
    length, value = getattr(last, "length", None), last.value
    return length is not None and isinstance(value, bytes) and len(value) < length != 0xFFFFFFFF  # undefined length


def check(dataset: Any, options: DicomOptions) -> None:
    """Refuses a dataset that is not a single gray mammogram as readers see it, or that cannot be decoded.

    Raises:
      SourceError: `not-a-mammogram`, `for-processing`, `burned-in`, `multi-frame`, `no-pixels`, `missing-tags`,
        `too-large`, `pixels-unreadable`, `file-truncated`, `unsupported-syntax`, `decoder-missing`.
    """
    with guarded("not-an-image", "has tags that cannot be read"):
        _check_object(dataset, options)
        _check_description(dataset)
        _check_decoder(dataset)
        _check_data(dataset)


def _check_object(dataset: Any, options: DicomOptions) -> None:
    sop, modality = str(dataset.get("SOPClassUID", "")), str(dataset.get("Modality", ""))
    is_mammogram = modality in options.modalities or ("MG" in options.modalities and sop in (PRESENTATION, PROCESSING))
    if not is_mammogram:
        raise SourceError(
            "not-a-mammogram",
            f"is DICOM of modality {_quote(modality, _MODALITIES)}; expected {' or '.join(options.modalities)}; if it is a "
            "mammogram, add its modality to modalities in the recipe's [dicom]",
        )
    is_raw = sop in (PROCESSING, _DIGITAL_PROCESSING) or "FOR PROCESSING" in read_words(dataset, "PresentationIntentType")
    if is_raw and not options.for_processing:
        raise SourceError(
            "for-processing",
            "is a For Processing image, whose pixels look nothing like the ones that were annotated; use its For "
            "Presentation companion, or set for_processing = true in the recipe's [dicom]",
        )
    if "YES" in read_words(dataset, "BurnedInAnnotation") and options.burned_in == "reject":
        raise SourceError(
            "burned-in",
            "is tagged as having text burned into its pixels, which may name the patient; inspect it, and set "
            'burned_in = "keep" in the recipe\'s [dicom] if the text may stay',
        )
    if (frames := _number(dataset, "NumberOfFrames", 1)) > 1:
        raise SourceError("multi-frame", f"holds {frames} frames; save the one to use as a separate file")


def _check_description(dataset: Any) -> None:
    if not dataset.get("PixelData"):
        raise SourceError("no-pixels", "has no pixel data; is it a report or a presentation state?")
    if missing := [tag for tag in _NEEDED if dataset.get(tag) in (None, "")]:
        raise SourceError("missing-tags", f"lacks {', '.join(missing)}; export it again")
    samples, photometric = int(dataset.SamplesPerPixel), str(dataset.PhotometricInterpretation)
    if samples != 1 or photometric not in _GRAY:
        raise SourceError(
            "not-a-mammogram",
            f"has {samples} samples per pixel, {_quote(photometric, _COLORS)}; expected 1, MONOCHROME1 or MONOCHROME2",
        )
    _check_bits(dataset)
    _check_size(int(dataset.Columns), int(dataset.Rows))


def _check_bits(dataset: Any) -> None:
    allocated, stored, signed = (int(dataset[tag].value) for tag in ("BitsAllocated", "BitsStored", "PixelRepresentation"))
    if allocated not in (8, 16) or not 8 <= stored <= allocated:
        raise SourceError("pixels-unreadable", f"stores {stored} bits in {allocated}; expected 8 to 16 bits in 8 or 16")
    # pydicom takes the lowest bits, wherever HighBit is.
    if (high := _number(dataset, "HighBit", stored - 1)) != stored - 1:
        raise SourceError("pixels-unreadable", f"stores {stored} bits below bit {high}; expected HighBit to be {stored - 1}")
    if signed not in (0, 1):
        raise SourceError("pixels-unreadable", f"has the PixelRepresentation {signed}; expected 0 or 1")


def _check_size(width: int, height: int) -> None:
    """Refuses absurd sizes, before memory is allocated.

    Raises:
      SourceError: `no-pixels`, `too-large`.
    """
    if width <= 0 or height <= 0:
        raise SourceError("no-pixels", f"is {width} x {height} pixels; is it a report or a presentation state?")
    if width * height > MOST_PIXELS:
        raise SourceError("too-large", f"claims {width} x {height} pixels; a mammogram has under {MOST_PIXELS // 10**6} million")


def _check_decoder(dataset: Any) -> None:
    from pydicom.pixels import get_decoder
    from pydicom.uid import JPEGExtended12Bit, UID_dictionary

    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise SourceError("missing-tags", "lacks TransferSyntaxUID; export it again")
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        name = syntax.name if syntax in UID_dictionary else "a private syntax"
        raise SourceError("unsupported-syntax", f"is coded as {name}, which is not a coding of single images") from error
    if syntax == JPEGExtended12Bit and dataset.BitsStored > 8:
        raise SourceError("decoder-missing", "is 12-bit JPEG Extended, which no decoder for Python reads; export it uncompressed")
    if not decoder.is_available:
        needed = "; or ".join(decoder.missing_dependencies)
        raise SourceError(
            "decoder-missing",
            f"is coded as {syntax.name}, for which no decoder is installed; run `{install_command('dicom')}` (needs {needed})",
        )


def _check_data(dataset: Any) -> None:
    """Checks the length of native pixels, or the size that a compressed stream claims, against the header."""
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        _check_frame(dataset)
        return
    expected, length = dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8, len(dataset.PixelData)
    if not expected <= length <= expected + 1:  # one byte may pad to an even length
        raise SourceError("pixels-unreadable", f"holds {length} bytes of pixels, expected {expected}; export it again")


def _check_frame(dataset: Any) -> None:
    """Checks the size that the one coded frame claims against the header, before a decoder allocates memory for it."""
    from pydicom.encaps import generate_frames
    from pydicom.uid import RLELossless

    tables = [dataset[tag].value for tag in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths") if tag in dataset]
    with guarded("pixels-unreadable", "has coded data that is not divided into fragments"):
        one_each = all(len(table) == 8 for table in tables)  # else it could list many frames, each as large as the file
        # Joined as the decoder joins it: no size may hide behind a fragment's end or a false offset.
        frames = generate_frames(dataset.PixelData, number_of_frames=1, extended_offsets=tuple(tables) or None)
        frame = next(frames) if one_each else b""
        is_alone = one_each and next(frames, None) is None
    if not is_alone:
        raise SourceError("pixels-unreadable", "has offsets to more than the one coded frame; export it again")
    if dataset.file_meta.TransferSyntaxUID == RLELossless:
        return  # RLE states no size of its own
    if (claim := read_claim(frame)) is None:
        raise SourceError("pixels-unreadable", "has coded data that does not begin with its size; export it again")
    width, height, components = claim
    _check_size(width, height)
    if claim != (dataset.Columns, dataset.Rows, 1):
        size = f"{dataset.Columns} x {dataset.Rows}"
        raise SourceError(
            "pixels-unreadable", f"claims {size} pixels, but its coded data has {width} x {height} of {components} samples"
        )


def _quote(value: str, terms: set[str]) -> str:
    return value if value in terms else "unknown"


def _number(dataset: Any, tag: str, default: int) -> int:
    value = dataset.get(tag)
    return default if value in (None, "") else int(value)
