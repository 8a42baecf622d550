"""Which file is which image: by its name or path, by its DICOM tags, and with a site key under keyed names.

Reads no file: what DICOM headers say has been read before.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from pipeline.contract import ImageName
from pipeline.dicom.tags import Tags
from pipeline.files import InputError
from pipeline.indexing.layout import name_image
from pipeline.privacy.site_key import REMEDY, SiteKey, is_public
from pipeline.recipe import Layout
from pipeline.sources import Header

_UNKNOWN = "the tags do not tell it and no rule of the recipe's [dicom] does; add one, or see docs/dicom.md"
_MESSAGES = {
    "patient": "names no patient: PatientID is empty",
    "side": f"is of an unknown side: {_UNKNOWN}",
    "kind": f"is neither known as low-energy nor as subtracted: {_UNKNOWN}",
    "view": f"is of an unknown view, or of another than CC and MLO: {_UNKNOWN}",
}


@dataclass(frozen=True)
class SourceFile:
    """An image file as found, before and after its bytes were read.

    Attributes:
      relative: its path below RAW, with `/`.
      shown: what it is called in everything that is written.
      fault: reason and message, where it cannot be read.
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
    """A file whose image cannot be named, and why."""

    file: SourceFile
    reason: str
    message: str


@dataclass
class Identified:
    """Which file is which image.

    Attributes:
      groups: the files of each image.
      aliases: by `relative`, what the tags call an image; under a site key another name than its own, and only to be
        compared with what annotations say.
      unnamed: the files that are no image that can be named.
    """

    groups: dict[ImageName, list[SourceFile]]
    aliases: dict[str, str]
    unnamed: list[Unnamed]


def identify(files: Sequence[SourceFile], layout: Layout, key: SiteKey | None) -> Identified:
    """Groups files by image: by what the path tells, else by the tags; with a layout by the path alone.

    Under a site key the tags go first, and every patient becomes a keyed one, also those of files in other formats.

    Args:
      files: DICOM files among them with their headers or faults.
      layout: of the recipe.
      key: of the site.

    Raises:
      InputError: there is no key, and a DICOM file's patient, in its tags or its path, is not of a public form.
    """
    found = Identified(defaultdict(list), {}, [])
    named: list[_Named] = []
    paths = [name_image(file.relative, layout, key.patient if key else None) for file in files]
    if not key:
        _require_public(files, paths, layout)
    for file, by_path in zip(files, paths, strict=True):
        tags = file.header.tags if file.header else None
        if file.fault[0] and (key or not by_path.patient):
            found.unnamed.append(Unnamed(file, *file.fault))
        elif not by_path.patient and (tags is None or layout.image):
            found.groups[ImageName(file.shown) if key else by_path].append(file)
        elif isinstance(tag_name := _name(file, by_path, Tags() if layout.image or tags is None else tags, key), Unnamed):
            found.unnamed.append(tag_name)
        elif by_path.patient and not key:
            found.groups[by_path].append(file)
        else:
            named.append(_Named(tag_name, file, _exposure(file, by_path)))
            if tags:
                found.aliases[file.relative] = "_".join((tags.patient_id, tag_name.side, tag_name.kind, tag_name.view))
    for name, file in _separate_exposures(named, key):
        found.groups[name].append(file)
    return found


def _require_public(files: Sequence[SourceFile], paths: Sequence[ImageName], layout: Layout) -> None:
    # Only DICOM has been read so far, so what has a header or a fault is in DICOM.
    dicom = [(file, by_path) for file, by_path in zip(files, paths, strict=True) if file.header or file.fault[0]]
    private = []
    for file, by_path in dicom:
        tags = Tags() if layout.image or not file.header or not file.header.tags else file.header.tags
        if any(text and not is_public(text) for text in (tags.patient_id, by_path.patient)):
            private.append(file)
    if private:
        raise InputError(
            f"{len(private)} of {len(dicom)} DICOM files, {private[0].relative} first, have a patient, in PatientID or path, "
            f"that is not of the public form P12; {REMEDY}"
        )


def _name(file: SourceFile, by_path: ImageName, tags: Tags, key: SiteKey | None) -> ImageName | Unnamed:
    """The name by what the tags tell, and where they do not by what the path tells; never by a guess."""
    sources = {"side": (tags.side, by_path.side), "kind": (tags.kind, by_path.kind), "view": (tags.view, by_path.view)}
    if differing := [part for part, (tag, path) in sources.items() if tag and path and tag != path]:
        differences = ", ".join(f"{part} {sources[part][1]} and its tags {sources[part][0]}" for part in differing)
        return Unnamed(file, "name-differs", f"{file.short} has a name that says {differences}; correct one of them")
    patient = tags.patient_id or by_path.patient
    if by_path.patient and is_public(tags.patient_id) and tags.patient_id != by_path.patient:
        return Unnamed(file, "name-differs", f"{file.short} has a name of another patient than its tags; correct one of them")
    parts = {"patient": key.patient(patient) if key and patient else patient}
    parts |= {part: tag or path for part, (tag, path) in sources.items()}
    if missing := [part for part, value in parts.items() if not value]:
        return Unnamed(file, f"unknown-{missing[0]}", f"{file.short} {_MESSAGES[missing[0]]}")
    return ImageName("_".join(parts.values()), **parts)


class _Named(NamedTuple):
    """A file, the name of its image, and what tells its exposure from others of the same view."""

    name: ImageName
    file: SourceFile
    exposure: str

    @property
    def view(self) -> str:
        """What both kinds of an image share in their names."""
        return self.name.image_id.replace("_CM_", "_DM_")


def _separate_exposures(named: Sequence[_Named], key: SiteKey | None) -> Iterable[tuple[ImageName, SourceFile]]:
    """Ends the names of a view of which one kind was taken more than once by digits that both images of an exposure share."""
    exposures: dict[str, set[str]] = defaultdict(set)
    for one in named:
        exposures[one.name.image_id].add(one.exposure)
    twice = {one.view for one in named if len(exposures[one.name.image_id]) > 1}
    for one in named:
        name = one.name
        if one.view in twice:
            digits = key.exposure(one.exposure) if key else _public_digits(one.exposure)
            name = replace(name, image_id=f"{name.image_id}_{digits}")
        yield name, one.file


def _exposure(file: SourceFile, by_path: ImageName) -> str:
    """What both images of one compression share: the tags' word for it, and what ends the path's name, such as `_2`."""
    tags = file.header.tags if file.header else None
    own = by_path.image_id.removeprefix("_".join((by_path.patient, by_path.side, by_path.kind, by_path.view)))
    return f"{tags.exposure if tags else ''}{own if by_path.patient else ''}"


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
