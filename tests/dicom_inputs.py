"""DICOM files good and bad, made from one small picture: the picture of the good ones, and the reason to reject each bad one."""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pydicom
from inputs import mammogram
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    JPEG2000,
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from pipeline.phantom import grayscale
from pipeline.phantom.compression import compress

# What a right viewer shows of every good file, (48, 40) uint8: a smooth slope from black to white.
GRAY = np.linspace(0, 255, 48 * 40).reshape(48, 40).round().astype(np.uint8)
STORED = GRAY.astype(np.uint16) * 16  # as 12 bits, of which 4080 is white
WINDOW = {"WindowCenter": "2040.5", "WindowWidth": "4081"}

Writer = Callable[[Path], Path]


def _tagged(**tags) -> Writer:
    """A mammogram with some tags changed; None leaves a tag out."""
    return lambda path: mammogram(path, STORED, **(WINDOW | tags))


def _bytes_of(write: Writer, change: Callable[[bytes], bytes]) -> Writer:
    """The file of a writer, damaged."""

    def damage(path: Path) -> Path:
        path.write_bytes(change(write(path).read_bytes()))
        return path

    return damage


def _stored(chain: grayscale.Chain, *, inverted: bool = False) -> Writer:
    """The picture in one way of storing gray levels."""
    stored = chain(255 - GRAY.astype(float) if inverted else GRAY.astype(float))
    allocated = 8 if stored.bits == 8 else 16
    color = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"} if inverted else {}
    return _tagged(
        BitsAllocated=allocated,
        BitsStored=stored.bits,
        HighBit=stored.bits - 1,
        PixelRepresentation=int(stored.signed),
        PixelData=stored.values.astype(f"<{'i' if stored.signed else 'u'}{allocated // 8}").tobytes(),
        **(color | stored.tags),
    )


def compressed(syntax: str, chain: grayscale.Chain = grayscale.window_12_bits, **options) -> Writer:
    """The picture in a compressed transfer syntax; `options` are those of pydicom's encoders."""

    def write(path: Path) -> Path:
        dataset = pydicom.dcmread(_stored(chain)(path))
        if options:
            dataset.compress(syntax, generate_instance_uid=False, **options)
        else:
            compress(dataset, syntax)
        dataset.save_as(path)
        return path

    return write


def _in_fragments(path: Path) -> Path:
    """One frame in three fragments, as PS3.5 A.4 allows."""
    dataset = pydicom.dcmread(compressed(JPEGLSLossless)(path))
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = encapsulate([frame], fragments_per_frame=3)
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)
    return path


def wrapped(syntax: str, frame: bytes = b"\0\0\1\xb3" + b"\0" * 60, **tags) -> Writer:
    """A mammogram that claims to be compressed, with a frame that need not be."""

    def write(path: Path) -> Path:
        dataset = pydicom.dcmread(_tagged(**tags)(path))
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = encapsulate([frame])
        dataset["PixelData"].VR = "OB"
        dataset.save_as(path)
        return path

    return write


def _refragmented(syntax: str, cut: Callable[[bytes], list[bytes]], **tags) -> Writer:
    """Compressed pixels whose frame is put into other items, the Basic Offset Table first."""

    def write(path: Path) -> Path:
        dataset = pydicom.dcmread(compressed(syntax)(path))
        (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
        items = [item + b"\0" * (len(item) % 2) for item in cut(frame)]
        dataset.PixelData = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
        dataset["PixelData"].VR = "OB"
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)
        return path

    return write


def _enlarged(frame: bytes) -> bytes:
    """A JPEG-LS or JPEG 2000 stream that claims 60000 x 60000 pixels."""
    if frame[:2] == b"\xff\xd8":
        at = frame.index(b"\xff\xf7\x00\x0b") + 5
        return frame[:at] + struct.pack(">2H", 60000, 60000) + frame[at + 4 :]
    return frame[:8] + struct.pack(">2I", 60000, 60000) + frame[16:]


