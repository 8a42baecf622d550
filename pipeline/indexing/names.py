"""Identifies the image in each file: by name or path, by DICOM tags, and under a site key with keyed names.

Reads no file: DICOM headers have been read before.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from pipeline.annotations import TableRow
from pipeline.contract import ImageName, SourceError, clean_name, fold_patient, parse_image
from pipeline.dicom.tags import Tags
from pipeline.files import InputError
from pipeline.indexing.layout import compose_name, image_key, name_image, name_patient
from pipeline.privacy.site_key import REMEDY, SiteKey, is_public
from pipeline.recipe import Layout
from pipeline.sources import Header

_NO_ROWS: Mapping[str, TableRow] = {}
_NO_ROW = TableRow("", {}, "")
_UNKNOWN = "neither its tags nor a rule in the recipe's [dicom] identify it; add a rule (docs/dicom.md)"
_MESSAGES = {
    "patient": "names no patient: PatientID is empty; if a table names it, state its column in [layout.table] as patient",
    "side": f"is of an unknown side: {_UNKNOWN}",
    "kind": f"is not known to be low-energy or subtracted: {_UNKNOWN}",
    "view": f"is of an unknown view, or of one other than CC and MLO: {_UNKNOWN}",
}


@dataclass(frozen=True)
class SourceFile:
    """An image file, before or after its bytes were read.

    Attributes:
      relative: its path below RAW, with `/`.
      shown: its name in all output.
      fault: reason and message if it cannot be read.
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
        """Its name without folders, for messages."""
        return self.shown.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Unnamed:
    """A file whose image cannot be named, and why."""

    file: SourceFile
    reason: str
    message: str


@dataclass
class Identified:
    """The image in each file.

    Attributes:
      groups: the files of each image.
      aliases: by `relative`, the image's name by its tags; under a site key it is not the image's own name, and is only
        compared with names in annotation files.
      unnamed: the files whose image cannot be named.
      exams: how many files got their patient from a table's column of exams.
    """

    groups: dict[ImageName, list[SourceFile]]
    aliases: dict[str, str]
    unnamed: list[Unnamed]
    exams: int = 0


def identify(
    files: Sequence[SourceFile], layout: Layout, key: SiteKey | None, rows: Mapping[str, TableRow] = _NO_ROWS
) -> Identified:
    """Groups files by image: by path and table, else by tags; with a layout's expression never by tags.

    Under a site key the tags take precedence, and every patient's name is keyed, also those of files in other formats.

    Args:
      files: those in DICOM with their headers or faults.
      layout: of the recipe.
      key: of the site.
      rows: those of the tables, by the key of their image.

    Raises:
      InputError: there is no key, and a DICOM file's patient, in its tags or its path, does not have the public form.
    """
    identified = Identified(defaultdict(list), {}, [])
    named: list[_Named] = []
    known = []
    for file in files:
        row = rows.get(image_key(file.relative, layout)) or rows.get(clean_name(file.relative)) or _NO_ROW
        by_path = _name_by_path(file, row, layout, key)
        if isinstance(by_path, Unnamed):
            identified.unnamed.append(by_path)
        else:
            known.append((file, by_path, row))
    if not key:
        _require_public(known, layout)
    for file, by_path, row in known:
        tags = file.header.tags if file.header else None
        has_own_name = bool(layout.image or parse_image(by_path.image_id).patient)
        used_tags = Tags() if layout.image or tags is None else tags
        if file.fault[0] and (key or not by_path.patient):
            identified.unnamed.append(Unnamed(file, *file.fault))
        elif not (by_path.patient or row.exam) and (tags is None or layout.image):
            identified.groups[ImageName(file.shown) if key else by_path].append(file)
        elif isinstance(tag_name := _name(file, by_path, used_tags, row, layout, key), Unnamed):
            identified.unnamed.append(tag_name)
        elif by_path.patient and has_own_name and not key:
            identified.groups[by_path].append(file)
        else:
            named.append(_Named(tag_name, file, _exposure(file, by_path)))
            identified.exams += not (row.identity.get("patient") or by_path.patient or (tags and tags.patient_id))
            if tags:
                identified.aliases[file.relative] = "_".join((tags.patient_id, tag_name.side, tag_name.kind, tag_name.view))
    for name, file in _separate_exposures(named, key):
        identified.groups[name].append(file)
    if not key:
        identified.groups = _unite_spellings(identified.groups)
    return identified


def _unite_spellings(groups: Mapping[ImageName, list[SourceFile]]) -> dict[ImageName, list[SourceFile]]:
    """The groups with one spelling for each patient, the shortest: P1 and P001 in two splits would be a leak."""
    spellings: dict[str, str] = {}
    for patient in sorted({name.patient for name in groups}, key=lambda text: (len(text), text)):
        spellings.setdefault(fold_patient(patient), patient)
    return {replace(name, patient=spellings[fold_patient(name.patient)]): files for name, files in groups.items()}


