"""Joins annotations to the images of a data set: from the files' keys to image_ids, and classes of images without a row."""

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace

from pipeline.annotations.contents import Annotations, DrawnRegion, TableRow, add_regions, add_row, file_of
from pipeline.annotations.labels import read_class
from pipeline.contract import CLASSES, LESION_CLASSES, WORST_FIRST
from pipeline.files import InputError
from pipeline.recipe import Layout

UNLISTED = "[layout] unlisted_class"


def rename_images(annotations: Annotations, ids: Mapping[str, Set[str]]) -> Annotations:
    """Returns the annotations by image_id; those of an image that is not there keep their key.

    Args:
      annotations: by key.
      ids: the image_ids that a key may mean.

    Raises:
      InputError: a key that is used may mean two images, or the annotations of two keys of one image differ.
    """
    renamed = replace(annotations, rows={}, regions={}, file_sizes={})
    for key, row in annotations.rows.items():
        add_row(renamed, _one_id(key, ids, row.where), row)
    for key, regions in annotations.regions.items():
        image_id = _one_id(key, ids, regions[0].where if regions else "an annotation file")
        add_regions(renamed, file_of(regions), [(image_id, annotations.file_sizes.get(key), regions)])
    return renamed


def _one_id(key: str, ids: Mapping[str, Set[str]], where: str) -> str:
    candidates = sorted(ids.get(key, {key}))
    if len(candidates) > 1:
        raise InputError(
            f"{where}: names {key}, which may be any of {len(candidates)} images, such as {candidates[0]} and {candidates[1]}; "
            "give their files different names"
        )
    return candidates[0]


def class_unlisted(annotations: Annotations, image_ids: Iterable[str], layout: Layout) -> None:
    """Adds the class of images that no table lists, or lists without a class: the worst of their labels, or `unlisted_class`.

    An image that an annotation without pixels names is not normal for want of a row: it gets none.

    Args:
      annotations: by image_id.
      image_ids: the images that are there.
      layout: of the recipe; without `unlisted_class`, nothing is added.
    """
    if layout.unlisted_class is None:
        return
    for image_id in image_ids:
        row = annotations.rows.get(image_id)
        if row is None or not row.cells["class"]:
            drawn = annotations.regions.get(image_id, [])
            image_class = _worst_label(drawn, layout) or layout.unlisted_class
            if image_class == "normal" and any(region.empty for region in drawn):
                continue
            known = row or TableRow(image_id, {}, UNLISTED)
            annotations.rows[image_id] = replace(known, cells=known.cells | {"class": image_class})


def class_by_labels(annotations: Annotations, layout: Layout) -> None:
    """Replaces the classes of rows by those that the labels of the images' own regions give.

    A reader who labels a region looks at the lesion; a table's class is that of the whole image. So a label that is worse than
    the row's class takes its place, and milder labels do where every region has one.

    Args:
      annotations: by image_id.
      layout: of the recipe.
    """
    for image_id, row in annotations.rows.items():
        listed, drawn = row.cells["class"].lower(), annotations.regions.get(image_id, [])
        labelled = _worst_label(drawn, layout)
        if not labelled or listed not in CLASSES or labelled == listed:
            continue
        is_worse = CLASSES.index(labelled) > CLASSES.index(listed)
        if is_worse or all(read_class(region.label, layout) in LESION_CLASSES for region in drawn):
            cells = row.cells | {"class": labelled}
            annotations.rows[image_id] = replace(row, cells=cells, listed_class=row.cells["class"])


def _worst_label(regions: Iterable[DrawnRegion], layout: Layout) -> str:
    labels = {read_class(region.label, layout) for region in regions}
    return next((name for name in WORST_FIRST if name in labels and name in LESION_CLASSES), "")


def keep_lesions(annotations: Annotations, layout: Layout) -> None:
    """Removes and counts the regions whose label is not among the layout's lesions; regions without a label are kept.

    A label may list several names, as in `['Mass', 'Asymmetry']`: one of them has to be a lesion.
    """
    if layout.lesions is None:
        return
    wanted = {name.strip().casefold() for name in layout.lesions}
    for regions in (*annotations.regions.values(), *annotations.regions_by_uid.values()):
        others = [region for region in regions if region.label and not region.fault and not _names(region.label) & wanted]
        annotations.not_lesions.update(region.label for region in others)
        regions[:] = [region for region in regions if region not in others]


def _names(label: str) -> set[str]:
    return {name.strip().casefold() for name in re.split(r"[][,;$'\"]+", label)}
