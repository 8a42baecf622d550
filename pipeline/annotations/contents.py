"""What annotation files say, whatever their format: table rows and drawn regions by image, and how two files are united."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.files import InputError


@dataclass(frozen=True)
class TableRow:
    """One image's row of the annotation table; cells without stray spaces, `_` and absent columns are empty."""

    written: str  # the name as the table spells it
    cells: dict[str, str]
    where: str


@dataclass(frozen=True)
class DrawnRegion:
    """One region as the annotation file has it: its shape attributes, or what is wrong with them.

    Attributes:
      label: what the file calls it, such as COCO's category or a segment's label; VIA says nothing.
      size: width and height of the image that was annotated, in pixels, where the file says so.
    """

    attributes: object
    where: str
    fault: str = ""
    label: str = ""
    size: tuple[int, int] | None = None

    def misfit(self, width: int, height: int) -> str:
        """What is wrong with the size of its image, in words; empty where nothing is, or the file says nothing."""
        if self.size is None or self.size == (width, height):
            return ""
        return f"was drawn on {self.size[0]} x {self.size[1]} pixels, but the image has {width} x {height}"


@dataclass(frozen=True)
class SegReference:
    """What a DICOM segmentation says of where it belongs.

    Attributes:
      where: the file's name.
      uid: its own SOPInstanceUID.
      images: SOPInstanceUIDs of the images that it references, sorted.
      size: its width and height, in pixels.
      fault: why it cannot be read, in words; empty where it can be.
    """

    where: str
    uid: str = ""
    images: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    fault: str = ""


@dataclass
class Annotations:
    """All that the annotation files say, by what they name an image (`image_key`), and later by its image_id.

    Attributes:
      files: the files that were used.
      rows: the table.
      regions: the drawn regions; an image that the file names without a region has an empty list.
      file_sizes: bytes of the image that was annotated.
      references: where the DICOM segmentations belong; `check_reference` holds each against the images.
      regions_by_uid: the segments of those that reference one image, by its SOPInstanceUID.
    """

    files: list[Path] = field(default_factory=list)
    rows: dict[str, TableRow] = field(default_factory=dict)
    regions: dict[str, list[DrawnRegion]] = field(default_factory=dict)
    file_sizes: dict[str, int] = field(default_factory=dict)
    references: list[SegReference] = field(default_factory=list)
    regions_by_uid: dict[str, list[DrawnRegion]] = field(default_factory=dict)


# An image by its name or key, the bytes of the image that was annotated, and its regions.
AnnotatedImage = tuple[str, int | None, list[DrawnRegion]]


def add_row(found: Annotations, name: str, row: TableRow) -> None:
    """Adds a table's row; the same one twice is one.

    Raises:
      InputError: an earlier row of the image says something else.
    """
    known = found.rows.setdefault(name, row)
    for column in known.cells.keys() & row.cells.keys():
        if known.cells[column] != row.cells[column]:
            raise InputError(
                f"{name}: {column} is {known.cells[column]!r} in {known.where} but {row.cells[column]!r} in "
                f"{row.where}; correct or remove one of them"
            )


def add_regions(found: Annotations, file: str, images: Iterable[AnnotatedImage]) -> bool:
    """Adds a file's regions; False where it names no image.

    Raises:
      InputError: another file has other regions for an image.
    """
    used = False
    for name, size, regions in images:
        used = True
        known = found.regions.setdefault(name, regions)
        if known is not regions and _shapes(known) != _shapes(regions):
            raise InputError(f"{name}: its regions in {file} are not those in {file_of(known)}; remove one of the files")
        if size is not None:
            found.file_sizes.setdefault(name, size)
    return used


def _shapes(regions: list[DrawnRegion]) -> list[str]:
    return sorted(json.dumps(region.attributes, sort_keys=True) for region in regions)


def file_of(regions: list[DrawnRegion]) -> str:
    """The file that regions are from, as far as they say."""
    return regions[0].where.split(" ")[0] if regions else "the other file"
