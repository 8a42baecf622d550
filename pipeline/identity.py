"""Which file is which image: by its name or path, by its DICOM tags, and with a site key under keyed names.

Reads no file: what DICOM headers say has been read before.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.dicom.tags import Tags
from pipeline.files import InputError
from pipeline.layout import name_image
from pipeline.names import ImageName
from pipeline.privacy import REMEDY, SiteKey, is_public
from pipeline.recipe import Layout
from pipeline.sources import Header

_TELL_BY = "the tags do not tell it and no rule of the recipe's [dicom] does; add one, or see docs/dicom.md"
_WORDS = {
    "patient": "names no patient: PatientID is empty",
    "side": f"is of an unknown side: {_TELL_BY}",
    "kind": f"is neither known as low-energy nor as subtracted: {_TELL_BY}",
    "view": f"is of an unknown view, or of another than CC and MLO: {_TELL_BY}",
}


@dataclass(frozen=True)
class SourceFile:
    """An image file as found, before and after its bytes were read.

    Attributes:
      relative: its path below RAW, with `/`.
      shown: what it is called in everything that is written.
      fault: reason and words, where it cannot be read.
    """

    path: Path
    relative: str
    shown: str
    size: int
    mtime_ns: int
    sha256: str = ""
    header: Header | None = None
    fault: tuple[str, str] = ("", "")

    @property
    def short(self) -> str:
        """What it is called without folders, for messages."""
        return self.shown.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Unnamed:
    """A file of which cannot be told which image it is."""

    file: SourceFile
    reason: str
    words: str


def identify(
    files: Sequence[SourceFile], layout: Layout, key: SiteKey | None
) -> tuple[dict[ImageName, list[SourceFile]], list[Unnamed]]:
    """Groups files by image.

    Args:
      files: DICOM files among them with their headers or faults.
      layout: of the recipe.
      key: of the site.

    Raises:
      InputError: there is no key, and a PatientID, or a patient in a path, is not of a public form.
    """
    _require_public(files, layout, key)
    groups: dict[ImageName, list[SourceFile]] = defaultdict(list)
    tagged: list[tuple[ImageName, SourceFile]] = []
    unnamed: list[Unnamed] = []
    for file in files:
        is_dicom = file.header is not None and file.header.tags is not None
        name = _name_by_path(file, layout, key)
        # With a layout the path alone says what an image is.
        if is_dicom and (key or not name.patient) and (name.patient or layout.image is None):
            told = _name_by_tags(file, name, layout, key)
            if isinstance(told, Unnamed):
                unnamed.append(told)
            else:
                tagged.append((told, file))
        elif file.fault[0] and not name.patient:
            unnamed.append(Unnamed(file, *file.fault))
        else:
            groups[name].append(file)
    for name, file in _tell_exposures_apart(tagged, key):
        groups[name].append(file)
    return groups, unnamed


def _require_public(files: Iterable[SourceFile], layout: Layout, key: SiteKey | None) -> None:
    if key or layout.image is not None:  # with a layout the path says who it is, and no tag is used
        return
    tags = [(file, file.header.tags) for file in files if file.header and file.header.tags]
    private = [file for file, tag in tags if tag.patient_id and not is_public(tag.patient_id)]
    if private:
        raise InputError(
            f"{len(private)} of {len(tags)} DICOM files, {private[0].relative} first, have a PatientID that is not of the public "
            f"form P12; {REMEDY}"
        )


def _name_by_path(file: SourceFile, layout: Layout, key: SiteKey | None) -> ImageName:
    name = name_image(file.relative, layout, key.patient if key else None)
    return ImageName(file.shown) if key and not name.patient else name


def _name_by_tags(file: SourceFile, by_path: ImageName, layout: Layout, key: SiteKey | None) -> ImageName | Unnamed:
    """The name by what the tags tell, and where they do not by what the path tells; never by a guess."""
    assert file.header is not None
    assert file.header.tags is not None
    tags = Tags() if layout.image else file.header.tags
    patient = tags.patient_id or by_path.patient
    parts = {
        "patient": key.patient(patient) if key and patient else patient,
        "side": tags.side or by_path.side,
        "kind": tags.kind or by_path.kind,
        "view": tags.view or by_path.view,
    }
    if missing := [part for part, value in parts.items() if not value]:
        return Unnamed(file, f"unknown-{missing[0]}", f"{file.short} {_WORDS[missing[0]]}")
    return ImageName("_".join(parts.values()), **parts)


def _tell_exposures_apart(
    tagged: Sequence[tuple[ImageName, SourceFile]], key: SiteKey | None
) -> Iterable[tuple[ImageName, SourceFile]]:
    """Ends the names of a view that was taken more than once by digits that both images of an exposure share."""
    exposures: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for name, file in tagged:
        exposures[name.patient, name.side, name.view].add(_exposure(file))
    for name, file in tagged:
        if len(exposures[name.patient, name.side, name.view]) > 1:
            digits = key.exposure(_exposure(file)) if key else _public_digits(_exposure(file))
            name = replace(name, image_id=f"{name.image_id}_{digits}")
        yield name, file


def _exposure(file: SourceFile) -> str:
    assert file.header is not None
    assert file.header.tags is not None
    return file.header.tags.exposure


def _public_digits(uid: str) -> str:
    return str(10**7 + int(hashlib.sha256(uid.encode()).hexdigest(), 16) % (9 * 10**7))


def uids_of(groups: Mapping[ImageName, Sequence[SourceFile]]) -> dict[str, tuple[str, tuple[int, int]]]:
    """By SOPInstanceUID the image_id, and width and height in pixels."""
    return {
        file.header.tags.uid: (name.image_id, (file.header.width, file.header.height))
        for name, files in groups.items()
        for file in files
        if file.header and file.header.tags
    }