def _boxed(frame: bytes, more: bytes = b"") -> bytes:
    """A JPEG 2000 stream as a JP2 file, which DICOM forbids and some writers put in."""
    ihdr = struct.pack(">I4sIIHBBBB", 22, b"ihdr", 48, 40, 1, 11, 7, 0, 0)
    colr = struct.pack(">I4sBBBI", 15, b"colr", 1, 0, 0, 17)
    mark = struct.pack(">I4sI", 12, b"jP  ", 0x0D0A870A) + struct.pack(">I4s4sI4s", 20, b"ftyp", b"jp2 ", 0, b"jp2 ")
    head = ihdr + more + colr
    return mark + struct.pack(">I4s", 8 + len(head), b"jp2h") + head + struct.pack(">I4s", 0, b"jp2c") + frame


def _with_components(frame: bytes) -> bytes:
    """A JPEG 2000 stream that claims 64 components."""
    length = struct.unpack_from(">H", frame, 4)[0]
    return (
        frame[:4] + struct.pack(">H", 38 + 3 * 64) + frame[6:40] + struct.pack(">H", 64) + frame[42:45] * 64 + frame[4 + length :]
    )


def _deflated_late(path: Path) -> Path:
    """Deflated, which the file states after 5000 other bytes; the deflated bytes cannot be inflated."""
    meta = struct.pack("<HH2sHI", 2, 1, b"OB", 0, 5000) + bytes(5000)
    meta += struct.pack("<HH2sH22s", 2, 0x10, b"UI", 22, b"1.2.840.10008.1.2.1.99")
    path.write_bytes(bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta)) + meta + b"\xff" * 64)
    return path


def _without_item(data: bytes) -> bytes:
    """The file of compressed pixels, whose last fragment does not begin with an item's tag."""
    return b"\1\0\1\0".join(data.rsplit(struct.pack("<HH", 0xFFFE, 0xE000), 1))


def _below_zero(data: bytes) -> bytes:
    """The file of a mammogram with two negative sides whose product is right."""
    for element, side in ((0x10, 48), (0x11, 40)):
        head = struct.pack("<HH", 0x28, element)
        data = data.replace(head + struct.pack("<2sHH", b"US", 2, side), head + struct.pack("<2sHh", b"SS", 2, -side))
    return data


def _of_items(data: bytes) -> bytes:
    """The file of a mammogram with a private sequence of 20000 empty items, which take a hundred times their bytes in memory."""
    at = data.index(struct.pack("<HH", 0x28, 2))
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 20000 + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return data[:at] + struct.pack("<HH2sHI", 0x27, 0x1010, b"SQ", 0, 0xFFFFFFFF) + items + data[at:]


def _swollen(syntax: str, marker: bytes, skip: int, side: str) -> Writer:
    """Compressed pixels whose own header states 60000 x 60000, while the tags state 40 x 48."""

    def swell(data: bytes) -> bytes:
        at = data.index(marker) + len(marker) + skip
        sides = struct.pack(side, 60000) * 2
        return data[:at] + sides + data[at + len(sides) :]

    return _bytes_of(compressed(syntax), swell)


def _then(write: Writer, **tags) -> Writer:
    """The file of a writer with tags changed once its pixels are written; None removes a tag."""

    def change(path: Path) -> Path:
        dataset = pydicom.dcmread(write(path))
        for keyword, value in tags.items():
            if value is None:
                del dataset[keyword]
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(path)
        return path

    return change


def _report(path: Path) -> Path:
    """A structured report: DICOM, but without a picture."""
    return _other(path, "1.2.840.10008.5.1.4.1.1.88.11", "SR")


def _presentation_state(path: Path) -> Path:
    """A presentation state: how a viewer should show some other file."""
    return _other(path, "1.2.840.10008.5.1.4.1.1.11.1", "PR")


def _other(path: Path, sop_class: str, modality: str) -> Path:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = sop_class, "2.25.2", modality
    dataset.PatientID = "P7"
    dataset.save_as(path, enforce_file_format=True)
    return path


def _text(path: Path) -> Path:
    path.write_text("<html>not here</html>")
    return path


