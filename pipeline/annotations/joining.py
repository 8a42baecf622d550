"""Brings what annotation files say to the images that are there: from the files' keys to image_ids, and their classes."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace

from pipeline.annotations.contents import Annotations, DrawnRegion, TableRow, add_regions, add_row, file_of
from pipeline.annotations.table import read_class
from pipeline.files import InputError
from pipeline.recipe import Layout

UNLISTED = "[layout] unlisted_class"


def rename_images(annotations: Annotations, ids: Mapping[str, Set[str]]) -> Annotations:
    """The same by image_id; what names no image that is there keeps its key.

    Args:
      annotations: by key.
      ids: the image_ids that a key may mean.

    Raises:
      InputError: a key that is used means two images, or two keys of one image say different things.
    """
    renamed = replace(annotations, rows={}, regions={}, file_sizes={})
    for key, row in annotations.rows.items():
        add_row(renamed, _one_id(key, ids, row.where), row)
    for key, regions in annotations.regions.items():
        image_id = _one_id(key, ids, regions[0].where if regions else "an annotation file")
        add_regions(renamed, file_of(regions), [(image_id, annotations.file_sizes.get(key), regions)])
    return renamed


def _one_id(key: str, ids: Mapping[str, Set[str]], where: str) -> str:
    known = sorted(ids.get(key, {key}))
    if len(known) > 1:
        raise InputError(
            f"{where}: names {key}, which are the files of {len(known)} images, {known[0]} and {known[1]} first; give the files "
            "names of their own"
        )
    return known[0]


def class_unlisted(annotations: Annotations, image_ids: Iterable[str], layout: Layout) -> None:
    """Adds rows for the images that no table lists: of the worst class that a region's label names, else `unlisted_class`.

    Args:
      annotations: by image_id.
      image_ids: the images that are there.
      layout: of the recipe; without `unlisted_class`, nothing is added.
    """
    if layout.unlisted_class is None:
        return
    for image_id in image_ids:
        if image_id not in annotations.rows:
            found = _worst_label(annotations.regions.get(image_id, []), layout) or layout.unlisted_class
            annotations.rows[image_id] = TableRow(image_id, {"class": found}, UNLISTED)


def _worst_label(regions: Iterable[DrawnRegion], layout: Layout) -> str:
    labels = {read_class(region.label, layout) for region in regions}
    return next((name for name in ("malignant", "benign") if name in labels), "")
