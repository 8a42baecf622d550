"""The declaration of an annotation format, and the file that it reads."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.annotations.contents import AnnotatedImage, Annotations, DrawnRegion, add_regions
from pipeline.annotations.rows import read_rows, read_xlsx
from pipeline.files import InputError
from pipeline.indexing.layout import image_key
from pipeline.recipe import Layout


class AnnotationFile:
    """A file that may hold annotations; content that several formats inspect is read once."""

    def __init__(self, path: Path):
        self.path = path

    @property
    def suffix(self) -> str:
        """In lower case, with the dot."""
        return self.path.suffix.lower()

    @cached_property
    def data(self) -> bytes:
        """Its bytes."""
        return self.path.read_bytes()

    @cached_property
    def content(self) -> Any:
        """Its parsed JSON.

        Raises:
          InputError: it is not valid JSON.
        """
        try:
            return json.loads(self.data)
        except ValueError as error:
            raise InputError(f"{self.path}: is not valid JSON ({error}); export it again") from error

    @cached_property
    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of a workbook, or of any other file read as CSV with commas; both are empty for JSON.

        Raises:
          InputError: it cannot be read as a table.
        """
        if self.suffix == ".json":
            return [], []
        return read_xlsx(self.path) if self.suffix == ".xlsx" else read_rows(self.path)


@dataclass(frozen=True)
class AnnotationFormat:
    """One format of annotation files.

    Attributes:
      add: adds a file's contents to the annotations, by the recipe's layout; returns False if the file has another format or
        names no image. Raises InputError if it has this format and is broken.
      suffixes: of files that may have the format, in lower case; empty for DICOM, whose files may have any name.
      is_dicom: whether a DICOM file has the format.
    """

    add: Callable[[Annotations, AnnotationFile, Layout], bool]
    suffixes: frozenset[str] = frozenset()
    is_dicom: Callable[[Path], bool] | None = None


def add_images(annotations: Annotations, file: AnnotationFile, images: Iterable[AnnotatedImage], layout: Layout) -> bool:
    """Adds a file's images by the layout's keys of their names; returns False if there are none.

    Of several entries for one image nobody knows which belongs to it: it gets none, but one fault.

    Raises:
      InputError: another file has other regions for an image.
    """
    by_key: dict[str, AnnotatedImage] = {}
    for name, size, regions in images:
        key = image_key(name, layout)
        if key in by_key:
            fault = f"{file.path.name} has several entries for {key}; keep the one that belongs to the image"
            by_key[key] = (key, None, [DrawnRegion(None, file.path.name, fault, reason="annotation-ambiguous")])
        else:
            by_key[key] = (key, size, regions)
    return add_regions(annotations, file.path.name, by_key.values())
