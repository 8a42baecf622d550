"""What a format of annotation files declares of itself, and a file as the formats see it."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.annotations.contents import AnnotatedImage, Annotations, add_regions
from pipeline.annotations.rows import read_rows, read_xlsx
from pipeline.files import InputError
from pipeline.indexing.layout import image_key
from pipeline.recipe import Layout


class AnnotationFile:
    """A file that may hold annotations; what several formats look at is read once."""

    def __init__(self, path: Path):
        self.path = path

    @property
    def suffix(self) -> str:
        """In small letters, with the dot."""
        return self.path.suffix.lower()

    @cached_property
    def data(self) -> bytes:
        """Its bytes."""
        return self.path.read_bytes()

    @cached_property
    def content(self) -> Any:
        """Its JSON.

        Raises:
          InputError: it is not valid JSON.
        """
        try:
            return json.loads(self.data)
        except ValueError as error:
            raise InputError(f"{self.path}: is not valid JSON ({error}); export it again") from error

    @cached_property
    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of a workbook, or of what else there is as a CSV with commas; JSON has neither.

        Raises:
          InputError: it cannot be read as such.
        """
        if self.suffix == ".json":
            return [], []
        return read_xlsx(self.path) if self.suffix == ".xlsx" else read_rows(self.path)


@dataclass(frozen=True)
class AnnotationFormat:
    """One format of annotation files.

    Attributes:
      add: adds what a file holds to the annotations, by the recipe's layout; False where the file is of another format, or
        names no image. Raises InputError where it is of this format and broken.
      suffixes: of the files that may be of it, in small letters; empty for DICOM, whose files have any name.
      is_dicom: whether a DICOM file is of it.
    """

    add: Callable[[Annotations, AnnotationFile, Layout], bool]
    suffixes: frozenset[str] = frozenset()
    is_dicom: Callable[[Path], bool] | None = None


def add_images(annotations: Annotations, file: AnnotationFile, images: Iterable[AnnotatedImage], layout: Layout) -> bool:
    """Adds images that a file names as it likes, by the layout's keys; False where there are none.

    Raises:
      InputError: another file has other regions for an image.
    """
    keyed = ((image_key(name, layout), size, regions) for name, size, regions in images)
    return add_regions(annotations, file.path.name, keyed)
