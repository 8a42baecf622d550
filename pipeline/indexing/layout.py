"""Reads from a file's path which image it holds, by a recipe's [layout]: CDD-CESM's names, or those of another collection."""

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from pipeline.contract import IMAGE_SUFFIXES, ImageName, clean_name, parse_image
from pipeline.files import InputError
from pipeline.recipe import Layout


def image_key(path: str, layout: Layout) -> str:
    """The key that joins annotations to their image: the group `image` of the layout's expression, else the name without suffix.

    Args:
      path: of an image below RAW, or the name of an image in an annotation file.
      layout: of the recipe.
    """
    match = _search(layout.image, path)
    return (match and match.groupdict().get("image")) or clean_name(path)


def mask_key(path: str, layout: Layout) -> str:
    """The key of the image that a mask file belongs to; empty if the path is not that of a mask."""
    match = _search(layout.mask, path)
    return match["image"] if match else ""


def name_image(path: str, layout: Layout, keyed_patient: Callable[[str], str] | None = None) -> ImageName:
    """Reads patient, side, kind and view from an image's path; all are empty if it does not match the layout.

    Digits in the group `image` that are not the patient's are appended to the image_id, so that two images of one view differ.

    Args:
      path: of an image below RAW, with `/`.
      layout: of the recipe.
      keyed_patient: returns `P<digits>` for a patient's name that is not a number.

    Raises:
      InputError: the patient is not a number, and there is no `keyed_patient`.
    """
    key = image_key(path, layout)
    if layout.image is None:
        return parse_image(key)
    match = _search(layout.image, path)
    if not match:
        return ImageName(key)
    groups: dict[str, str] = {group: text or "" for group, text in match.groupdict().items()}
    side = layout.sides.get(groups["side"], groups["side"])
    view = layout.views.get(groups["view"], groups["view"])
    kind = groups["kind"] if layout.kind is None else layout.kind
    kind = layout.kinds.get(kind, kind)
    if side not in ("L", "R") or view not in ("CC", "MLO") or kind not in ("DM", "CM"):
        return ImageName(key)
    patient = _patient(groups["patient"], path, keyed_patient)
    parts = [patient, side, kind, view, *filter(None, [_own_digits(match)])]
    return ImageName("_".join(parts), patient, side, kind, view)


def _search(expression: str | None, path: str) -> re.Match[str] | None:
    if expression is None:
        return None
    whole = PurePosixPath(path.strip().replace("\\", "/"))
    return re.search(expression, str(whole.with_suffix("") if whole.suffix.lower() in IMAGE_SUFFIXES else whole))


def _patient(text: str, path: str, keyed_patient: Callable[[str], str] | None) -> str:
    if re.fullmatch(r"\d+", text):
        return f"P{int(text)}"
    if keyed_patient is None:
        raise InputError(
            f"{path}: its patient is {text!r}, which is not a number; give a site key (CESM_SITE_KEY), by which a number is "
            "derived from that name"
        )
    return keyed_patient(text)


def _own_digits(match: re.Match[str]) -> str:
    """Digits of the group `image`, without those of the group `patient` in it."""
    if not match.groupdict().get("image"):
        return ""
    (start, stop), (first, last) = match.span("image"), match.span("patient")
    characters = [match.string[index] for index in range(start, stop) if not first <= index < last]
    return "".join(character for character in characters if character.isdigit())
