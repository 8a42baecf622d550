"""The contents of annotation files of any format: table rows and drawn regions by image, and how two files are merged."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.contract import CLASSES
from pipeline.files import InputError


@dataclass(frozen=True)
class TableRow:
    """One image's row of the annotation table; cells have no stray spaces, and are empty for `_` and for absent columns.

    Attributes:
      written: the name as the table spells it.
      cells: by the columns of the manifest.
      where: its location.
      identity: what it states of patient, side, view and kind, as `read_identity` returns it.
      exam: what may stand for the patient where nothing else names one: the cell of a column such as study_id.
    """

    written: str
    cells: dict[str, str]
    where: str
    listed_class: str = ""  # the table's, where the labels of regions have taken its place
    identity: Mapping[str, str] = field(default_factory=dict)
    exam: str = ""


@dataclass(frozen=True)
class DrawnRegion:
    """One region of an annotation file: its shape attributes, or the fault for which they cannot be read.

    Attributes:
      where: its location, such as file and row.
      label: its name in the file, such as COCO's category or a segment's label; empty for VIA.
      size: width and height of the image that was annotated, in pixels; None if the file does not state them.
      reason: that of the reject, where there is a fault.
      box_only: whether its shape is the box around a lesion that nobody outlined.
      empty: whether it names its image and a class, but no pixel; it is not drawn.
    """

    attributes: object
    where: str
    fault: str = ""
    label: str = ""
    size: tuple[int, int] | None = None
    reason: str = "region-malformed"
    box_only: bool = False
    empty: bool = False

    @property
    def has_area(self) -> bool:
        """Whether it may be drawn; a fault counts, so that it is reported. A point is a remark."""
        return bool(self.fault) or not (isinstance(self.attributes, Mapping) and self.attributes.get("name") == "point")

    def misfit(self, width: int, height: int) -> str:
        """A message if an image of this size is not the one that was annotated; empty if it may be."""
        if self.size is None or self.size == (width, height):
            return ""
        return f"was drawn on {self.size[0]} x {self.size[1]} pixels, but the image has {width} x {height}"


@dataclass(frozen=True)
class SegReference:
    """The images that a DICOM segmentation references.

    Attributes:
      where: the file's name.
      uid: its own SOPInstanceUID.
      images: SOPInstanceUIDs of the referenced images, sorted.
      size: its width and height, in pixels.
      fault: why it cannot be read; empty if it can.
    """

    where: str
    uid: str = ""
    images: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    fault: str = ""


@dataclass(frozen=True)
class UnreadFiles:
    """Files of one kind that were found where annotations are, and not read.

    Attributes:
      looks_like: their kind, as text.
      count: how many there are.
      first: the path of the first one, below the folder where it was found, and with that folder's name where there are several;
        empty under a site key.
    """

    looks_like: str
    count: int
    first: str = ""

    def __str__(self) -> str:
        if self.count == 1 and self.first:
            return f"{self.first} (looks like {self.looks_like})"
        first = f", {self.first} first" if self.first else ""
        return f"{self.count} file{'s' if self.count > 1 else ''}{first} (look like {self.looks_like})"


@dataclass
class Annotations:
    """The contents of all annotation files, by the key of an image's name (`image_key`), and after joining by image_id.

    Attributes:
      files: the files that were used.
      rows: the table.
      regions: the drawn regions; an image that a file names without a region has an empty list.
      file_sizes: bytes of the image that was annotated.
      references: those of the DICOM segmentations; `check_reference` checks each against the images.
      regions_by_uid: the segments of segmentations that reference one image, by its SOPInstanceUID.
      boxes: those of the tables of another collection, by key; `read_annotations` adds them to the regions.
      passed_over: tables that lack a column of the layout, and paths that are no files, each with what it is.
      headers_below: the row of a table's header, where other rows are above it.
      unread: all files that were found and not read, tables that were passed over among them.
      unread_names: the images that these name, where an image without an annotation would be normal.
      crops: files among the masks that are pictures of a lesion and not its mask.
      not_lesions: how many regions are not drawn because the layout does not list their label among its lesions, by label.
      stated: by whom and when files of regions were made, where it is stated, by the fields of `AnnotatorEntry`.
    """

    files: list[Path] = field(default_factory=list)
    rows: dict[str, TableRow] = field(default_factory=dict)
    regions: dict[str, list[DrawnRegion]] = field(default_factory=dict)
    file_sizes: dict[str, int] = field(default_factory=dict)
    references: list[SegReference] = field(default_factory=list)
    regions_by_uid: dict[str, list[DrawnRegion]] = field(default_factory=dict)
    boxes: dict[str, list[DrawnRegion]] = field(default_factory=dict)
    passed_over: dict[Path, str] = field(default_factory=dict)
    headers_below: dict[Path, int] = field(default_factory=dict)
    unread: list[UnreadFiles] = field(default_factory=list)
    unread_names: set[str] = field(default_factory=set)
    crops: list[Path] = field(default_factory=list)
    not_lesions: Counter[str] = field(default_factory=Counter)
    stated: list[dict[str, str]] = field(default_factory=list)


# An image's name or key, the size in bytes of the image that was annotated, and its regions.
AnnotatedImage = tuple[str, int | None, list[DrawnRegion]]


def add_row(found: Annotations, name: str, row: TableRow) -> None:
    """Adds a table row; one that was added before is not added again.

    Raises:
      InputError: an earlier row of the image has another value.
    """
    earlier = found.rows.setdefault(name, row)
    for column in earlier.cells.keys() & row.cells.keys():
        if earlier.cells[column] != row.cells[column]:
            raise InputError(
                f"{name}: {column} is {earlier.cells[column]!r} in {earlier.where} but {row.cells[column]!r} in "
                f"{row.where}; correct or remove one of them"
            )


def add_regions(found: Annotations, file: str, images: Iterable[AnnotatedImage]) -> bool:
    """Adds a file's regions; returns False if it names no image.

    Raises:
      InputError: another file has other regions for an image, or other labels for the same regions.
    """
    used = False
    for name, size, regions in images:
        used = True
        earlier = found.regions.setdefault(name, regions)
        if earlier is not regions:
            if sorted(map(_shape, earlier)) != sorted(map(_shape, regions)):
                raise InputError(
                    f"{name}: its regions in {file} differ from those in {file_of(earlier)}; remove one of the files"
                )
            found.regions[name] = _unite_labels(name, file, earlier, regions)
        if size is not None:
            found.file_sizes.setdefault(name, size)
    return used


def _shape(region: DrawnRegion) -> str:
    """A region's attributes as text, in which 10.0 is 10: programs write whole numbers in both ways."""
    text = json.dumps(region.attributes, sort_keys=True)
    return re.sub(r"(?<=\d)\.0+(?=[\],}])", "", text)


def _unite_labels(name: str, file: str, first: list[DrawnRegion], second: list[DrawnRegion]) -> list[DrawnRegion]:
    """The regions of the first file, with labels that only the second one has; a class goes before any other label."""
    united = []
    by_shape = (sorted(regions, key=lambda region: (_shape(region), region.label.casefold())) for regions in (first, second))
    for region, other in zip(*by_shape, strict=True):
        labels = {region.label.casefold(), other.label.casefold()} - {""}
        classes = labels & set(CLASSES)
        if len(classes or labels) > 1:
            raise InputError(
                f"{name}: a region is labelled {region.label!r} in {file_of([region])} and {other.label!r} in {file}; correct or "
                "remove one of the files"
            )
        use_other = other.label and (not region.label or region.label.casefold() not in (classes or labels))
        united.append(other if use_other else region)
    return united


def file_of(regions: list[DrawnRegion]) -> str:
    """The name of the file that regions come from, as far as it is known."""
    return regions[0].where.split(" ")[0] if regions else "the other file"
