"""Looks for identifiers of DICOM sources in everything that a data set's folder holds, file names included.

It knows what it looks for from the sources themselves: header text, file names and folders below RAW. It cannot see text that
is burned into pixels.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.audit import Finding, make_finding
from pipeline.files import InputError, progress
from pipeline.names import clean_name, parse_image
from pipeline.privacy import is_public
from pipeline.sources import SUFFIXES, find_files, has_dicom_mark

# PS3.15 Annex E, table E.1-1: of what it removes, the elements whose values name somebody or something.
_TAGS = (
    *("PatientID", "PatientName", "OtherPatientIDs", "OtherPatientNames", "PatientBirthDate", "PatientBirthName"),
    *("PatientAddress", "PatientTelephoneNumbers", "PatientMotherBirthName", "IssuerOfPatientID", "AccessionNumber"),
    *("ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName", "PhysiciansOfRecord", "RequestingPhysician"),
    *("InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName", "StationName", "DeviceSerialNumber"),
    *("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "StudyID", "StudyInstanceUID", "SeriesInstanceUID"),
    *("SOPInstanceUID", "FrameOfReferenceUID"),
)
_SHORTEST = 4  # characters; what is shorter stands in any table by chance
_WORD = re.compile(r"[0-9A-Za-z]+")
Words = tuple[str, ...]


@dataclass(frozen=True)
class Identifiers:
    """What is looked for: by the last of its words, all words and what it is; words are in lower case."""

    by_last: Mapping[str, list[tuple[Words, str]]]

    def __len__(self) -> int:
        return sum(map(len, self.by_last.values()))

    def found_in(self, text: str) -> set[str]:
        """What kinds of identifiers a text holds as whole words."""
        words = _WORD.findall(text.lower())
        return {
            kind
            for place, word in enumerate(words)
            for wanted, kind in self.by_last.get(word, ())
            if tuple(words[max(0, place + 1 - len(wanted)) : place + 1]) == wanted
        }


def collect_identifiers(raw: Path, *, public: bool) -> Identifiers:
    """Reads the identifiers of all DICOM files below RAW.

    Args:
      raw: the folder that the data set was made from.
      public: names of the public form (`P12`, `P12_L_CM_CC`) are kept in the output by design, so they count as none.

    Raises:
      InputError: there is no such folder, or no DICOM file in it.
    """
    files = [path for path in find_files(raw, SUFFIXES, dicom=True) if has_dicom_mark(path)] if raw.is_dir() else []
    if not files:
        raise InputError(f"--privacy {raw}: holds no DICOM file; name the folder that the data set was made from")
    by_last: dict[str, set[tuple[Words, str]]] = defaultdict(set)
    for path in progress(files, len(files), "identifiers", "files"):
        for kind, text in (*_of_path(path.relative_to(raw)), *_of_header(path)):
            if public and (is_public(text) or parse_image(clean_name(text)).patient):
                continue
            words = tuple(_WORD.findall(text.lower()))
            if sum(map(len, words)) >= _SHORTEST:
                by_last[words[-1]].add((words, kind))
    return Identifiers({last: sorted(found) for last, found in by_last.items()})


def _of_path(relative: Path) -> Iterator[tuple[str, str]]:
    yield "file name", clean_name(relative.name)
    for folder in relative.parts[:-1]:
        yield "folder", folder


def _of_header(path: Path) -> Iterator[tuple[str, str]]:
    import pydicom

    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
    except Exception:  # a broken file of which nothing can be read has nothing that could have been written out
        return
    for tag in _TAGS:
        for text in _texts(dataset.get(tag)):
            yield tag, text
            if tag.endswith("Name"):  # each part of a person's name, too
                yield from ((tag, part) for part in _WORD.findall(text) if len(part) >= _SHORTEST)
            if tag.endswith("Date") and len(text) == 8:
                yield tag, f"{text[:4]}-{text[4:6]}-{text[6:]}"


def _texts(value: Any) -> Iterable[str]:
    from pydicom.multival import MultiValue

    if value is None or value == "":
        return ()
    return map(str, value if isinstance(value, MultiValue) else [value])


def audit_privacy(folder: Path, identifiers: Identifiers) -> Finding:
    """Looks for identifiers in every name and every file below a folder; the finding shows where, and never the value."""
    paths = sorted(Path(place, name) for place, _, names in os.walk(folder) for name in names)
    examples = []
    for path in progress(paths, len(paths), "privacy", "files"):
        place = path.relative_to(folder).as_posix()
        if kinds := identifiers.found_in(place):
            examples.append(f"{place}: its name holds {', '.join(sorted(kinds))}")
        if kinds := set().union(*map(identifiers.found_in, _readable(path))):
            examples.append(f"{place}: holds {', '.join(sorted(kinds))}")
    return make_finding("identifier", "files", examples)


def _readable(path: Path) -> Iterator[str]:
    """The bytes of a file as text, and what its picture format keeps compressed beside the pixels."""
    yield path.read_bytes().decode("latin-1")
    if path.suffix.lower() == ".png":
        import PIL.Image

        try:
            with PIL.Image.open(path) as image:
                yield " ".join(map(str, image.info.values()))
        except (OSError, SyntaxError, ValueError):
            return
