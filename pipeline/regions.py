"""A hand-drawn region as VGG Image Annotator 2 writes it: what shape it is, and where. Numbers only.

Source: `shape_attributes` of VIA 2 (Dutta and Zisserman, ACM Multimedia 2019, 10.1145/3343031.3350535).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

SHAPES = ("polygon", "ellipse", "circle", "rect", "polyline", "point")
# No mammogram is near this wide; a number beyond it is a slip that would only cost time and memory to draw.
_FARTHEST = 1_000_000


class RegionError(ValueError):
    """The region's attributes cannot be understood; the words say what was found and what was wanted."""


@dataclass(frozen=True)
class Region:
    """One drawn region, in source pixels: x to the right, y down, a whole number is a pixel's centre.

    Attributes:
      shape: one of `SHAPES`.
      points: (n, 2) float64 as x, y; the corners of an outline, or the one centre of an ellipse, circle or point.
      radii: half axes (rx, ry) of an ellipse or circle, else (0, 0).
      angle: turn of the ellipse's first axis from x towards y, in radians.
    """

    shape: str
    points: np.ndarray
    radii: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Leftmost and topmost, then rightmost and lowest coordinate: x0, y0, x1, y1."""
        rx, ry = self.radii
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        reach = np.array([math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)])
        return (*(self.points.min(axis=0) - reach).tolist(), *(self.points.max(axis=0) + reach).tolist())

    def scaled(self, factor: float) -> "Region":
        """The same region on a grid whose pixels are 1 / `factor` as large; pixel edges, not centres, stay at zero."""
        rx, ry = self.radii
        return Region(self.shape, (self.points + 0.5) * factor - 0.5, (rx * factor, ry * factor), self.angle)


def parse_region(attributes: object) -> Region:
    """Reads one region's `shape_attributes`.

    Args:
      attributes: the JSON object, such as {"name": "circle", "cx": 40, "cy": 25, "r": 9}.

    Raises:
      RegionError: unknown shape, a missing or unusable number, lists of different length, too few points.
    """
    if not isinstance(attributes, Mapping):
        raise RegionError(f"shape attributes are {attributes!r}; wanted an object with a name")
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
    raise RegionError(f"unknown shape {shape!r}; known are {', '.join(SHAPES)}")


def _centre(attributes: Mapping) -> np.ndarray:
    return np.array([[_number(attributes, "cx"), _number(attributes, "cy")]])


def _number(attributes: Mapping, key: str) -> float:
    if key not in attributes:
        raise RegionError(f"{attributes.get('name')} has no {key}; it has {', '.join(attributes)}")
    return _checked(attributes[key], f"{attributes.get('name')} {key}")


def _checked(value: object, what: str) -> float:
    # bool is an int to Python, and JSON's true is no coordinate
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _FARTHEST:
        raise RegionError(f"{what} is {value!r}; wanted a number within a million pixels")
    return float(value)


def _outline(shape: str, attributes: Mapping) -> np.ndarray:
    xs, ys = attributes.get("all_points_x"), attributes.get("all_points_y")
    if not isinstance(xs, list) or not isinstance(ys, list):
        raise RegionError(f"{shape} lacks the lists all_points_x and all_points_y; it has {', '.join(attributes)}")
    if len(xs) != len(ys):
        raise RegionError(f"{shape} has {len(xs)} x and {len(ys)} y; wanted as many of each")
    fewest = 3 if shape == "polygon" else 2
    if len(xs) < fewest:
        raise RegionError(f"{shape} has {len(xs)} points; wanted {fewest} or more")
    if not {type(value) for value in (*xs, *ys)} <= {int, float} or not np.abs([xs, ys]).max() <= _FARTHEST:
        for x, y in zip(xs, ys, strict=True):  # one by one, to say which
            _checked(x, f"{shape} x"), _checked(y, f"{shape} y")
    return np.array([xs, ys], float).T
