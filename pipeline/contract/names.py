"""Names of images, samples and patients: one parser for both halves."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePath

from pipeline.contract.images import IMAGE_SUFFIXES

# A second exposure carries a suffix (`P99_L_DM_MLO_2`, `P281_L_DM_MLO2`) and is an image of its own.
_IMAGE = re.compile(r"(?P<patient>P\d+)_(?P<side>[LR])_(?P<kind>DM|CM)_(?P<view>CC|MLO)(_?\d+)?", re.ASCII)
_ANYWHERE = re.compile(
    r"(?<![a-z0-9])(?P<patient>P\d+)[_\-. ](?P<side>[LR])[_\-. ](?P<kind>DM|CM)[_\-. ](?P<view>CC|MLO)(?![a-z])",
    re.IGNORECASE | re.ASCII,
)
_BEGINNING = re.compile(r"(?P<patient>P\d+)_", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class ImageName:
    """The fields of an image's name; all but `image_id` are empty where the name does not contain them."""

    image_id: str
    patient: str = ""
    side: str = ""
    kind: str = ""
    view: str = ""


def clean_name(name: str) -> str:
    """Removes folder, suffix and stray spaces from an image's name; accents are composed (NFC), which macOS separates.

    Example:
      >>> clean_name("CDD-CESM/P3_L_CM_CC .jpg")
      'P3_L_CM_CC'
    """
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", name).strip())[-1]
    if PurePath(name).suffix.lower() in IMAGE_SUFFIXES:
        name = PurePath(name).stem
    return name.strip()


def parse_image(image_id: str) -> ImageName:
    """Reads patient, side, kind and view from a source image's name, if it has exactly the form of CDD-CESM's names.

    Example:
      >>> parse_image("P281_L_DM_MLO2")
      ImageName(image_id='P281_L_DM_MLO2', patient='P281', side='L', kind='DM', view='MLO')
    """
    match = _IMAGE.fullmatch(image_id)
    return ImageName(image_id, **match.groupdict()) if match else ImageName(image_id)


def fold_patient(patient: str) -> str:
    """A patient's name as names are compared: people write one patient as P1, p1 and P001.

    Example:
      >>> fold_patient("P001") == fold_patient("p1"), fold_patient("P100")
      (True, 'p100')
    """
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", patient.strip().casefold())


def sample_name(variant: str, image_id: str) -> str:
    """Returns the published name of a variant of an image.

    Example:
      >>> sample_name("flipped", "P1_L_CM_MLO")
      'flipped_P1_L_CM_MLO'
    """
    return image_id if variant == "original" else f"{variant}_{image_id}"


def parse_view(image_id: str) -> tuple[ImageName, str]:
    """Finds the only name of CDD-CESM's form in an image's name, in any case and with any of `_-. ` between its fields.

    Returns:
      The name, whose patient has no leading zeros; and what is in front of and behind it, in lower case, which the two images of
      an exposure share.

    Example:
      >>> name, around = parse_view("Site 3_p01-l-dm-mlo_2")
      >>> name.patient, name.side, name.kind, name.view, around
      ('P1', 'L', 'DM', 'MLO', 'site 3/2')
    """
    found = list(_ANYWHERE.finditer(image_id))
    if len(found) != 1:
        return ImageName(image_id), ""
    name = _name_of(image_id, found[0])
    sides = (image_id[: found[0].start()], image_id[found[0].end() :])
    return name, "/".join(text.strip("_-. ").casefold() for text in sides)


def _name_of(image_id: str, match: re.Match[str]) -> ImageName:
    patient, *fields = (field.upper() for field in match.groups())
    return ImageName(image_id, fold_patient(patient).upper(), *fields)


def parse_sample(sample: str) -> tuple[str, ImageName]:
    """Splits a sample's name into its variant and the image that it was made from.

    Samples may come from any folder: a name of CDD-CESM's form is found anywhere in the sample's name, in any case and with
    any of `_-. ` between its fields, or its patient alone at the beginning. Two names of different patients are none. The
    patient is written without leading zeros.

    Example:
      >>> parse_sample("rotated_90_P1_L_CM_MLO_aug3")
      ('rotated_90', ImageName(image_id='P1_L_CM_MLO_aug3', patient='P1', side='L', kind='CM', view='MLO'))
      >>> parse_sample("deformed_alpha_1300_p01_L_DM_CC")[1].patient
      'P1'
    """
    from pipeline.geometry import VARIANTS  # loads OpenCV, and most of the contract needs none

    variant = next((name for name in VARIANTS if sample.startswith(f"{name}_")), "original")
    image_id = sample.removeprefix(f"{variant}_")
    names = [_name_of(image_id, match) for match in _ANYWHERE.finditer(image_id)]
    if len({name.patient for name in names}) == 1:
        return variant, names[0]
    beginning = None if names else _BEGINNING.match(image_id)
    return variant, ImageName(image_id, fold_patient(beginning["patient"]).upper() if beginning else "")
