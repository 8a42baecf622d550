"""What making a data set would do: everything that can be known without reading pixels. Writes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.annotations import Statement
from pipeline.dataset.builder import attributes_by_image, pixel_key
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError
from pipeline.indexing.tables import Reject, SourceImage, count_reasons, read_regions
from pipeline.privacy.site_key import SiteKey
from pipeline.recipe import Recipe
from pipeline.stages.indexing import Survey
from pipeline.stages.splitting import assign


@dataclass(frozen=True)
class Plan:
    """What is to be made.

    Attributes:
      index: the counts of the stage index.
      split: the counts of the stage split.
      rejects: the source images that are dropped.
      images, samples: how many of each are there already, and how many there will be.
      is_new: whether nothing has been made in the folder yet.
    """

    index: dict[str, Any]
    split: dict[str, Any]
    rejects: Sequence[Reject]
    images: tuple[int, int]
    samples: tuple[int, int]
    is_new: bool


def plan(
    folder: DatasetFolder,
    recipe: Recipe,
    raw: Path,
    annotations_path: Path | None,
    executor: Executor,
    key: SiteKey | None = None,
    assignment: Path | None = None,
    *,
    follow_links: bool = False,
    statement: Statement | None = None,
) -> Plan:
    """Finds out what the stages index, split and variants would do. An index that is not up to date is built in memory.

    Args:
      folder, recipe, raw, annotations_path, executor, key, follow_links, statement: as for the stage index.
      assignment: the user's own, as for the stage split.

    Raises:
      InputError: as the stages do.
    """
    earlier = folder.read_state(folder.index_state)
    survey = Survey(recipe, raw, annotations_path or raw, key, earlier, follow_links=follow_links, statement=statement)
    folder.check_claim(recipe, survey.sources.origin, keyed=key is not None)
    regions: Iterable[Mapping]
    if survey.is_indexed(folder):
        counts = folder.read_state(folder.index_state)["summary"]
        images, rejects, regions = folder.read_images(), folder.read_rejects(), read_regions(folder.regions)
    else:
        index = survey.build(folder, executor)
        counts, images, rejects, regions = index.summary, index.images, index.rejects, index.regions
    if not images:
        reasons = count_reasons(rejects) + "".join(f"; the first: {reject.message}" for reject in rejects[:1])
        raise InputError(f"{raw}: recipe {recipe.name!r} would keep none of the {counts['named']} source images: {reasons}")
    made, variants = _count_made(folder, recipe, images, regions), len(recipe.variants.names)
    return Plan(
        counts,
        assign(folder, recipe, images, assignment).summary,
        rejects,
        (made, len(images)),
        (made * variants, len(images) * variants),
        not folder.recipe.exists(),
    )


def _count_made(folder: DatasetFolder, recipe: Recipe, images: Sequence[SourceImage], regions: Iterable[Mapping]) -> int:
    """How many images have all their samples, whichever split these are in now."""
    entries, attributes = folder.journal.read(), attributes_by_image(regions)
    made = 0
    for image in images:
        entry = entries.get(image.image_id)
        if entry and entry.key == pixel_key(image, attributes.get(image.image_id, ())):
            stamps = [stamp for files in entry.samples.values() for stamp in files.values()]
            whole = entry.samples.keys() == set(recipe.variants.names)
            made += whole and all(folder.holds(stamp.path, stamp) for stamp in stamps)
    return made
