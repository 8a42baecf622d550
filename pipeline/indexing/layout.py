"""Reads from a file's path and table row which image it holds, by a recipe's [layout]: CDD-CESM's names, or others."""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from pipeline.contract import IMAGE_SUFFIXES, ImageName, SourceError, clean_name, fold_patient, parse_image
from pipeline.files import InputError, search_expression
from pipeline.recipe import IDENTITY, Layout

_NO_PARTS: Mapping[str, str] = {}
# How a side is written where a recipe states no spellings of its own.
_SIDES = {"L": "L", "LEFT": "L", "R": "R", "RIGHT": "R"}
_ALLOWED = {"side": ("L", "R"), "view": ("CC", "MLO"), "kind": ("DM", "CM")}
# A patient's number, to which spreadsheets add a fraction of zeros.
_NUMBER = re.compile(r"[Pp]?_?([0-9]{1,300})(?:[.,]0{1,2})?")
# Digits of an image's own name are part of the image_id; a hash has too many of them.
_MOST_DIGITS = 10


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


def lesion_of(path: str, layout: Layout) -> str:
    """The group `lesion` of a mask's path, which the files of one lesion share; empty if the expression has no such group."""
    match = _search(layout.mask, path)
    return (match and match.groupdict().get("lesion")) or ""


def read_identity(cells: Mapping[str, str], layout: Layout) -> dict[str, str]:
    """Translates what a table row, or a path, states about an image's identity to our values; what it leaves open is absent.

    Args:
      cells: texts by `recipe.IDENTITY`.
      layout: of the recipe.
    """
    tables: dict[str, Mapping[str, str]] = {"side": layout.sides, "view": layout.views, "kind": layout.kinds}
    identity = {}
    for part in IDENTITY:
        text = cells.get(part, "").strip()
        if text:
            ours = {theirs.upper(): value for theirs, value in tables.get(part, _NO_PARTS).items()}
            usual = _SIDES if part == "side" and not ours else {word: word for word in _ALLOWED.get(part, ())}
            identity[part] = ours.get(text.upper(), usual.get(text.upper(), text))
    return identity


def name_image(
    path: str,
    layout: Layout,
    keyed_patient: Callable[[str], str] | None = None,
    stated: Mapping[str, str] = _NO_PARTS,
) -> ImageName:
    """Reads patient, side, kind and view from an image's path and table row.

    With a layout's expression, all are empty if they are not all known. Without it, the image's tags may know the others.

    Digits in the group `image` that are not the patient's are appended to the image_id, so that two images of one view differ.

    Args:
      path: of an image below RAW, with `/`.
      layout: of the recipe.
      keyed_patient: returns `P<digits>` for a patient's name that is not a number.
      stated: what the image's table row states, as `read_identity` returns it.

    Raises:
      InputError: the patient is not a number, and there is no `keyed_patient`.
      SourceError: `name-differs`: path and table contradict each other.
    """
    key, match = image_key(path, layout), _search(layout.image, path)
    if layout.image is None:
        return _add_stated(parse_image(key), path, layout, keyed_patient, stated)
    if not match:
        return ImageName(key)
    parts = _unite(read_identity({name: text or "" for name, text in match.groupdict().items()}, layout), stated)
    if layout.patients == "per-image":
        parts["patient"] = _own_patient(key)
    if layout.kind:
        parts["kind"] = layout.kind
    is_known = all(parts[part] in allowed if part in parts else part in layout.unknown for part, allowed in _ALLOWED.items())
    if not parts.get("patient") or not is_known:
        return ImageName(key)
    parts["patient"] = name_patient(parts["patient"], path, keyed_patient)
    digits = "" if layout.patients == "per-image" else _own_digits(match, keyed_patient)
    return compose_name(parts, digits)


def compose_name(parts: Mapping[str, str], ending: str = "") -> ImageName:
    """The name of an image by its parts; those that are unknown are left out of its image_id."""
    words = [parts.get(part, "") for part in ("patient", "side", "kind", "view")]
    return ImageName("_".join(filter(None, [*words, ending])), **parts)


def _add_stated(
    name: ImageName, path: str, layout: Layout, keyed_patient: Callable[[str], str] | None, stated: Mapping[str, str]
) -> ImageName:
    """Adds what a table states to a name of CDD-CESM's form, or to one that identifies nothing."""
    if not stated and layout.patients == "named":
        return name
    own: dict[str, str] = {part: getattr(name, part) for part in IDENTITY if getattr(name, part)}
    parts = _unite(own, {part: text for part, text in stated.items() if part == "patient" or text in _ALLOWED[part]})
    if layout.patients == "per-image":
        parts["patient"] = _own_patient(name.image_id)
    if layout.kind and not name.patient:
        parts["kind"] = layout.kind
    if "patient" in parts:
        parts["patient"] = name_patient(parts["patient"], path, keyed_patient)
    return ImageName(name.image_id, **parts)


def _unite(named: Mapping[str, str], stated: Mapping[str, str]) -> dict[str, str]:
    """What path and table state together.

    Raises:
      SourceError: `name-differs`.
    """
    for part, text in stated.items():
        if "$" in text:
            raise SourceError(
                "name-differs", f"has several rows in the table, which state different values for {part}; correct them"
            )
        if part in named and plain_patient(named[part]) != plain_patient(text):
            raise SourceError("name-differs", f"has another {part} in its path than in its table row; correct one of them")
    return {**stated, **named}


def plain_patient(text: str) -> str:
    """A patient's name as it is compared between tables, paths and assignments: its number, if it is one.

    Example:
      >>> {plain_patient(text) for text in ("P12", "p012", "12", "12.0", "P_00012")}
      {'12'}
    """
    number = _NUMBER.fullmatch(text)
    return str(int(number[1])) if number else fold_patient(text)


def _search(expression: str | None, path: str) -> re.Match[str] | None:
    if expression is None:
        return None
    whole = PurePosixPath(unicodedata.normalize("NFC", path).strip().replace("\\", "/"))
    text = str(whole.with_suffix("") if whole.suffix.lower() in IMAGE_SUFFIXES else whole)
    return search_expression(re.compile(expression), text)


def name_patient(text: str, path: str, keyed_patient: Callable[[str], str] | None) -> str:
    """A patient's name in the program's form; the arguments and errors are those of `name_image`."""
    if number := _NUMBER.fullmatch(text):
        return f"P{int(number[1])}"
    if keyed_patient is None:
        raise InputError(
            f"{path}: its patient is {text!r}, which is not a number; give a site key (CESM_SITE_KEY), by which a number is "
            "derived from that name"
        )
    return keyed_patient(text)


def _own_patient(key: str) -> str:
    """The number in an image's name, as that of a patient of its own; the whole name if it holds none."""
    return "".join(character for character in key if character in "0123456789") or key


def _own_digits(match: re.Match[str], keyed_patient: Callable[[str], str] | None) -> str:
    """Digits of the group `image`, without those of the group `patient` in it; eight derived ones where there are many."""
    groups = match.groupdict()
    if not groups.get("image"):
        return ""
    (start, stop), (first, last) = match.span("image"), match.span("patient") if groups.get("patient") else (0, 0)
    characters = [match.string[index] for index in range(start, stop) if not first <= index < last]
    digits = "".join(character for character in characters if character in "0123456789")
    if len(digits) <= _MOST_DIGITS:
        return digits
    if keyed_patient:
        return keyed_patient(f"image {groups['image']}")[-8:]
    return str(10**7 + int(hashlib.sha256(groups["image"].encode()).hexdigest(), 16) % (9 * 10**7))
