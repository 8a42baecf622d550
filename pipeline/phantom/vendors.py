"""A table of how the files of mammography vendors differ; all vendors are invented.

A patient's number determines the vendor, so that all exposures of a patient come from one machine.
"""

from dataclasses import dataclass, field

from pipeline.phantom import grayscale
from pipeline.phantom.grayscale import Chain

# Transfer syntaxes (PS3.6 A).
IMPLICIT, EXPLICIT, RLE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
JPEG_BASELINE, JPEG_LOSSLESS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70"
JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"

# PS3.16 CID 4014: SNOMED CT, and the SNOMED RT codes of before 2017.
_SCT = {"CC": ("399162004", "SCT", "cranio-caudal"), "MLO": ("399368009", "SCT", "medio-lateral oblique")}
_SRT = {"CC": ("R-10242", "SRT", "cranio-caudal"), "MLO": ("R-10226", "SRT", "medio-lateral oblique")}
# PS3.3 C.8.11.7.1.4: value 3 states the contrast agent, 4 the computation, 5 the energy.
_IMAGE_TYPES = {
    "DM": ("DERIVED", "PRIMARY", "POST_CONTRAST", "", "LOW_ENERGY"),
    "CM": ("DERIVED", "PRIMARY", "POST_CONTRAST", "SUBTRACTION"),
}


@dataclass(frozen=True)
class Vendor:
    """How one vendor writes files.

    Attributes:
      name: the Manufacturer.
      chain: stores gray levels with the tags by which a viewer recovers them.
      syntax: the transfer syntax.
      inverted: writes MONOCHROME1 with the presentation LUT shape INVERSE.
      image_types: the Image Type by kind.
      descriptions: text of the Series Description by kind.
      view_codes: code, scheme and meaning by view.
      laterality: the keyword of the tag that states the side.
      calibrated: writes Pixel Spacing in addition to Imager Pixel Spacing.
      says_burned_in: writes Burned In Annotation (NO).
      keeps_raw: also stores the low-energy CC images For Processing.
      ending: of its files' names.
      media: stores its files as on exchange media, with meaningless names and a DICOMDIR.
    """

    name: str
    chain: Chain
    syntax: str
    inverted: bool = False
    image_types: dict[str, tuple[str, ...]] = field(default_factory=lambda: _IMAGE_TYPES)
    descriptions: dict[str, str] = field(default_factory=lambda: {"DM": "CESM low energy", "CM": "CESM subtracted"})
    view_codes: dict[str, tuple[str, str, str]] = field(default_factory=lambda: _SCT)
    laterality: str = "ImageLaterality"
    calibrated: bool = False
    says_burned_in: bool = True
    keeps_raw: bool = False
    ending: str = ".dcm"
    media: bool = False


PLAIN = Vendor("Phantom North", grayscale.window_12_bits, EXPLICIT)
VENDORS = (
    Vendor("Phantom North", grayscale.window_12_bits, EXPLICIT, keeps_raw=True),
    Vendor("Phantom East", grayscale.lut_and_windows, JPEG_LOSSLESS, view_codes=_SRT, keeps_raw=True),
    Vendor("Phantom South", grayscale.sigmoid, JPEG_2000, ending=""),
    Vendor(
        "Phantom West",
        grayscale.linear_exact,
        RLE,
        calibrated=True,
        says_burned_in=False,
        image_types={
            "DM": ("ORIGINAL", "PRIMARY", "", "", "LOW_ENERGY", "PHANTOM_WEST_LE"),
            "CM": ("DERIVED", "PRIMARY", "", "SUBTRACTION", "", "PHANTOM_WEST_SUB"),
        },
    ),
    Vendor("Phantom Hill", grayscale.window_16_bits, JPEG_LS, inverted=True, media=True),
    Vendor("Phantom Lake", grayscale.window_8_bits, JPEG_BASELINE),
    Vendor("Phantom Gateway", grayscale.rescaled, IMPLICIT, laterality="Laterality"),
    Vendor(
        "Phantom Shore",
        grayscale.modality_lut,
        EXPLICIT,
        image_types={"DM": _IMAGE_TYPES["DM"], "CM": ("DERIVED", "PRIMARY", "POST_CONTRAST")},
        descriptions={"DM": "CESM LOW ENERGY", "CM": "CESM RECOMBINED"},  # no standard term, and in no other tag
    ),
)


def vendor_of(patient: int) -> Vendor:
    """The vendor of a patient's machine."""
    return VENDORS[(patient - 1) % len(VENDORS)]
