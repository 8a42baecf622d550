"""Finds the other image of each image's view, low-energy or subtracted, by names of CDD-CESM's form or by DICOM tags.

It is looked for among the given images, and in their folders. An image of a data set has the partner that is there or none,
because each image of it has a scale of its own. Pixels are not read here.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from pipeline.contract import (
    IMAGE_SUFFIXES,
    PARTNER_FOLDER,
    ImageName,
    SourceError,
    clean_name,
    find_split_folders,
    parse_view,
)
from pipeline.sources import DicomOptions, has_dicom_mark, read_tags
from segmenter.data.dataset import is_data_set
from segmenter.inference.jobs import Job, View

# CDD-CESM keeps the two images of a view in two folders next to each other.
_FOLDER_OF_A_KIND = re.compile("low.?energy|subtracted", re.IGNORECASE)
_OTHER = {"DM": "CM", "CM": "DM"}


@dataclass(frozen=True)
class _Image:
    """A file and the image in it.

    Attributes:
      key: what both images of a view share: from a name, or from tags.
      kind: DM or CM.
      exposure: what both images of one compression share, if a view was taken more than once; empty for names, whose key has it.
    """

    path: Path
    key: tuple[str, ...]
    kind: str
    exposure: str = ""


def find_views(jobs: Sequence[Job], dicom: DicomOptions, kind: str = "") -> list[Job]:
    """Adds to each job the kind of its image and the other image of its view, where they are not known yet.

    Args:
      jobs: the images to predict.
      dicom: how DICOM is read.
      kind: of images that neither names nor tags identify, DM or CM; where it is empty, their kind stays unknown.

    Returns:
      The jobs in their order.
    """
    in_data_set = cache(_partners_in_data_set)
    views = {job.image: job.view or _view_among(in_data_set(job.image.absolute().parent), job.image) for job in jobs}
    identified = {image: _identify(image, dicom) for image, view in views.items() if not (view and view.kind)}
    given = _by_key(image for path, image in identified.items() if image and not views[path])

    @cache
    def in_folder(folder: Path, *, named: bool) -> dict[tuple[str, ...], list[_Image]]:
        # Tags need a file to be opened, so they are only asked for where names do not identify the image.
        others = [path for path in _list_images(folder) if path not in identified and _is_named(path) == named]
        return _by_key(image for path in others if (image := _identify(path, dicom)))

    def view_of(job: Job) -> View:
        view, image = views[job.image], identified.get(job.image)
        if view:
            return replace(view, kind=view.kind or (image.kind if image else kind))
        if not image:
            return View(kind)
        images = given[image.key]
        if all(other.kind == image.kind for other in images):
            groups = [in_folder(folder, named=_is_named(image.path)) for folder in _folders(image.path.parent)]
            images = [*images, *(other for group in groups for other in group.get(image.key, ()))]
        return _choose(image, images)

    return [replace(job, view=view_of(job)) for job in jobs]


def _partners_in_data_set(folder: Path) -> dict[str, Path] | None:
    """The partners of a split by the names of their samples, if a folder holds the images of one; None for other folders."""
    root = folder.parent.parent
    try:
        if not (is_data_set(root) and any(split.images == folder for split in find_split_folders(root))):
            return None
    except OSError:  # a folder above that cannot be listed
        return None
    return {path.stem: path for path in _list(folder.parent / PARTNER_FOLDER)}


def _view_among(partners: Mapping[str, Path] | None, image: Path) -> View | None:
    """The view of a data set's image, without its kind; None for other images."""
    return None if partners is None else View("", partners.get(image.stem), is_laid_over=True)


def _choose(image: _Image, images: Sequence[_Image]) -> View:
    """The view of an image, with its partner if it is clear which of the images with the same key it is."""
    others = [other for other in images if other.kind == _OTHER[image.kind]]
    if len(others) > 1 or sum(other.kind == image.kind for other in images) > 1:
        others = [other for other in others if other.exposure == image.exposure]
    for is_near in (_is_next_to, _has_same_suffix):
        others = [other for other in others if is_near(other.path, image.path)] or others
    if len(others) > 1:
        return View(image.kind, status="ambiguous")
    return View(image.kind, others[0].path) if others else View(image.kind)


def _is_named(path: Path) -> bool:
    return bool(parse_view(clean_name(path.name))[0].patient)


def _is_next_to(path: Path, other: Path) -> bool:
    return path.parent == other.parent


def _has_same_suffix(path: Path, other: Path) -> bool:
    return path.suffix.lower() == other.suffix.lower()


def _by_key(images: Iterable[_Image]) -> dict[tuple[str, ...], list[_Image]]:
    groups: dict[tuple[str, ...], list[_Image]] = defaultdict(list)
    for image in images:
        groups[image.key].append(image)
    return groups


def _list_images(folder: Path) -> list[Path]:
    return [path for path in _list(folder) if path.suffix.lower() in IMAGE_SUFFIXES or has_dicom_mark(path)]


def _folders(folder: Path) -> list[Path]:
    """The folder, and where it holds one kind of image only, the one of the other kind next to it."""
    if not _FOLDER_OF_A_KIND.search(folder.name):
        return [folder]
    siblings = [path for path in _list(folder.absolute().parent) if _FOLDER_OF_A_KIND.search(path.name) and path.is_dir()]
    return [folder, *(path for path in siblings if path.name != folder.name)]


def _list(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:  # an image may be read from a folder that cannot be listed
        return []


def _agrees(path: Path, name: ImageName, dicom: DicomOptions) -> bool:
    """Whether the tags of a DICOM file, where they can be read, are of the kind that its name states."""
    try:
        return not has_dicom_mark(path) or read_tags(path, dicom).kind in ("", name.kind)
    except SourceError:
        return True


def _identify(path: Path, dicom: DicomOptions) -> _Image | None:
    """The image in a file; None where neither name nor tags identify it."""
    name, around = parse_view(clean_name(path.name))
    if name.patient and _agrees(path, name, dicom):
        return _Image(path, ("name", name.patient, name.side, name.view, around), name.kind)
    if name.patient or not has_dicom_mark(path):
        return None
    try:
        tags = read_tags(path, dicom)
    except SourceError:  # an image that is to be predicted is reported when its pixels are read
        return None
    if not (tags.kind and tags.side and tags.view and (tags.patient_id or tags.study)):
        return None
    return _Image(path, ("tags", tags.patient_id, tags.study, tags.side, tags.view), tags.kind, tags.exposure)
