"""From the two source images of a view to the partner's files: read, register, turn, encode, write. Runs in the workers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.contract import CRASHED, REGISTERED, SourceError
from pipeline.dataset.journal import PartnerEntry
from pipeline.dataset.samples import encode_image, read_source, resize, write_file
from pipeline.geometry import lay_over, register, vary
from pipeline.recipe import Recipe


@dataclass(frozen=True)
class Source:
    """A source file as the index recorded it: path, size, modification time (None where it keeps none), height and width."""

    path: Path
    size: int
    mtime_ns: int | None
    shape: tuple[int, int]


@dataclass(frozen=True)
class PartnerTask:
    """All that a worker needs for the partner of one source image.

    Attributes:
      image_id: the image.
      key: as in `PartnerEntry`.
      folder: the data set's folder.
      image, partner: the source files.
      paths: of the partner's files by variant, relative to `folder`.
    """

    image_id: str
    key: str
    folder: Path
    image: Source
    partner: Source
    recipe: Recipe
    paths: Mapping[str, str]

    @property
    def fault_key(self) -> str:
        """The key under which the journal keeps a failure."""
        return f"{self.key}@{self.partner.mtime_ns}"


def make_partner(task: PartnerTask) -> PartnerEntry:
    """Registers a partner with its image and writes it onto the image's square, black where it does not reach."""
    try:
        image, partner = (
            read_source(source.path, source.size, source.mtime_ns, source.shape, task.recipe)
            for source in (task.image, task.partner)
        )
    except SourceError as error:
        return PartnerEntry(task.image_id, task.fault_key, error.reason)
    found = register(image, partner)
    height, width = image.shape
    square = resize(lay_over(partner, width, height, found.dx_px, found.dy_px), task.recipe.image)
    files = {
        variant: write_file(task.folder, path, encode_image(vary(square, variant), task.recipe.image))
        for variant, path in task.paths.items()
    }
    return PartnerEntry(task.image_id, task.key, REGISTERED, found.dx_px, found.dy_px, found.agreement, files)


def report_crash(task: PartnerTask) -> PartnerEntry:
    """What the journal records of a partner whose process died."""
    return PartnerEntry(task.image_id, task.fault_key, CRASHED[0])
