"""Compresses the pixels of a `pydicom` data set in memory, in the transfer syntaxes of mammograms (PS3.5 A.4)."""

import io
from collections.abc import Iterable

import PIL.Image

from pipeline.files import InputError, install_command, is_installed

# pydicom's encoders by name, because it would otherwise take any that is installed, and each writes other bytes.
_PLUGINS = {
    "1.2.840.10008.1.2.5": "pydicom",  # RLE Lossless
    "1.2.840.10008.1.2.4.80": "pyjpegls",  # JPEG-LS Lossless
    "1.2.840.10008.1.2.4.90": "pylibjpeg",  # JPEG 2000 Lossless
}
_NEED_NONE = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"}  # uncompressed, and JPEG Baseline by Pillow
_JPEG_BASELINE, _JPEG_EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
_QUALITY = 95


def require_encoders(syntaxes: Iterable[str]) -> None:
    """Checks that transfer syntaxes can be written.

    Raises:
      InputError: an encoder is not installed; names the package and the extra.
    """
    for syntax in sorted(set(syntaxes)):
        if package := _missing(syntax):
            raise InputError(f"{_name(syntax)} is written by {package}, which is not installed; run `{install_command('dicom')}`")


def _missing(syntax: str) -> str:
    """The package that has to be installed to write a syntax; empty if there is none."""
    from pydicom.pixels import get_encoder

    if syntax in _PLUGINS:
        plugin = _PLUGINS[syntax]
        package = "pylibjpeg-openjpeg" if plugin == "pylibjpeg" else plugin
        return "" if plugin in get_encoder(syntax).available_plugins else package
    return "" if syntax in _NEED_NONE or is_installed("gdcm") else "python-gdcm"


def compress(dataset, syntax: str) -> None:
    """Compresses a single-frame gray `pydicom` data set in place; its identifier stays.

    Args:
      dataset: with uncompressed pixels, as in Explicit VR Little Endian.
      syntax: a transfer syntax: RLE, JPEG-LS or JPEG 2000 Lossless by pydicom's encoders, JPEG Baseline (8 bits only,
        quality 95) by Pillow, another JPEG (Lossless, Lossless SV1, Extended) by GDCM.
    """
    from pydicom.encaps import encapsulate

    if syntax in _PLUGINS:
        dataset.compress(syntax, encoding_plugin=_PLUGINS[syntax], generate_instance_uid=False)
        return
    frame = _by_pillow(dataset) if syntax == _JPEG_BASELINE else _by_gdcm(dataset, syntax)
    raw_bytes = len(dataset.PixelData)
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax in (_JPEG_BASELINE, _JPEG_EXTENDED):
        dataset.LossyImageCompression, dataset.LossyImageCompressionMethod = "01", "ISO_10918_1"
        dataset.LossyImageCompressionRatio = round(raw_bytes / len(frame), 2)


def _by_pillow(dataset) -> bytes:
    image = PIL.Image.frombytes("L", (dataset.Columns, dataset.Rows), dataset.PixelData[: dataset.Rows * dataset.Columns])
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def _by_gdcm(dataset, syntax: str) -> bytes:
    import gdcm

    writer = gdcm.ImageWriter()  # owns the image, which would be freed without this variable
    image = writer.GetImage()
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ExplicitVRLittleEndian))
    image.SetNumberOfDimensions(2)
    image.SetDimensions((dataset.Columns, dataset.Rows, 1))
    photometric = gdcm.PhotometricInterpretation.GetPIType(dataset.PhotometricInterpretation)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(photometric))
    image.SetPixelFormat(
        gdcm.PixelFormat(1, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation)
    )
    pixels = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    pixels.SetByteStringValue(dataset.PixelData)
    image.SetDataElement(pixels)
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    change.SetInput(image)
    if not change.Change():
        raise ValueError(f"python-gdcm cannot write {_name(syntax)} of {dataset.BitsStored} bits")
    fragment = change.GetOutput().GetDataElement().GetSequenceOfFragments().GetFragment(0).GetByteValue()
    # SWIG returns bytes as text with surrogates.
    return fragment.GetBuffer().encode("utf-8", "surrogateescape")


def _name(syntax: str) -> str:
    from pydicom.uid import UID

    return UID(syntax).name
