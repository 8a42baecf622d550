"""Reads a folder of masks: 8-bit PNG files, 0 outside and any other value inside, joined to images by their path."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from pipeline.annotations.contents import AnnotatedImage, DrawnRegion
from pipeline.contract import SourceError
from pipeline.drawing.regions import bitmap_attributes
from pipeline.indexing.layout import mask_key
from pipeline.recipe import Layout
from pipeline.sources import find_files, read_bytes, read_header

SUFFIXES = {".png"}


def find_masks(root: Path, layout: Layout) -> list[Path]:
    """Finds the mask files below a folder, by the layout's expression; none if it has no such expression."""
    if layout.mask is None:
        return []
    return [path for path in find_files(root, SUFFIXES) if mask_key(_below(path, root), layout)]


def read_masks(paths: Iterable[Path], root: Path, layout: Layout) -> Iterator[AnnotatedImage]:
    """Yields images by their key, with the bitmaps of their masks.

    A file is one region, however many components it has: it is one finding as somebody drew it, and a cluster of
    calcifications would otherwise be hundreds of regions. An empty mask is an image without a region.

    Args:
      paths: the masks.
      root: the folder that holds them, or the one mask itself.
      layout: of the recipe.
    """
    images: dict[str, list[DrawnRegion]] = defaultdict(list)
    for path in paths:
        where = _below(path, root)
        images[mask_key(where, layout)] += _read_mask(path, where)
    yield from ((key, None, regions) for key, regions in images.items())


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root.parent if root == path else root).as_posix()


def _read_mask(path: Path, where: str) -> list[DrawnRegion]:
    try:
        data = read_bytes(path)
        header = read_header(path, data)
    except SourceError as error:
        return [DrawnRegion(None, where, f"mask {error}")]
    size = header.width, header.height
    mask: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if mask is None or mask.dtype != np.uint8:
        fault = "cannot be decoded" if mask is None else f"holds {mask.dtype} pixels"
        return [DrawnRegion(None, where, f"mask {fault}; expected an 8-bit PNG", size=size)]
    # Any color is inside; opacity is ignored.
    inside = mask if mask.ndim == 2 else mask[..., :3].max(axis=2)
    return [DrawnRegion(bitmap_attributes(inside), where, size=size)] if inside.any() else []
