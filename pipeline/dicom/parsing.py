"""From the bytes of a file to a dataset whose pixels can be decoded: everything that can be refused before is refused here."""

import contextlib
import io
import struct
import warnings
from collections.abc import Iterator
from typing import Any

from pipeline.dicom.options import DicomOptions
from pipeline.faults import MOST_PIXELS, SourceError

PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
_DEFLATED = "1.2.840.10008.1.2.1.99"
# Without these nothing can be said of the pixels (PS3.3 C.7.6.3).
_NEEDED = ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation", "PhotometricInterpretation")


def has_mark(data: bytes) -> bool:
    """Whether bytes begin as a DICOM file does (PS3.10 7.1)."""
    return data[128:132] == b"DICM"


@contextlib.contextmanager
def guarded(reason: str, words: str) -> Iterator[None]:
    """Turns whatever pydicom and its decoders meet in a broken file into a `SourceError`.

    Its words hold the error's kind and not its text, which may quote the header.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom warns of odd values in fields that are not used here
            yield
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(reason, f"{words} ({type(error).__name__}); export it again, uncompressed") from error


def parse(data: bytes) -> Any:
    """A DICOM file as a `pydicom.Dataset`.

    Raises:
      SourceError: `not-an-image`, `file-truncated`, `unsupported-syntax`.
    """
    import pydicom

    # The file's meta group stands at its front; inflating could fill the memory before anything is known of the image.
    if _DEFLATED.encode() in data[132:4096]:
        raise SourceError("unsupported-syntax", "is deflated as a whole; save it uncompressed, for example with `gdcmconv --raw`")
    if not has_mark(data):
        raise SourceError("not-an-image", "ends in .dcm but lacks the mark of a DICOM file; is it another kind?")
    with guarded("not-an-image", "cannot be read as DICOM"):
        dataset = pydicom.dcmread(io.BytesIO(data))
    if _is_cut(dataset):
        raise SourceError("file-truncated", f"ends amid its elements, at {len(data)} bytes; export it again")
    return dataset


def _is_cut(dataset: Any) -> bool:
    """Whether the file ends amid an element: pydicom raises nothing then, and keeps all before it or nothing at all."""
    if not len(dataset):
        return True
    last = dataset.get_item(max(dataset.keys()))
    length, value = getattr(last, "length", None), last.value
    return length is not None and isinstance(value, bytes) and len(value) < length != 0xFFFFFFFF  # which is undefined


def check(dataset: Any, options: DicomOptions) -> None:
    """Refuses what is no single gray mammogram that readers saw, or cannot be decoded.

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
    if sop not in (PRESENTATION, PROCESSING) and modality != "MG":
        raise SourceError("not-a-mammogram", f"is DICOM of modality {modality or 'unknown'}; wanted MG")
    is_raw = sop == PROCESSING or dataset.get("PresentationIntentType") == "FOR PROCESSING"
    if is_raw and not options.for_processing:
        raise SourceError(
            "for-processing",
            "is a For Processing image, whose pixels look nothing like the ones that were annotated; give its For "
            "Presentation companion, or set for_processing = true in the recipe's [dicom]",
        )
    if dataset.get("BurnedInAnnotation") == "YES" and options.burned_in == "reject":
        raise SourceError(
            "burned-in",
            "says that text is burned into its pixels, which may name the patient; look at it, and set "
            'burned_in = "keep" in the recipe\'s [dicom] if it may stay',
        )
    if (frames := _number(dataset, "NumberOfFrames", 1)) > 1:
        raise SourceError("multi-frame", f"holds {frames} frames; save the wanted one as a file of its own")