def _empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def _cut(share: float) -> Callable[[bytes], bytes]:
    """Keeps the first part of a file's pixels and nothing after."""

    def change(data: bytes) -> bytes:
        pixels = data.index(struct.pack("<HH", 0x7FE0, 0x0010))
        return data[: pixels + 12 + int(share * (len(data) - pixels - 12))]

    return change


_LARGE = {"Rows": 60000, "Columns": 60000}
_SEGMENTATION = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4", "Modality": "SEG", "NumberOfFrames": 1}


def shown(dataset: Dataset) -> np.ndarray:
    """What a viewer shows of a data set, (height, width) float in gray levels, by pydicom's functions alone.

    They must be given integers where the rescale changes nothing, and leave the range of the output to the caller.
    """
    values, signed, bits = dataset.pixel_array, int(dataset.PixelRepresentation), int(dataset.BitsStored)
    ends = np.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if signed else [0, 2**bits - 1], float)
    rescale = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    if "ModalityLUTSequence" in dataset or rescale != (1, 0):
        values = apply_modality_lut(values, dataset)
        ends = ends * rescale[0] + rescale[1]
    for sequence in ("ModalityLUTSequence", "VOILUTSequence"):
        if sequence in dataset:
            ends = np.array([0, 2 ** dataset[sequence][0].LUTDescriptor[2] - 1], float)
    gray = (apply_voi_lut(values, dataset) - ends[0]) * 255 / (ends[1] - ends[0])
    return 255 - gray if dataset.PhotometricInterpretation == "MONOCHROME1" else gray


_NO_WINDOW = {"WindowCenter": None, "WindowWidth": None}

# By name: how far the shown picture may lie from GRAY, in gray levels, and the function that writes the file.
GOOD: Mapping[str, tuple[float, Writer]] = {
    "window of 8 bits": (0.51, _stored(grayscale.window_8_bits)),
    "window of 12 bits": (0.51, _stored(grayscale.window_12_bits)),
    "window of 16 bits": (0.51, _stored(grayscale.window_16_bits)),
    "window of LINEAR_EXACT and 10 bits": (0.7, _stored(grayscale.linear_exact)),
    "window of SIGMOID": (0.7, _stored(grayscale.sigmoid)),
    "VOI LUT and three windows": (0.7, _stored(grayscale.lut_and_windows)),
    "rescale and signed pixels": (0.7, _stored(grayscale.rescaled)),
    "modality LUT": (0.7, _stored(grayscale.modality_lut)),
    "MONOCHROME1": (0.51, _stored(grayscale.window_12_bits, inverted=True)),
    "MONOCHROME1 and VOI LUT": (0.7, _stored(grayscale.lut_and_windows, inverted=True)),
    "MONOCHROME1 and SIGMOID": (0.7, _stored(grayscale.sigmoid, inverted=True)),
    "no window": (0.7, _tagged(**_NO_WINDOW, PixelData=np.rint(GRAY * (4095 / 255)).astype("<u2").tobytes())),
    "Implicit VR Little Endian": (0.51, _tagged(syntax=ImplicitVRLittleEndian)),
    "Explicit VR Big Endian": (0.51, _tagged(syntax=ExplicitVRBigEndian, PixelData=STORED.astype(">u2").tobytes())),
    "RLE": (0.51, compressed(RLELossless)),
    "JPEG Lossless": (0.51, compressed(JPEGLossless)),
    "JPEG Lossless SV1": (0.51, compressed(JPEGLosslessSV1)),
    "JPEG Lossless SV1 of 16 bits": (0.51, compressed(JPEGLosslessSV1, grayscale.window_16_bits)),
    "JPEG-LS": (0.51, compressed(JPEGLSLossless)),
    "JPEG-LS in fragments": (0.51, _in_fragments),
    "JPEG-LS near lossless": (1.6, compressed(JPEGLSNearLossless, jls_error=12)),
    "JPEG 2000 lossless": (0.51, compressed(JPEG2000Lossless)),
    "JPEG 2000 lossless of a signed picture": (0.7, compressed(JPEG2000Lossless, grayscale.rescaled)),
    "JPEG 2000 in the boxes of JP2": (0.51, _refragmented(JPEG2000Lossless, lambda frame: [b"", _boxed(frame)])),
    "JPEG 2000": (2.6, compressed(JPEG2000, j2k_psnr=[70])),
    "JPEG Baseline": (4.5, compressed(JPEGBaseline8Bit, grayscale.window_8_bits)),
    "JPEG Extended of 8 bits": (4.5, compressed(JPEGExtended12Bit, grayscale.window_8_bits)),
}

