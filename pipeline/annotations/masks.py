"""Reads a folder of masks: PNG, TIFF, JPEG or DICOM files, 0 outside and any other value inside, joined to images by their path.

A lesion may come as several files, of which one is its mask and the others are pictures of it, as in CBIS-DDSM; which one is
the mask is found by content.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.annotations.contents import AnnotatedImage, Annotations, DrawnRegion, add_regions
from pipeline.contract import LESION_LEVEL, MaskError, SourceError
from pipeline.dicom.parsing import guarded, has_mark, parse
from pipeline.drawing.regions import bitmap_attributes
from pipeline.files import TABLE_SUFFIXES
from pipeline.indexing.layout import lesion_of, mask_key
from pipeline.recipe import Layout
from pipeline.sources import check_coded, decode_values, find_files, read_bytes

_SUFFIXES = {".png", ".tif", ".tiff", ".jpg", ".jpeg", ".dcm"}
_TEXTS = TABLE_SUFFIXES | {".json", ".xml"}
# A mask has a level per class or lesion; a picture of a breast has hundreds.
_MOST_LEVELS = 16
# Levels between the lowest and the highest that smoothed edges may have, as a fraction of all pixels.
_MOST_SMOOTHED = 0.05
_PICTURE = "has the gray levels of a picture; expected two levels, 0 outside and another one inside"


def find_masks(root: Path, layout: Layout) -> list[Path]:
    """Finds the mask files below a folder, by the layout's expression; none if it has no such expression."""
    if layout.mask is None:
        return []
    return [path for path in find_files(root, _SUFFIXES, dicom=True) if is_mask(path, root, layout)]


def is_mask(path: Path, root: Path, layout: Layout) -> bool:
    """Whether a path is that of a mask, by the layout's expression; a table or a text, which a loose one matches too, is none."""
    return path.suffix.lower() not in _TEXTS and bool(mask_key(_below(path, root), layout))


def add_masks(annotations: Annotations, paths: Iterable[Path], root: Path, layout: Layout) -> None:
    """Adds the bitmaps of masks to the images that they belong to.

    A file is one region, however many components it has: it is one finding as somebody drew it, and a cluster of
    calcifications would otherwise be hundreds of regions. An empty mask is an image without a region.

    Args:
      annotations: to add to.
      paths: the masks.
      root: the folder that holds them, or the one mask itself.
      layout: of the recipe.

    Raises:
      InputError: another file has other regions for an image.
    """
    paths = sorted(paths)
    add_regions(annotations, "a mask", _read_masks(annotations, paths, root, layout))
    annotations.files += paths


def _read_masks(annotations: Annotations, paths: Sequence[Path], root: Path, layout: Layout) -> Iterator[AnnotatedImage]:
    lesions: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in paths:
        where = _below(path, root)
        lesions[mask_key(where, layout), lesion_of(where, layout) or where].append(path)
    images: dict[str, list[DrawnRegion]] = defaultdict(list)
    for (key, _), files in lesions.items():
        read = [_read_mask(path, _below(path, root)) for path in files]
        mask = read[0] if len(read) == 1 else _choose(read)
        pictures = [path for path, file in zip(files, read, strict=True) if file.is_picture]
        annotations.crops += pictures if mask.drawn is None or not mask.drawn.fault else []
        images[key] += [mask.drawn] if mask.drawn else []
    yield from ((key, None, regions) for key, regions in images.items())


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root.parent if root == path else root).as_posix()


@dataclass(frozen=True)
class _Mask:
    """A file that may be a mask.

    Attributes:
      drawn: its region, or its fault; None if it is empty.
      is_picture: whether it has the gray levels of a picture.
      area_px: of the whole file.
    """

    where: str
    drawn: DrawnRegion | None
    is_picture: bool = False
    area_px: int = 0


