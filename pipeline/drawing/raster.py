"""Draws regions into masks. Arrays only; no files.

Edges belong to the region, and what lies beyond the image's border is cut off.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw

from pipeline.drawing.regions import Region
from pipeline.geometry import Letterbox, area_average, band_share, place

_AREAS = ("polygon", "ellipse", "circle", "rect", "bitmap")
# Fixed-point digits of OpenCV's drawing: a sixteenth of a pixel.
_SHIFT = 4


def drawable(regions: Iterable[Region], *, polylines: bool) -> list[Region]:
    """Selects the regions that have an area; polylines only where the recipe closes them, points never."""
    return [region for region in regions if region.shape in _AREAS or (polylines and region.shape == "polyline")]


def draw(region: Region, left: int, top: int, width: int, height: int) -> np.ndarray:
    """Draws one region into a window of the source image's plane.

    Args:
      region: with an area; a polyline is closed.
      left, top, width, height: the window, in source pixels; it may lie outside of the image.

    Returns:
      (height, width) uint8: 1 on and inside the outline, 0 elsewhere.
    """
    if region.bitmap is not None:
        x, y = (region.points[0] - (left, top)).astype(int).tolist()
        return _draw_bitmap(region.bitmap, x, y, width, height)
    if region.shape in ("ellipse", "circle"):
        return _draw_ellipse(region, left, top, width, height)
    corners = np.rint((region.points - (left, top)) * 2**_SHIFT).astype(np.int32)
    return cv2.fillPoly(np.zeros((height, width), np.uint8), [corners], 1, shift=_SHIFT)


def _draw_bitmap(bitmap: np.ndarray, x: int, y: int, width: int, height: int) -> np.ndarray:
    """Copies a bitmap into a window of `width` by `height`; its first pixel lies at x, y of the window, or outside of it."""
    drawn = np.zeros((height, width), np.uint8)
    visible = bitmap[max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)]
    drawn[max(0, y) : max(0, y) + visible.shape[0], max(0, x) : max(0, x) + visible.shape[1]] = visible
    return drawn


def _draw_ellipse(region: Region, left: int, top: int, width: int, height: int) -> np.ndarray:
    """Sets the pixels whose centre is on or inside the ellipse; one thinner than a pixel still covers its own centre line."""
    x = np.arange(left, left + width) - region.points[0, 0]
    y = (np.arange(top, top + height) - region.points[0, 1])[:, None]
    cos, sin = np.cos(region.angle), np.sin(region.angle)
    rx, ry = (max(radius, 0.5) for radius in region.radii)
    # The slack keeps points that lie on the outline, 5 = hypot(3, 4), inside in spite of rounding.
    return (((x * cos + y * sin) / rx) ** 2 + ((y * cos - x * sin) / ry) ** 2 <= 1 + 1e-9).astype(np.uint8)


def draw_clipped(region: Region, width: int, height: int) -> tuple[np.ndarray, int, int]:
    """Draws one region into the part of its bounding box that lies in the image.

    Returns:
      The patch, uint8 of 0 and 1, and its first column and row; the patch is empty where the region misses the image.
    """
    left, top, right, bottom = window(region, width, height)
    if right <= left or bottom <= top:
        return np.zeros((0, 0), np.uint8), 0, 0
    return draw(region, left, top, right - left, bottom - top), left, top


def window(region: Region, width: int, height: int) -> tuple[int, int, int, int]:
    """Returns the region's bounding box in whole pixels, cut at the image's border: left, top, right, bottom (exclusive)."""
    x0, y0, x1, y1 = region.extent
    return (
        max(0, int(np.floor(x0))),
        max(0, int(np.floor(y0))),
        min(width, int(np.ceil(x1)) + 1),
        min(height, int(np.ceil(y1)) + 1),
    )


def rasterise(regions: Iterable[Region], width: int, height: int) -> np.ndarray:
    """Draws the regions of one source image into one mask, each clipped at the border.

    Returns:
      (height, width) uint8: 1 on and inside any outline, 0 elsewhere.

    Example:
      >>> triangle = Region("polygon", np.array([[1, 0], [3, 2], [1, 2]], float))
      >>> rasterise([triangle], width=4, height=3).tolist()
      [[0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]]
    """
    mask = np.zeros((height, width), np.uint8)
    for region in regions:
        patch, left, top = draw_clipped(region, width, height)
        mask[top : top + patch.shape[0], left : left + patch.shape[1]] |= patch
    return mask


def drawn_area(regions: Iterable[Region], width: int, height: int) -> int:
    """Counts the pixels of an image that lie in any of the regions; one in several regions counts once.

    Example:
      >>> corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
      >>> drawn_area([Region("rect", corners), Region("rect", corners + 1)], width=4, height=4)
      7
    """
    patches = [draw_clipped(region, width, height) for region in regions]
    patches = [drawn for drawn in patches if drawn[0].size]
    return int(np.count_nonzero(_union(patches)[0])) if patches else 0


@dataclass(frozen=True)
class Coverage:
    """How much of a region lies in its image.

    Attributes:
      area_px: drawn pixels inside of the image.
      share: the fraction of its pixels that lie inside of the image, 0 to 1.
    """

    area_px: float
    share: float


def coverage(region: Region, width: int, height: int, finest: int = 1024) -> Coverage:
    """Measures how much of a region lies in the image; one larger than `finest` pixels at a coarser scale, unless a bitmap.

    Example:
      >>> half = coverage(Region("rect", np.array([[-2, 0], [1, 0], [1, 1], [-2, 1]], float)), width=4, height=4)
      >>> half.area_px, half.share
      (4.0, 0.5)
    """
    x0, y0, x1, y1 = region.extent
    factor = 1.0 if region.bitmap is not None else min(1.0, finest / max(x1 - x0 + 1, y1 - y0 + 1))
    small = region.scaled(factor)
    x0, y0, x1, y1 = small.extent
    left, top = int(np.floor(x0)), int(np.floor(y0))
    drawn = draw(small, left, top, int(np.ceil(x1)) - left + 1, int(np.ceil(y1)) - top + 1)
    right, bottom = max(0, round(width * factor) - left), max(0, round(height * factor) - top)
    inside = int(np.count_nonzero(drawn[max(0, -top) : bottom, max(0, -left) : right]))
    return Coverage(inside / factor**2, inside / max(1, int(np.count_nonzero(drawn))))


def square_mask(regions: Sequence[Region], box: Letterbox) -> tuple[np.ndarray, int]:
    """Draws regions at source size, letterboxes them, and keeps the target pixels that are at least half lesion.

    A region that by itself fills half of no target pixel keeps its fullest one, so that no small lesion vanishes.

    Returns:
      (target, target) uint8 of 0 and 1, and the number of regions that would have vanished.
    """
    patches = [draw_clipped(region, box.width, box.height) for region in regions]
    patches = [drawn for drawn in patches if drawn[0].size]
    mask = np.zeros((box.target, box.target), np.uint8)
    if not patches:
        return mask, 0
    union, left, top = _union(patches)
    averages, column, row = area_average(union, box, left, top)
    mask = place((averages >= 0.5).astype(np.uint8), column, row, box.target)
    vanished = [pixel for patch in patches if (pixel := _fullest_if_vanished(*patch, box))]
    for row, column in vanished:
        mask[row, column] = 1
    return mask, len(vanished)


def is_band(region: Region, box: Letterbox) -> bool:
    """Whether a region is a long thin band in the target square, by the rule of `pipeline.geometry.find_bands`."""
    return band_share(square_mask([region], box)[0]) > 0.5


def _union(patches: Sequence[tuple[np.ndarray, int, int]]) -> tuple[np.ndarray, int, int]:
    """Unites patches, each with its first column and row, in the smallest patch that holds them."""
    if len(patches) == 1:
        return patches[0]
    left, top = min(x for _, x, _ in patches), min(y for _, _, y in patches)
    right = max(x + patch.shape[1] for patch, x, _ in patches)
    bottom = max(y + patch.shape[0] for patch, _, y in patches)
    union = np.zeros((bottom - top, right - left), np.uint8)
    for patch, x, y in patches:
        union[y - top : y - top + patch.shape[0], x - left : x - left + patch.shape[1]] |= patch
    return union, left, top


def _fullest_if_vanished(patch: np.ndarray, left: int, top: int, box: Letterbox) -> tuple[int, int] | None:
    """Returns row and column of the target pixel that a drawn region fills most, if it fills half of none."""
    if _surely_stays(patch, box):
        return None
    averages, column, row = area_average(patch, box, left, top)
    if averages.max() >= 0.5:
        return None
    at_row, at_column = np.unravel_index(np.argmax(averages), averages.shape)
    return row + int(at_row), column + int(at_column)


def _surely_stays(patch: np.ndarray, box: Letterbox) -> bool:
    """Whether a quick check proves that some target pixel is half full; it does for most regions, and measuring is slow.

    If the region fills on average half of the target pixels that its box touches, one of them is half full. Otherwise,
    a filled square around its middle whose side is two target pixels contains a whole one.
    """
    height, width = (size * box.scale + 2 for size in patch.shape)
    if cv2.countNonZero(patch) * box.scale**2 >= 0.5 * height * width:
        return True
    reach = int(np.ceil(2 / box.scale))
    y, x = (patch.shape[0] - reach) // 2, (patch.shape[1] - reach) // 2
    return min(y, x) >= 0 and bool(patch[y : y + reach, x : x + reach].all())


def published_mask(regions: Iterable[Region], width: int, height: int) -> PIL.Image.Image:
    """Draws regions as the published data sets did, including their wrong ellipses.

    An ellipse became a circle of half its rx in the box (cx, cy) to (cx + rx, cy + rx): displaced, and a quarter of
    the area. Measured on the published masks.

    Returns:
      A gray image of the source's size, 0 and 255.
    """
    mask = PIL.Image.new("L", (width, height))
    pen = PIL.ImageDraw.Draw(mask)
    for region in regions:
        x, y = region.points[0]
        radius = region.radii[0]
        if region.bitmap is not None:
            mask.paste(255, (int(x), int(y)), PIL.Image.fromarray(region.bitmap * 255))
        elif region.shape == "ellipse":
            pen.ellipse((x, y, x + radius, y + radius), fill=255)
        elif region.shape == "circle":
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        else:
            pen.polygon([tuple(point) for point in region.points], fill=255, outline=255)
    return mask