# By name: the reason for rejects.csv, and the function that writes the file. The index rejects with `unknown-kind`, where
# the file's name does not contain it; all other reasons come up when the file is read.
BAD: Mapping[str, tuple[str, Writer]] = {
    "empty": ("file-empty", _empty),
    "text": ("not-an-image", _text),
    "cut in the pixels": ("file-truncated", _bytes_of(_tagged(), _cut(0.5))),
    "cut before the last pixel": ("file-truncated", _bytes_of(_tagged(), lambda data: data[:-2])),
    "cut in the compressed pixels": ("file-truncated", _bytes_of(compressed(JPEGLosslessSV1), _cut(0.5))),
    "cut before the end of the compressed pixels": ("file-truncated", _bytes_of(compressed(RLELossless), lambda data: data[:-8])),
    "cut in the header": ("file-truncated", _bytes_of(_tagged(), lambda data: data[: data.index(b"POST_CONTRAST") + 4])),
    "cut in the file's own header": ("file-truncated", _bytes_of(_tagged(), lambda data: data[:150])),
    "cut after the mark": ("file-truncated", _bytes_of(_tagged(), lambda data: data[:132])),
    "no pixels": ("no-pixels", _tagged(PixelData=None)),
    "pixels of no length": ("no-pixels", _tagged(PixelData=b"")),
    "too few pixels": ("pixels-unreadable", _tagged(PixelData=b"\0\0" * 10)),
    "twice the pixels": ("pixels-unreadable", _tagged(PixelData=STORED.tobytes() * 2)),
    "compressed pixels that are not pixels": ("pixels-unreadable", wrapped(JPEGLosslessSV1, b"\xff\xd8\xff\xd9")),
    "more bits stored than there are": ("pixels-unreadable", _tagged(BitsStored=20, HighBit=19)),
    "a film": ("unsupported-syntax", wrapped(MPEG2MPML)),
    "unknown syntax": ("unsupported-syntax", wrapped("1.2.826.0.1.3680043.10.999.1")),
    # Its header cannot be read before all of it is inflated, to whatever size.
    "deflated": ("unsupported-syntax", _tagged(syntax=DeflatedExplicitVRLittleEndian)),
    "deflated, as it states late": ("unsupported-syntax", _deflated_late),
    "absurdly large": ("too-large", _tagged(**_LARGE)),
    "absurdly large and compressed": ("too-large", _then(compressed(RLELossless), **_LARGE)),
    "JPEG larger than its tags": ("too-large", _swollen(JPEGLosslessSV1, b"\xff\xc3\x00\x0b", 1, ">H")),
    "JPEG-LS larger than its tags": ("too-large", _swollen(JPEGLSLossless, b"\xff\xf7\x00\x0b", 1, ">H")),
    "JPEG 2000 larger than its tags": ("too-large", _swollen(JPEG2000Lossless, b"\xff\x51\x00\x29", 2, ">I")),
    "JPEG-LS larger than its tags, its start apart": (
        "too-large",
        _refragmented(JPEGLSLossless, lambda frame: [b"", frame[:2], _enlarged(frame)[2:]]),
    ),
    "JPEG 2000 larger than its tags, with a size in the offsets": (
        "too-large",
        _refragmented(JPEG2000Lossless, lambda frame: [frame[:24], _enlarged(frame)]),
    ),
    "JPEG 2000 larger than its tags, in boxes": (
        "too-large",
        _refragmented(JPEG2000Lossless, lambda frame: [b"", _boxed(_enlarged(frame))]),
    ),
    "JPEG 2000 in boxes with a palette": (
        "pixels-unreadable",
        _refragmented(JPEG2000Lossless, lambda frame: [b"", _boxed(frame, struct.pack(">I4s", 8, b"pclr"))]),
    ),
    "JPEG 2000 of 64 components": (
        "pixels-unreadable",
        _refragmented(JPEG2000Lossless, lambda frame: [b"", _with_components(frame)]),
    ),
    "offsets of two frames": (
        "pixels-unreadable",
        _refragmented(JPEG2000Lossless, lambda frame: [struct.pack("<2I", 0, len(frame) + 8), frame, _enlarged(frame)]),
    ),
    "extended offsets of two frames": (
        "pixels-unreadable",
        _refragmented(
            JPEG2000Lossless,
            lambda frame: [b"", frame],
            ExtendedOffsetTable=struct.pack("<2Q", 0, 0),
            ExtendedOffsetTableLengths=struct.pack("<Q", 48),
        ),
    ),
    "fragments that are not fragments": ("pixels-unreadable", _bytes_of(compressed(JPEGLSLossless), _without_item)),
    "thousands of items": ("too-large", _bytes_of(_tagged(), _of_items)),
    "sides below zero": ("no-pixels", _bytes_of(_tagged(), _below_zero)),
    "pixels in the high bits": ("pixels-unreadable", _tagged(HighBit=15)),
    "sign that is neither 0 nor 1": ("pixels-unreadable", _tagged(PixelRepresentation=2)),
    "no samples per pixel": ("missing-tags", _then(_tagged(), SamplesPerPixel=None)),
    "no rows": ("missing-tags", _tagged(Rows=None)),
    "no columns": ("missing-tags", _tagged(Columns=None)),
    "no bits stored": ("missing-tags", _tagged(BitsStored=None)),
    "no bits allocated": ("missing-tags", _then(_tagged(), BitsAllocated=None)),
    "no photometric interpretation": ("missing-tags", _tagged(PhotometricInterpretation=None)),
    "no image type": ("unknown-kind", _tagged(ImageType=None)),
    "12-bit JPEG Extended": ("decoder-missing", compressed(JPEGExtended12Bit)),
    "many frames": ("multi-frame", _tagged(NumberOfFrames=3, PixelData=STORED.tobytes() * 3)),
    "color": (
        "not-a-mammogram",
        _tagged(
            SamplesPerPixel=3,
            PhotometricInterpretation="RGB",
            PlanarConfiguration=0,
            BitsAllocated=8,
            BitsStored=8,
            HighBit=7,
            PixelData=np.repeat(GRAY, 3).tobytes(),
        ),
    ),
    "palette color": ("not-a-mammogram", _tagged(PhotometricInterpretation="PALETTE COLOR")),
    "CT": ("not-a-mammogram", _tagged(SOPClassUID="1.2.840.10008.5.1.4.1.1.2", Modality="CT")),
    "segmentation": ("not-a-mammogram", _tagged(**_SEGMENTATION)),
    "report": ("not-a-mammogram", _report),
    "presentation state": ("not-a-mammogram", _presentation_state),
    "for processing": (
        "for-processing",
        _tagged(SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2.1", PresentationIntentType="FOR PROCESSING"),
    ),
    "for processing by the intent alone": ("for-processing", _tagged(PresentationIntentType="FOR PROCESSING")),
    "for processing by the class alone": (
        "for-processing",
        _tagged(SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2.1", PresentationIntentType=None),
    ),
    "for processing in small letters": ("for-processing", _tagged(PresentationIntentType="for processing")),
    "burned-in text": ("burned-in", _tagged(BurnedInAnnotation="YES")),
    "burned-in text in small letters and blanks": ("burned-in", _tagged(BurnedInAnnotation=" yes ")),
    "burned-in text by one of two values": ("burned-in", _tagged(BurnedInAnnotation=["NO", "YES"])),
}