def _choose(files: Sequence[_Mask]) -> _Mask:
    """The mask among the files of one lesion: the one that is not a picture; of several, the one of the largest size."""
    readable = [file for file in files if not file.drawn or not file.drawn.fault]
    largest = max((file.area_px for file in readable), default=0)
    masks = [file for file in readable if file.area_px == largest]
    if masks and all(file.drawn and masks[0].drawn and file.drawn.attributes == masks[0].drawn.attributes for file in masks):
        return masks[0]
    if len(masks) == 1:
        return masks[0]
    if masks:
        fault = f"{masks[0].where} and {masks[1].where} may both be the mask of one lesion, and differ; remove one of them"
    else:
        # The fault of a file that is not a picture states more than that no file is a mask.
        faults = [f"{file.where}: {file.drawn.fault}" for file in sorted(files, key=lambda file: file.is_picture) if file.drawn]
        fault = f"none of {len(files)} files of a lesion is its mask: {faults[0]}"
    return _Mask(files[0].where, DrawnRegion(None, files[0].where, fault))


def _read_mask(path: Path, where: str) -> _Mask:
    try:
        data = read_bytes(path)
        levels, lossy = _read_dicom(data) if has_mark(data) else _read_levels(data)
    except SourceError as error:
        return _Mask(where, DrawnRegion(None, where, f"mask {error}"))
    size = levels.shape[1], levels.shape[0]
    inside, fault = _find_inside(levels, lossy)
    if fault:
        return _Mask(where, DrawnRegion(None, where, f"mask {fault}", size=size), fault == _PICTURE, levels.size)
    return _Mask(where, DrawnRegion(bitmap_attributes(inside), where, size=size) if inside.any() else None, False, levels.size)


def _read_dicom(data: bytes) -> tuple[np.ndarray, bool]:
    dataset = parse(data)
    with guarded("pixels-unreadable", "cannot be decoded"):
        levels = dataset.pixel_array
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            levels = levels.max() - levels
    if levels.ndim != 2:
        raise SourceError("multi-frame", f"holds pixels of the shape {levels.shape}; expected one gray picture")
    check_coded(dataset)
    return levels, False


def _read_levels(data: bytes) -> tuple[np.ndarray, bool]:
    """The levels of a mask, (height, width), of a colored one by the strongest color, and whether its format changes levels."""
    try:
        levels, lossy = decode_values(data)
    except MaskError as error:
        raise SourceError("pixels-unreadable", str(error)) from error
    return levels if levels.ndim == 2 else levels.max(axis=2), lossy


def _find_inside(levels: np.ndarray, lossy: bool) -> tuple[np.ndarray, str]:
    """What lies inside, (height, width) bool, or a fault.

    Where levels lie near both ends only, as in a smoothed or lossy mask, they are cut in the middle.
    """
    nothing = np.zeros(levels.shape, bool)
    if not np.isfinite(levels).all():
        return nothing, "holds values that are not numbers"
    low, high = float(levels.min()), float(levels.max())
    if not lossy and _count_levels(levels) <= _MOST_LEVELS:
        inside = levels != 0
    elif lossy and high < LESION_LEVEL:
        return nothing, f"is a JPEG of levels up to {high:g}; expected 0 outside and 255 inside" if high else ""
    else:
        margin = (high - low) / 8
        between = np.count_nonzero((levels > low + margin) & (levels < high - margin))
        if low > margin or between > _MOST_SMOOTHED * levels.size:
            return nothing, _PICTURE
        inside = levels >= (low + high) / 2
    border = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
    if all(edge.all() for edge in border):
        return nothing, "is set along its whole border; expected 0 outside of the lesion, so is it inverted or a cut-out?"
    return inside, ""


def _count_levels(levels: np.ndarray) -> int:
    """How many levels there are; only that there are too many if a part of the pixels has too many already."""
    few = len(np.unique(levels[::7, ::7]))
    return few if few > _MOST_LEVELS else len(np.unique(levels))
