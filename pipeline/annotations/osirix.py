"""Reads the regions that OsiriX exports as an XML property list, one file per image, named like it; INbreast has them.

Source: the XML files of INbreast (Moreira et al., Academic Radiology 2012, 10.1016/j.acra.2011.09.014): `Images`, each with
`ROIs`, each with a `Name` and its points in pixels, `Point_px`, as texts "(x, y)".
"""

import math
import plistlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.annotations.contents import AnnotatedImage, Annotations, DrawnRegion
from pipeline.annotations.format import AnnotationFile, AnnotationFormat, add_images
from pipeline.recipe import Layout

_MARK = re.compile(rb"<plist[\s>]|//DTD PLIST")
_MOST_BYTES = 50_000_000  # INbreast's largest has under a million
_POINT = re.compile(r"\(\s*(?P<x>[^,;\s]+)(?P<comma>\s*,\s*)(?P<y>[^,;\s]+)(?:(?P=comma)[^,;\s]+)?\s*\)")
# As programs write it where numbers have a decimal comma; the space, or a semicolon, tells the numbers apart.
_COMMA_POINT = re.compile(r"\(\s*(?P<x>[-+]?\d+,\d+)(?:,\s+|\s*;\s*)(?P<y>[-+]?\d+,\d+)\s*\)")
UNNAMED = "Unnamed"  # as OsiriX calls a region without a name


def add_osirix(annotations: Annotations, file: AnnotationFile, layout: Layout) -> bool:
    """Adds the regions of an OsiriX file; returns False for any other file.

    A file that cannot be read leaves a fault at the image that it is named after.
    """
    marked = file.suffix == ".xml" and _MARK.search(file.data[:2000]) is not None
    return marked and add_images(annotations, file, [_read_file(file)], layout)


def _read_file(file: AnnotationFile) -> AnnotatedImage:
    name, path = file.path.stem, file.path
    if len(file.data) > _MOST_BYTES:
        return name, None, [_fault(path.name, f"{path.name} has {len(file.data)} bytes; expected at most {_MOST_BYTES:,}")]
    try:
        # It raises whatever expat, and conversions to numbers, dates and texts raise; it refuses declarations of entities.
        content = plistlib.loads(file.data, fmt=plistlib.FMT_XML)
    except Exception as error:
        return name, None, [_fault(path.name, f"{path.name} is not a valid XML property list ({error})"[:200])]
    images = content.get("Images") if isinstance(content, Mapping) else None
    if not isinstance(images, list) or not all(isinstance(image, Mapping) for image in images):
        return name, None, [_fault(path.name, f"{path.name} has no list Images; expected OsiriX's regions")]
    if len(images) > 1:
        return name, None, [_fault(path.name, f"{path.name} has regions of {len(images)} images; expected one")]
    return name, None, [region for image in images for region in _read_regions(path, image)]


def _fault(where: str, message: str, label: str = "") -> DrawnRegion:
    return DrawnRegion(None, where, message, label)


def _read_regions(path: Path, image: Mapping) -> Iterator[DrawnRegion]:
    regions = image.get("ROIs", [])
    if not isinstance(regions, list):
        yield _fault(path.name, f"{path.name} has ROIs that are not a list")
        return
    for number, region in enumerate(regions):
        where = f"{path.name} region {number}"
        if not isinstance(region, Mapping):
            yield _fault(where, f"{where} is {str(region)[:40]!r}; expected a name and points")
            continue
        label = str(region.get("Name") or "").strip() or UNNAMED
        points = region.get("Point_px")
        read = [_read_point(point) for point in points] if isinstance(points, list) else [None]
        if not read or None in read:
            fault = f"{where} has the points {str(points)[:40]!r}; expected a list of texts such as '(12.5, 40.0)'"
            yield _fault(where, fault, label)
        else:
            yield DrawnRegion(_shape([point for point in read if point]), where, "", label)


def _read_point(text: object) -> tuple[float, float] | None:
    written = text.strip() if isinstance(text, str) else ""
    match = _COMMA_POINT.fullmatch(written) or _POINT.fullmatch(written)
    try:
        point = (float(match["x"].replace(",", ".")), float(match["y"].replace(",", "."))) if match else None
    except ValueError:
        return None
    return point if point and all(map(math.isfinite, point)) else None


def _shape(points: list[tuple[float, float]]) -> dict:
    """A point, a line, or an outline, which OsiriX closes."""
    if len(points) == 1:
        return {"name": "point", "cx": points[0][0], "cy": points[0][1]}
    xs, ys = ([point[axis] for point in points] for axis in (0, 1))
    return {"name": "polygon" if len(points) > 2 else "polyline", "all_points_x": xs, "all_points_y": ys}


OSIRIX = AnnotationFormat(add_osirix, frozenset({".xml"}))
