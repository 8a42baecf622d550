"""A region as VGG Image Annotator 2 writes it, or as a bitmap: its shape and location. Numbers only.

Source: `shape_attributes` of VIA 2 (Dutta and Zisserman, ACM Multimedia 2019, 10.1145/3343031.3350535). VIA has no
bitmap; ours holds runs as COCO does (Lin et al., ECCV 2014): column by column, beginning with a run of zeros.
"""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

SHAPES = ("polygon", "ellipse", "circle", "rect", "polyline", "point", "bitmap")
# No mammogram is near this wide; a number beyond it is a mistake that would only cost time and memory to draw.
_FARTHEST = 1_000_000
# No mammogram has as many pixels; a larger bitmap is refused before it is unpacked.
MOST_PIXELS = 100_000_000

_KEYS = {"name", "all_points_x", "all_points_y", "cx", "cy", "r", "rx", "ry", "theta", "x", "y", "width", "height", "counts"}


class RegionError(ValueError):
    """The region's attributes cannot be understood; the message states what was found and what was expected."""


@dataclass(frozen=True)
class Region:
    """One drawn region, in source pixels: x to the right, y down, a whole number is a pixel's centre.

    Attributes:
      shape: one of `SHAPES`.
      points: (n, 2) float64 as x, y; the corners of an outline, the one centre of an ellipse, circle or point, or a
        bitmap's first and last pixel.
      radii: half axes (rx, ry) of an ellipse or circle, else (0, 0).
      angle: turn of the ellipse's first axis from x towards y, in radians.
      bitmap: (height, width) uint8 of 0 and 1, of a bitmap only.
    """

    shape: str
    points: np.ndarray
    radii: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    bitmap: np.ndarray | None = None

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Leftmost and topmost, then rightmost and lowest coordinate: x0, y0, x1, y1."""
        rx, ry = self.radii
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        reach = np.array([math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)])
        return (*(self.points.min(axis=0) - reach).tolist(), *(self.points.max(axis=0) + reach).tolist())

    def scaled(self, factor: float) -> "Region":
        """Returns the same region on a grid whose pixels are 1 / `factor` as large; pixel edges, not centres, stay at zero."""
        if self.bitmap is not None:
            return _scaled_bitmap(self.points[0], self.bitmap, factor)
        rx, ry = self.radii
        return Region(self.shape, (self.points + 0.5) * factor - 0.5, (rx * factor, ry * factor), self.angle)


def essential_attributes(attributes: object) -> dict:
    """Keeps the attributes that `parse_region` reads, of a region that it can read; an annotator's own remarks are dropped."""
    assert isinstance(attributes, Mapping)
    return {key: value for key, value in attributes.items() if key in _KEYS}


def parse_region(attributes: object) -> Region:
    """Reads one region's `shape_attributes`.

    Args:
      attributes: the JSON object, such as {"name": "circle", "cx": 40, "cy": 25, "r": 9}, or
        {"name": "bitmap", "x": 40, "y": 25, "width": 2, "height": 3, "counts": [1, 5]}.

    Raises:
      RegionError: unknown shape, a missing or unusable number, lists of different length, too few points, runs that do
        not fill the bitmap.

    Example:
      >>> region = parse_region({"name": "rect", "x": 1, "y": 2, "width": 3, "height": 1})
      >>> region.shape, region.extent
      ('rect', (1.0, 2.0, 4.0, 3.0))
    """
    if not isinstance(attributes, Mapping):
        raise RegionError(f"shape attributes are {repr(attributes)[:80]}; expected an object with a name")
    shape = attributes.get("name")
    if shape in ("polygon", "polyline"):
        return Region(shape, _outline(shape, attributes))
    if shape in ("ellipse", "circle"):
        radii = [_number(attributes, key) for key in (("rx", "ry") if shape == "ellipse" else ("r", "r"))]
        if min(radii) < 0:
            raise RegionError(f"{shape} has a negative radius, {min(radii):g}")
        angle = _number(attributes, "theta") if "theta" in attributes else 0.0
        return Region(shape, _centre(attributes), (radii[0], radii[1]), angle)
    if shape == "rect":
        x, y, width, height = (_number(attributes, key) for key in ("x", "y", "width", "height"))
        return Region(shape, np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)]))
    if shape == "point":
        return Region(shape, _centre(attributes))
    if shape == "bitmap":
        return _bitmap(attributes)
    raise RegionError(f"unknown shape {repr(shape)[:40]}; expected one of {', '.join(SHAPES)}")


def _centre(attributes: Mapping) -> np.ndarray:
    return np.array([[_number(attributes, "cx"), _number(attributes, "cy")]])


def _number(attributes: Mapping, key: str) -> float:
    if key not in attributes:
        raise RegionError(f"{attributes.get('name')} has no {key}; it has {', '.join(attributes)[:200]}")
    return _checked(attributes[key], f"{attributes.get('name')} {key}")


def _checked(value: object, what: str) -> float:
    # bool is an int to Python, and JSON's true is not a coordinate
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _FARTHEST:
        raise RegionError(f"{what} is {repr(value)[:40]}; expected a number within a million pixels")
    return float(value)


