"""The tables of the index stage: index.csv, regions.csv, rejects.csv, partners, and the map of keyed names. Reads no image."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from pipeline.contract import CLASSES, DETAILS
from pipeline.files import InputError, name_problem, parse_json, path_below, read_csv, shorten, write_csv


@dataclass(frozen=True)
class Reject:
    """A source image that is dropped: the reason, the location in the inputs, and a message; the columns of rejects.csv."""

    image: str
    reason: str
    where: str
    message: str  # the column `words`


@dataclass(frozen=True)
class SourceImage:
    """A source image that is kept: one row of index.csv.

    `lesion_share` is the area of all regions together divided by that of the letterboxed square, `spacing_mm` that of the
    source; `source` is relative to RAW; `details` holds cells of the annotation table, by the columns of `contract.DETAILS`.
    An empty string or None means unknown.
    """

    image_id: str
    patient: str
    side: str
    view: str
    kind: str
    image_class: str
    details: Mapping[str, str]
    regions: int
    lesion_share: float
    width: int
    height: int
    spacing_mm: float | None
    source: str
    source_size: int
    source_sha256: str

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> "SourceImage":
        """Reads a row of index.csv."""
        convert: dict[str, Callable[[str], object]] = {
            "regions": int,
            "lesion_share": float,
            "width": int,
            "height": int,
            "source_size": int,
            "spacing_mm": lambda text: float(text) if text else None,
        }
        plain = {name: convert.get(name, str)(row[name]) for name in _FIELDS if name != "details"}
        return cls(**plain, details={name: row[name] for name in DETAILS})  # type: ignore[arg-type]

    def to_row(self) -> dict[str, object]:
        """The row of index.csv."""
        return {name: getattr(self, name) for name in _FIELDS if name != "details"} | dict(self.details)


@dataclass(frozen=True)
class PartnerSource:
    """The partner of a source image that is kept: a row of the index's table of partners.

    `fault` is empty, `missing`, or the reason for which it cannot be read; the other attributes are those of `SourceImage`, of
    the partner's file, and empty or 0 where they are not known.
    """

    image_id: str
    partner: str
    source: str
    source_size: int
    source_sha256: str
    width: int
    height: int
    fault: str

    @property
    def row(self) -> dict[str, object]:
        """The row of the table."""
        return dict(zip(PARTNER_COLUMNS, astuple(self), strict=True))


_FIELDS = tuple(field.name for field in fields(SourceImage))
COLUMNS = tuple(column for name in _FIELDS for column in (DETAILS if name == "details" else (name,)))
REGION_COLUMNS = ("image_id", "region", "shape", "attributes", "area_px", "inside", "where")
MAP_COLUMNS = ("name", "original")
_REMEDY = "delete it and run the index stage again"
PARTNER_COLUMNS = tuple(field.name for field in fields(PartnerSource))
_PARTNER_TEXTS = ("image_id", "partner", "source", "source_sha256", "fault")
REJECT_COLUMNS = ("image", "reason", "where", "words")


def write_rejects(path: Path, rejects: Sequence[Reject]) -> None:
    """Writes rejects.csv."""
    write_csv(path, REJECT_COLUMNS, (dict(zip(REJECT_COLUMNS, astuple(reject), strict=True)) for reject in rejects))


def read_rejects(path: Path) -> list[Reject]:
    """Reads rejects.csv."""
    return [Reject(*(row[column] for column in REJECT_COLUMNS)) for row in read_csv(path, REJECT_COLUMNS)]


def count_reasons(rejects: Iterable[Reject]) -> str:
    """The three most frequent reasons with their counts, as text."""
    reasons = Counter(reject.reason for reject in rejects)
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))


def read_images(path: Path) -> list[SourceImage]:
    """Reads index.csv.

    Raises:
      InputError: its cells are not those of an index, a name or source would lead outside of a folder, or a name occurs twice.
    """
    images: dict[str, SourceImage] = {}
    for number, row in enumerate(read_csv(path, COLUMNS), 2):
        where = f"{path}: row {number}"
        try:
            image = SourceImage.from_row(row)
            _check_numbers(image)
        except ValueError as error:
            raise InputError(f"{where}: is not of a valid index ({error}); {_REMEDY}") from error
        if problem := name_problem(image.image_id):
            raise InputError(f"{where}: image_id {shorten(image.image_id)} {problem}; {_REMEDY}")
        path_below(Path("RAW"), image.source, f"{where}: source", follow_links=True)
        if images.setdefault(image.image_id, image) is not image:
            raise InputError(f"{where}: names {image.image_id}, as an earlier row does; {_REMEDY}")
    return list(images.values())


def _check_numbers(image: SourceImage) -> None:
    """Raises a ValueError where numbers of a row cannot be those of an image."""
    if not (0 < image.width < 2**31 and 0 < image.height < 2**31 and 0 <= image.source_size < 2**63 and image.regions >= 0):
        raise ValueError(f"{image.width} x {image.height} pixels, {image.source_size} bytes, {image.regions} regions")
    if not math.isfinite(image.lesion_share) or not math.isfinite(image.spacing_mm or 0):
        raise ValueError(f"lesion_share {image.lesion_share}, spacing_mm {image.spacing_mm}")
    if image.image_class not in CLASSES:
        raise ValueError(f"class {shorten(image.image_class)}; expected {', '.join(CLASSES)}")


def read_regions(path: Path) -> list[dict[str, str]]:
    """Reads the rows of regions.csv; `read_shape` reads a row's shape.

    Raises:
      InputError: it is not such a table, or a shape is not a JSON object.
    """
    rows = read_csv(path, REGION_COLUMNS)
    for number, row in enumerate(rows, 2):
        try:
            read_shape(row)
        except InputError as error:
            raise InputError(f"{path}: row {number}: {error}") from error
    return rows


def read_partner_sources(path: Path) -> dict[str, PartnerSource]:
    """Reads the index's table of partners, by image.

    Raises:
      InputError: it is not such a table, or a source would lead out of RAW.
    """
    partners = {}
    for number, row in enumerate(read_csv(path, PARTNER_COLUMNS), 2):
        try:
            size, width, height = (int(row[name]) for name in ("source_size", "width", "height"))
        except ValueError as error:
            raise InputError(f"{path}: row {number}: {error}; {_REMEDY}") from error
        image_id, partner, source, sha256, fault = (row[name] for name in _PARTNER_TEXTS)
        if source:
            path_below(Path("RAW"), source, f"{path}: row {number}: source", follow_links=True)
        partners[image_id] = PartnerSource(image_id, partner, source, size, sha256, width, height, fault)
    return partners


def read_shape(row: Mapping[str, str]) -> dict[str, Any]:
    """The VIA shape attributes of a row of regions.csv."""
    return parse_json(row["attributes"], dict[str, Any], f"region {row['region']} of {row['image_id']}", _REMEDY)


def write_map(file: Path, way_back: Mapping[str, str]) -> None:
    """Writes the originals of the keyed names in the tables, one row per name."""
    # Bytes of an original that are not UTF-8 are written as escapes.
    shown = {name: original.encode("utf-8", "backslashreplace").decode() for name, original in way_back.items()}
    write_csv(file, MAP_COLUMNS, ({"name": name, "original": shown[name]} for name in sorted(shown)))