def _name_by_path(file: SourceFile, row: TableRow, layout: Layout, key: SiteKey | None) -> ImageName | Unnamed:
    # Without a layout's expression the name is keyed later, together with the tags.
    keyed_patient = None if key is None else key.patient if layout.image else str
    try:
        return name_image(file.relative, layout, keyed_patient, row.identity)
    except SourceError as error:
        return Unnamed(file, error.reason, f"{file.short} {error}")


def _require_public(known: Sequence[tuple[SourceFile, ImageName, TableRow]], layout: Layout) -> None:
    # Only DICOM has been read so far, so a file with a header or a fault is DICOM.
    dicom = [(file, by_path, row) for file, by_path, row in known if file.header or file.fault[0]]
    private = []
    for file, by_path, row in dicom:
        by_tags = not (layout.image or "patient" in row.identity or not file.header or not file.header.tags)
        tagged = file.header.tags.patient_id if by_tags and file.header and file.header.tags else ""
        if any(text and not is_public(text) for text in (tagged, by_path.patient)):
            private.append(file)
    if private:
        raise InputError(
            f"{len(private)} of {len(dicom)} DICOM files ({private[0].relative} is the first) have a patient, in PatientID or "
            f"path, that does not have the public form P12; {REMEDY}"
        )


def _name(
    file: SourceFile, by_path: ImageName, tags: Tags, row: TableRow, layout: Layout, key: SiteKey | None
) -> ImageName | Unnamed:
    """The name by the tags, and by path and table where the tags are silent; never a guess."""
    sources = {"side": (tags.side, by_path.side), "kind": (tags.kind, by_path.kind), "view": (tags.view, by_path.view)}
    if differing := [part for part, (tag, path) in sources.items() if tag and path and tag != path]:
        tagged, named = (", ".join(f"{part} {sources[part][which]}" for part in differing) for which in (0, 1))
        return Unnamed(file, "name-differs", f"{file.short} is named {named} but tagged {tagged}; correct one of them")
    if by_path.patient and is_public(tags.patient_id) and tags.patient_id != by_path.patient:
        return Unnamed(file, "name-differs", f"{file.short} names another patient than its tags; correct one of them")
    patient = by_path.patient if "patient" in row.identity else tags.patient_id or by_path.patient
    if not patient and row.exam:
        patient = name_patient(row.exam, file.relative, str if key else None)
    parts = {"patient": key.patient(patient) if key and patient else patient}
    parts |= {part: tag or path for part, (tag, path) in sources.items()}
    if missing := [part for part, value in parts.items() if not value and part not in layout.unknown]:
        return Unnamed(file, f"unknown-{missing[0]}", f"{file.short} {_MESSAGES[missing[0]]}")
    return compose_name(parts)


class _Named(NamedTuple):
    """A file, the name of its image, and what distinguishes its exposure from others of the same view."""

    name: ImageName
    file: SourceFile
    exposure: str

    @property
    def view(self) -> str:
        """The name that the images of both kinds share."""
        return self.name.image_id.replace("_CM_", "_DM_")


def _separate_exposures(named: Sequence[_Named], key: SiteKey | None) -> Iterable[tuple[ImageName, SourceFile]]:
    """Appends digits to the names of a view that was taken more than once; both images of an exposure get the same digits."""
    exposures: dict[str, set[str]] = defaultdict(set)
    for image in named:
        exposures[image.name.image_id].add(image.exposure)
    repeated = {image.view for image in named if len(exposures[image.name.image_id]) > 1}
    for image in named:
        name = image.name
        if image.view in repeated:
            digits = key.exposure(image.exposure) if key else _public_digits(image.exposure)
            name = replace(name, image_id=f"{name.image_id}_{digits}")
        yield name, image.file


def _exposure(file: SourceFile, by_path: ImageName) -> str:
    """The text that both images of one compression share: the tags' exposure, and the end of the file's name, such as `_2`."""
    tags = file.header.tags if file.header else None
    ending = by_path.image_id.removeprefix("_".join((by_path.patient, by_path.side, by_path.kind, by_path.view)))
    return f"{tags.exposure if tags else ''}{ending if by_path.patient else ''}"


def _public_digits(uid: str) -> str:
    return str(10**7 + int(hashlib.sha256(uid.encode()).hexdigest(), 16) % (9 * 10**7))


def uids_of(groups: Mapping[ImageName, Sequence[SourceFile]]) -> dict[str, tuple[str, tuple[int, int]]]:
    """The image_id, and width and height in pixels, by SOPInstanceUID."""
    return {
        file.header.tags.uid: (name.image_id, (file.header.width, file.header.height))
        for name, files in groups.items()
        for file in files
        if file.header and file.header.tags
    }
