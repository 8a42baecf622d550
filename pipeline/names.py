"""Names of CDD-CESM: `P1_L_CM_MLO` for an image, `flipped_P1_L_CM_MLO` for a sample made from it."""

import re
from dataclasses import dataclass
from pathlib import PurePath

from pipeline.geometry import VARIANTS
from pipeline.sources import SUFFIXES

# A second exposure carries a suffix (`P99_L_DM_MLO_2`, `P281_L_DM_MLO2`) and is an image of its own.
_IMAGE = re.compile(r"(?P<patient>P\d+)_(?P<side>[LR])_(?P<kind>DM|CM)_(?P<view>CC|MLO)(_?\d+)?")


@dataclass(frozen=True)
class ImageName:
    """What an image's name says; every part but `image_id` is empty where the name says nothing."""

    image_id: str
    patient: str = ""
    side: str = ""
    kind: str = ""
    view: str = ""


def clean_name(name: str) -> str:
    """The image's name without folder, suffix and stray spaces: `P3_L_CM_CC ` and `P3_L_CM_CC .jpg` are one image."""
    name = re.split(r"[/\\]", name.strip())[-1]
    if PurePath(name).suffix.lower() in SUFFIXES:
        name = PurePath(name).stem
    return name.strip()


def parse_image(image_id: str) -> ImageName:
    """Reads patient, side, kind and view from an image's name, as far as it has the form of CDD-CESM's."""
    match = _IMAGE.fullmatch(image_id)
    return ImageName(image_id, **match.groupdict()) if match else ImageName(image_id)


def sample_name(variant: str, image_id: str) -> str:
    """The published name of a variant of an image."""
    return image_id if variant == "original" else f"{variant}_{image_id}"


def parse_sample(sample: str) -> tuple[str, ImageName]:
    """Splits a sample's name into its variant and the image it was made from."""
    for variant in VARIANTS:
        if variant != "original" and sample.startswith(f"{variant}_"):
            return variant, parse_image(sample.removeprefix(f"{variant}_"))
    return "original", parse_image(sample)