def _check_description(dataset: Any) -> None:
    if not dataset.get("PixelData"):
        raise SourceError("no-pixels", "has no pixel data; is it a report or a presentation state?")
    if missing := [tag for tag in _NEEDED if dataset.get(tag) in (None, "")]:
        raise SourceError("missing-tags", f"does not tell {', '.join(missing)}; export it again")
    if (samples := _number(dataset, "SamplesPerPixel", 1)) != 1 or not dataset.PhotometricInterpretation.startswith("MONOCHROME"):
        raise SourceError(
            "not-a-mammogram",
            f"has {samples} samples a pixel, {dataset.PhotometricInterpretation}; wanted 1, MONOCHROME1 or MONOCHROME2",
        )
    allocated, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    if allocated not in (8, 16) or not 8 <= stored <= allocated:
        raise SourceError("pixels-unreadable", f"stores {stored} bits in {allocated}; wanted 8 to 16 bits in 8 or 16")
    _check_size(int(dataset.Columns), int(dataset.Rows))


def _check_size(width: int, height: int) -> None:
    """Refuses absurd sizes, before memory is asked for.

    Raises:
      SourceError: `no-pixels`, `too-large`.
    """
    if not width or not height:
        raise SourceError("no-pixels", f"is {width} x {height} pixels; is it a report or a presentation state?")
    if width * height > MOST_PIXELS:
        raise SourceError("too-large", f"claims {width} x {height} pixels; a mammogram has under {MOST_PIXELS // 10**6} million")


def _check_decoder(dataset: Any) -> None:
    from pydicom.pixels import get_decoder
    from pydicom.uid import JPEGExtended12Bit

    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise SourceError("missing-tags", "does not tell TransferSyntaxUID; export it again")
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise SourceError("unsupported-syntax", f"is coded as {syntax.name}, which is no coding of single images") from error
    if syntax == JPEGExtended12Bit and dataset.BitsStored > 8:
        raise SourceError("decoder-missing", "is 12-bit JPEG Extended, which no decoder for Python reads; export it uncompressed")
    if not decoder.is_available:
        needed = "; or ".join(decoder.missing_dependencies)
        raise SourceError(
            "decoder-missing",
            f"is coded as {syntax.name}, for which no decoder is installed; give `pip install '.[dicom]'` (needs {needed})",
        )


def _check_data(dataset: Any) -> None:
    """Holds the length of native pixels, and the size that a compressed stream claims, against the header."""
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        for width, height in _stream_sizes(dataset.PixelData):
            _check_size(width, height)
            if (width, height) != (dataset.Columns, dataset.Rows):
                told = f"{dataset.Columns} x {dataset.Rows}"
                raise SourceError("pixels-unreadable", f"claims {told} pixels, but its coded data {width} x {height}")
        return
    wanted, found = dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8, len(dataset.PixelData)
    if not wanted <= found <= wanted + 1:  # one byte may pad to an even length
        raise SourceError("pixels-unreadable", f"holds {found} bytes of pixels, wanted {wanted}; export it again")


def _stream_sizes(pixel_data: bytes) -> Iterator[tuple[int, int]]:
    """Width and height that the first stream of a JPEG, JPEG-LS or JPEG 2000 image claims; none for run lengths.

    Source: ITU-T T.81 B.2.2 (SOF), T.87 C.2.2 (SOF55), T.800 A.5.1 (SIZ).
    """
    from pydicom.encaps import generate_fragments

    try:
        stream = next(fragment for fragment in generate_fragments(pixel_data) if fragment[:1] == b"\xff")
    except (StopIteration, ValueError, struct.error, EOFError):
        return
    if stream[:4] == b"\xff\x4f\xff\x51":  # SOC, SIZ
        right, below, left, top = struct.unpack(">4I", stream[8:24])
        yield right - left, below - top
        return
    place = 2
    while place + 9 < len(stream) and stream[place] == 0xFF:
        marker, length = stream[place + 1], int.from_bytes(stream[place + 2 : place + 4])
        # Start of frame; 0xC4, 0xC8 and 0xCC are tables.
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            height, width = struct.unpack(">2H", stream[place + 5 : place + 9])
            yield width, height
            return
        place += 2 + length


def _number(dataset: Any, tag: str, default: int) -> int:
    value = dataset.get(tag)
    return default if value in (None, "") else int(value)