def _outline(shape: str, attributes: Mapping) -> np.ndarray:
    xs, ys = attributes.get("all_points_x"), attributes.get("all_points_y")
    if not isinstance(xs, list) or not isinstance(ys, list):
        raise RegionError(f"{shape} lacks the lists all_points_x and all_points_y; it has {', '.join(attributes)[:200]}")
    if len(xs) != len(ys):
        raise RegionError(f"{shape} has {len(xs)} x and {len(ys)} y; expected as many of each")
    fewest = 3 if shape == "polygon" else 2
    if len(xs) < fewest:
        raise RegionError(f"{shape} has {len(xs)} points; expected {fewest} or more")
    if set(map(type, xs)) | set(map(type, ys)) <= {int, float}:  # as JSON has them: checked all together
        with contextlib.suppress(OverflowError):
            points = np.array([xs, ys], float)
            if (np.abs(points) <= _FARTHEST).all():
                return np.ascontiguousarray(points.T)
    return np.array([(_checked(x, f"{shape} x"), _checked(y, f"{shape} y")) for x, y in zip(xs, ys, strict=True)], float)


def _bitmap(attributes: Mapping) -> Region:
    x, y, width, height = (_whole(attributes, key) for key in ("x", "y", "width", "height"))
    bitmap = decode_runs(attributes.get("counts"), width, height)
    if not bitmap.any():
        raise RegionError(f"bitmap of {width} x {height} has no pixel that is set")
    return _place_bitmap(x, y, bitmap)


def _whole(attributes: Mapping, key: str) -> int:
    value = _number(attributes, key)
    if not value.is_integer():
        raise RegionError(f"bitmap {key} is {value!r}; expected a whole number")
    return int(value)


def _place_bitmap(x: int, y: int, bitmap: np.ndarray) -> Region:
    height, width = bitmap.shape
    return Region("bitmap", np.array([(x, y), (x + width - 1, y + height - 1)], float), bitmap=bitmap)


def _scaled_bitmap(corner: np.ndarray, bitmap: np.ndarray, factor: float) -> Region:
    """Resamples a bitmap: each pixel of the other grid that it touches takes the value of the nearest one."""
    samples, starts = [], []
    for first, length in zip(corner, bitmap.shape[::-1], strict=True):
        start, stop = math.floor(first * factor), math.ceil((first + length) * factor)
        centres = (np.arange(start, stop) + 0.5) / factor - first
        samples.append(centres.astype(int).clip(0, length - 1))
        starts.append(start)
    return _place_bitmap(starts[0], starts[1], bitmap[samples[1][:, None], samples[0]])


def decode_runs(counts: object, width: int, height: int) -> np.ndarray:
    """Unpacks runs into a bitmap.

    Args:
      counts: lengths of runs, column by column from the top; the first is of zeros, the next of ones, and so on.
      width, height: in pixels.

    Returns:
      (height, width) uint8 of 0 and 1.

    Raises:
      RegionError: `counts` is not a list of lengths, or these do not add up to the bitmap's number of pixels.

    Source: uncompressed RLE of COCO's annotations.

    Example:
      >>> decode_runs([1, 5], width=2, height=3).tolist()
      [[0, 1], [1, 1], [1, 1]]
    """
    if min(width, height) < 1 or width * height > MOST_PIXELS:
        raise RegionError(f"bitmap is of {width} x {height} pixels; expected 1 or more, and {MOST_PIXELS:,} at most")
    if not isinstance(counts, list) or not {type(count) for count in counts} <= {int} or min(counts, default=0) < 0:
        raise RegionError(f"bitmap counts are {str(counts)[:40]}; expected a list of run lengths")
    if sum(counts) != width * height:
        raise RegionError(f"bitmap counts add up to {sum(counts)}; expected {width} x {height} = {width * height}")
    return np.repeat((np.arange(len(counts)) % 2).astype(np.uint8), counts).reshape(width, height).T


def bitmap_attributes(mask: np.ndarray) -> dict:
    """Returns a mask's set pixels as the attributes of a bitmap, cut to their bounding box; `parse_region` restores them.

    Args:
      mask: (height, width), 0 and nonzero.

    Raises:
      RegionError: no pixel is set.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise RegionError(f"mask of {mask.shape[1]} x {mask.shape[0]} has no pixel that is set")
    left, top = int(columns[0]), int(rows[0])
    box = mask[top : rows[-1] + 1, left : columns[-1] + 1] != 0
    counts = encode_runs(box)
    return {"name": "bitmap", "x": left, "y": top, "width": box.shape[1], "height": box.shape[0], "counts": counts}


def box_attributes(left: float, top: float, width: float, height: float) -> dict:
    """Returns the attributes of a box whose coordinates count from the corner of the first pixel, such as COCO's.

    The rectangle runs from the centre of the box's first to that of its last pixel, because edges belong to a region.

    Example:
      >>> box_attributes(45, 85, 30, 40)
      {'name': 'rect', 'x': 45, 'y': 85, 'width': 29, 'height': 39}
    """
    return {"name": "rect", "x": left, "y": top, "width": max(width - 1, 0), "height": max(height - 1, 0)}


def are_fractions(numbers: Sequence[float]) -> bool:
    """Whether coordinates are fractions of the image's sides, as YOLO writes them, and not pixels.

    Example:
      >>> are_fractions([0.1, 0.2, 0.3, 0.3]), are_fractions([0, 0, 1, 1]), are_fractions([0.5, 12, 30, 40])
      (True, False, False)
    """
    return all(0 <= number <= 1 for number in numbers) and any(number != int(number) for number in numbers)


def encode_runs(mask: np.ndarray) -> list[int]:
    """Packs a (height, width) mask, 0 and nonzero, into what `decode_runs` reads.

    Example:
      >>> encode_runs(np.array([[0, 1], [1, 1], [1, 1]], np.uint8))
      [1, 5]
    """
    flat = (mask != 0).T.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = [0, *changes.tolist(), len(flat)]
    counts = [stop - start for start, stop in pairwise(edges)]
    return [0, *counts] if flat[0] else counts
