"""Finds the partner of each source image, the other image of the same view, in all files of the download."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial

from pipeline.contract import CRASHED, MISSING, ImageName
from pipeline.indexing.inspect import read_files, show_the_same
from pipeline.indexing.names import SourceFile
from pipeline.indexing.tables import PartnerSource, SourceImage
from pipeline.recipe import Recipe
from pipeline.workers import in_batches

_KINDS = ("DM", "CM")


def choose_partner(name: ImageName, views: Mapping[tuple[str, ...], Sequence[ImageName]]) -> ImageName | None:
    """The other image of a view; of several exposures the one that is named alike but for its kind, else the first.

    Args:
      name: of an image.
      views: the images of each patient, side, view and kind.

    Example:
      >>> first, second = (ImageName(f"P281_L_CM_MLO{text}", "P281", "L", "CM", "MLO") for text in ("", "2"))
      >>> image = ImageName("P281_L_DM_MLO2", "P281", "L", "DM", "MLO")
      >>> choose_partner(image, {("P281", "L", "MLO", "CM"): [first, second]}).image_id
      'P281_L_CM_MLO2'
    """
    if name.kind not in _KINDS or not (name.patient and name.side and name.view):
        return None
    other = _KINDS[1 - _KINDS.index(name.kind)]
    candidates = views.get((name.patient, name.side, name.view, other), ())
    alike = name.image_id.replace(f"_{name.kind}_", f"_{other}_")
    in_order = sorted(candidates, key=lambda image: (image.image_id != alike, len(image.image_id), image.image_id))
    return in_order[0] if in_order else None


def find_partners(
    images: Sequence[SourceImage],
    groups: Mapping[ImageName, Sequence[SourceFile]],
    recipe: Recipe,
    known: Iterable[PartnerSource],
    times: Mapping[str, int | None],
    executor: Executor,
) -> tuple[list[PartnerSource], dict[str, int]]:
    """Finds the partners of the images that are kept; files that the index has not read are read.

    Args:
      images: those that are kept.
      groups: the files of every image, also of those that the recipe leaves out.
      recipe: how they are read.
      known: the partners of an earlier index; a file with the same size and modification time is not read again.
      times: the earlier index's modification times by source.
      executor: reads the files.

    Returns:
      One partner per image, in their order, and the modification times of the files that were read here, by source.
    """
    views: dict[tuple[str, ...], list[ImageName]] = defaultdict(list)
    for name in groups:
        views[name.patient, name.side, name.view, name.kind].append(name)
    kept = {image.image_id: image for image in images}
    names = {name.image_id: name for name in groups}
    chosen = {image.image_id: choose_partner(names[image.image_id], views) for image in images}
    others = sorted({name for name in chosen.values() if name and name.image_id not in kept}, key=lambda name: name.image_id)
    earlier = {(other.source, other.source_size, times.get(other.source)): other for other in known if not other.fault}
    found: dict[str, PartnerSource] = {}
    unread: list[list[SourceFile]] = []
    for name in others:
        file, *further = groups[name]
        before = earlier.get((file.shown, file.size, file.mtime_ns))
        if before and not further and not file.fault[0]:
            found[name.image_id] = before
        else:
            unread.append([*groups[name]])
    read = list(in_batches(executor, partial(_describe_all, recipe=recipe), unread, crashed=_crashed))
    read_names = [name for name in others if name.image_id not in found]
    found |= {name.image_id: partner for name, partner in zip(read_names, read, strict=True)}
    mtimes = {file.shown: file.mtime_ns for name in others for file in groups[name]}
    return [_of_image(image.image_id, chosen[image.image_id], kept, found) for image in images], mtimes


def _of_image(
    image_id: str, name: ImageName | None, kept: Mapping[str, SourceImage], found: Mapping[str, PartnerSource]
) -> PartnerSource:
    if name is None:
        return PartnerSource(image_id, "", "", 0, "", 0, 0, MISSING)
    if image := kept.get(name.image_id):
        file = (image.source, image.source_size, image.source_sha256, image.width, image.height)
        return PartnerSource(image_id, name.image_id, *file, "")
    return replace(found[name.image_id], image_id=image_id, partner=name.image_id)


def _describe_all(groups: Sequence[Sequence[SourceFile]], recipe: Recipe) -> list[PartnerSource]:
    """Reads the files of some images; runs in a worker."""
    return [_describe(files, recipe) for files in groups]


def _describe(files: Sequence[SourceFile], recipe: Recipe) -> PartnerSource:
    files = read_files(files, recipe)
    readable = [file for file in files if file.header]
    if not readable:
        return _faulty(files[0], files[0].fault[0])
    if len({file.sha256 for file in readable}) > 1 and not show_the_same(readable, recipe):
        return _faulty(files[0], "duplicate-name")
    file = readable[0]
    assert file.header is not None
    return PartnerSource("", "", file.shown, file.size, file.sha256, file.header.width, file.header.height, "")


def _crashed(files: Sequence[SourceFile]) -> PartnerSource:
    return _faulty(files[0], CRASHED[0])


def _faulty(file: SourceFile, fault: str) -> PartnerSource:
    return PartnerSource("", "", file.shown, file.size, "", 0, 0, fault)
