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
    named: list[tuple[ImageName, SourceFile]] = []
    paths = [name_image(file.relative, layout, key.patient if key else None) for file in files]
    if not key:
        _require_public(files, paths, layout)
    for file, by_path in zip(files, paths, strict=True):
        tags = file.header.tags if file.header else None
        if file.fault[0] and (key or not by_path.patient):
            found.unnamed.append(Unnamed(file, *file.fault))
        elif not by_path.patient and (tags is None or layout.image):
            found.groups[ImageName(file.shown) if key else by_path].append(file)
        elif isinstance(told := _name(file, by_path, Tags() if layout.image or tags is None else tags, key), Unnamed):
            found.unnamed.append(told)
        elif by_path.patient and not key:
            found.groups[by_path].append(file)
        else:
            named.append((told, file))
            if tags:
                found.aliases[file.relative] = "_".join((tags.patient_id, told.side, told.kind, told.view))
    for name, file in _tell_exposures_apart(named, key):
        found.groups[name].append(file)
    return found


def _require_public(files: Sequence[SourceFile], paths: Sequence[ImageName], layout: Layout) -> None:
    tagged = [(file, by_path, file.header.tags) for file, by_path in zip(files, paths, strict=True) if file.header]
    dicom = [(file, by_path, tags) for file, by_path, tags in tagged if tags]
    private = [
        file
        for file, by_path, tags in dicom
        # With a layout no tag is used.
        if any(text and not is_public(text) for text in ("" if layout.image else tags.patient_id, by_path.patient))
    ]
    if private:
        raise InputError(
            f"{len(private)} of {len(dicom)} DICOM files, {private[0].relative} first, have a patient, in PatientID or path, "
            f"that is not of the public form P12; {REMEDY}"
        )


def _name(file: SourceFile, by_path: ImageName, tags: Tags, key: SiteKey | None) -> ImageName | Unnamed:
    """The name by what the tags tell, and where they do not by what the path tells; never by a guess."""
    said = {"side": (tags.side, by_path.side), "kind": (tags.kind, by_path.kind), "view": (tags.view, by_path.view)}
    if differing := [part for part, (tag, path) in said.items() if tag and path and tag != path]:
        words = ", ".join(f"{part} {said[part][1]} and its tags {said[part][0]}" for part in differing)
        return Unnamed(file, "name-differs", f"{file.short} has a name that says {words}; correct one of them")
    patient = tags.patient_id or by_path.patient
    parts = {"patient": key.patient(patient) if key and patient else patient}
    parts |= {part: tag or path for part, (tag, path) in said.items()}
    if missing := [part for part, value in parts.items() if not value]:
        return Unnamed(file, f"unknown-{missing[0]}", f"{file.short} {_WORDS[missing[0]]}")
    return ImageName("_".join(parts.values()), **parts)


def _tell_exposures_apart(
    named: Sequence[tuple[ImageName, SourceFile]], key: SiteKey | None
) -> Iterable[tuple[ImageName, SourceFile]]:
    """Ends the names of a view of which one kind was taken more than once by digits that both images of an exposure share."""
    exposures: dict[str, set[str]] = defaultdict(set)
    for name, file in named:
        exposures[name.image_id].add(_exposure(file))
    twice = {name.image_id.replace("_CM_", "_DM_") for name, _ in named if len(exposures[name.image_id]) > 1}
    for name, file in named:
        if name.image_id.replace("_CM_", "_DM_") in twice:
            digits = key.exposure(_exposure(file)) if key else _public_digits(_exposure(file))
            name = replace(name, image_id=f"{name.image_id}_{digits}")
        yield name, file


def _exposure(file: SourceFile) -> str:
    """What both images of one compression share; a file without tags stands for itself, by its path."""
    tags = file.header.tags if file.header else None
    return tags.exposure if tags else file.relative


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
