"""Searches a data set's folder, names of files and folders included, for identifiers of its DICOM sources.

The identifiers come from the sources themselves: header text, and the names of files and folders. `Identifiers` defines the
spellings that are found, `text_extraction` the text that is read from a file. Not found are text that is burned into pixels,
base64, containers in containers, cells of arrays without a gap between them, an identifier within a longer word
(`scanMRN778812L`) or without its leading zeros, a name in another alphabet than the header's, and parts of free text such as
comments.
"""

import csv
import io
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.audit import AuditFinding, make_finding
from pipeline.contract import DATASET_MARK, clean_name, parse_image
from pipeline.dicom.parsing import refuse_bombs
from pipeline.files import InputError, progress, read_regular
from pipeline.privacy.identifiers import LONG, SHORTEST, Identifiers, split_words
from pipeline.privacy.site_key import is_public
from pipeline.privacy.text_extraction import MOST_BYTES, read_texts
from pipeline.sources import has_dicom_mark

_REPRESENTATIONS = {"PN", "LO", "SH", "DA", "DT", "UI", "LT", "ST", "UT", "UC"}  # those that can name somebody (PS3.5 6.2)
_STANDARD_UID = "1.2.840.10008."  # names a class, a coding or a table of the standard
# Tags of these representations that describe a type of device or image, and nobody.
_NAMES_NOBODY = {
    *("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "RescaleType", "LUTExplanation", "ModalityLUTType"),
    *("CodeValue", "CodeMeaning", "CodingSchemeDesignator", "CodingSchemeVersion", "CodingSchemeName"),
    *("WindowCenterWidthExplanation", "DeidentificationMethod"),
}
_MOST_ITEMS = 100_000
_NAME_COLUMNS = ("patient", "image_id", "partner", "source")


def collect_identifiers(raw: Path, *, public: bool) -> Identifiers:
    """Reads the identifiers of all DICOM files below RAW, and the names of all files and folders there.

    Args:
      raw: the folder that the data set was made from.
      public: whether paths and names of the public form (`P12`, `P12_L_CM_CC`) are kept in the output by design, so that they
        are not identifiers.

    Raises:
      InputError: there is no such folder, or no DICOM file in it.
    """
    paths = list(_walk_sources(raw))
    files = [path for path in paths if path.is_file() and has_dicom_mark(path)]
    if not files:
        raise InputError(f"--privacy {raw}: holds no DICOM file; name the folder that the data set was made from")
    identifiers = Identifiers()
    if not public:
        _add_names(identifiers, raw, paths)
    for path in progress(files, len(files), "identifiers", "files"):
        _add_header(identifiers, path, public=public)
    for path in sorted(Path(__file__).parents[1].rglob("*")):
        if path.suffix in (".py", ".toml", ".html", ".css", ".js"):
            identifiers.drop_ordinary(path.read_text(encoding="utf-8"))
    return identifiers


def _walk_sources(raw: Path) -> Iterator[Path]:
    """Yields files and folders below RAW; skips data sets below it, whose names are this program's."""
    for parent, folders, names in os.walk(raw):
        folders[:] = [name for name in folders if not name.startswith(".") and not Path(parent, name, DATASET_MARK).exists()]
        yield from (Path(parent, name) for name in (*folders, *names) if not name.startswith((".", "~$")))


def _add_names(identifiers: Identifiers, raw: Path, paths: Iterable[Path]) -> None:
    identifiers.add("folder", raw.resolve().name)
    for path in paths:
        if path.is_dir():
            identifiers.add("folder", path.name)
        else:
            for name in {clean_name(path.name), path.stem, path.name.split(".")[0]}:
                identifiers.add("file name", name)


def _add_header(identifiers: Identifiers, path: Path, *, public: bool) -> None:
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of odd values, and quotes them
        try:
            data = read_regular(path)
            refuse_bombs(data, _MOST_ITEMS)
            dataset: pydicom.Dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
        except Exception:  # pydicom raises errors of any type on broken files
            dataset = pydicom.Dataset()
        identifiers.unread_headers += not dataset
        for element in _walk_elements(dataset):
            kind = element.keyword or "private tag"
            for text in _lines(element.value):
                if not (public and (is_public(text) or parse_image(clean_name(text)).patient)):
                    _add_value(identifiers, kind, element.VR, text)


def _walk_elements(dataset: Any) -> Iterator[Any]:
    """The elements that may name somebody, those of nested sequences too."""
    for tag in dataset.keys():  # noqa: SIM118 - a Dataset gives elements, which may be broken, not tags
        try:
            element = dataset[tag]
            items = list(element.value) if element.VR == "SQ" else []
        except Exception:  # what cannot be read cannot have been written out
            continue
        for item in items:
            yield from _walk_elements(item)
        if element.VR in _REPRESENTATIONS and element.keyword not in _NAMES_NOBODY and not tag.is_private_creator:
            yield element


def _lines(value: Any) -> Iterator[str]:
    from pydicom.multival import MultiValue

    for item in value if isinstance(value, MultiValue) else [value]:
        yield from str("" if item is None else item).splitlines()


def _add_value(identifiers: Identifiers, kind: str, representation: str, text: str) -> None:
    if representation == "PN":  # in up to three alphabets, and also each part of the name alone
        for name in (*text.split("="), *split_words(text)):
            identifiers.add(kind, name)
        return
    if representation in ("DA", "DT") and re.match(r"\d{8}", text):
        identifiers.add_date(kind, text[:8])
    if not text.startswith(_STANDARD_UID):
        identifiers.add(kind, text)


def audit_privacy(folder: Path, identifiers: Identifiers) -> AuditFinding:
    """Searches every name and every file below a folder for identifiers; the finding has their paths, and never their values."""
    paths = sorted(Path(parent, name) for parent, folders, names in os.walk(folder) for name in (*folders, *names))
    examples = []
    for path in progress(paths, len(paths), "privacy", "files"):
        shown = os.fsencode(path.relative_to(folder).as_posix()).decode(errors="replace")
        if kinds := identifiers.kinds_in(path.name, names=True):
            examples.append(f"{shown}: its name holds {', '.join(sorted(kinds))}")
        if path.is_dir() and not path.is_symlink():
            continue
        kinds, whole = _search(path, identifiers)
        if kinds:
            examples.append(f"{shown}: holds {', '.join(sorted(kinds))}")
        if not whole:
            identifiers.unread_files.append(shown)
    return make_finding("identifier", "files", examples)


def _search(path: Path, identifiers: Identifiers) -> tuple[set[str], bool]:
    """The kinds of identifiers that a file holds, and whether all of it could be searched."""
    kinds: set[str] = set()
    if not path.is_file():  # a link that leads nowhere or to a folder, or a device
        return kinds, False
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES)
            whole = not file.read(1)
        for text, binary in read_texts(data):
            kinds |= identifiers.kinds_in(text, least=LONG if binary else SHORTEST)
            if path.suffix.lower() == ".csv":
                kinds |= identifiers.kinds_in(_names_of_table(text), names=True)
    except Exception:  # broken containers raise errors of any type
        return kinds, False
    return kinds, whole


def _names_of_table(text: str) -> str:
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except csv.Error:
        return ""
    return "\n".join(str(row.get(column, "")) for row in rows for column in _NAME_COLUMNS)
