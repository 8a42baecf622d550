"""Outlines lesions as a hand does in VGG Image Annotator 2, and returns what that program exports. Numbers only."""

import numpy as np

from pipeline.phantom.anatomy import Lesion, Scene

Shape = dict[str, object]


def outline_lesions(
    scene: Scene, kind: str, side: str, draw: np.random.Generator, *, polyline: bool = False, point: bool = False
) -> list[Shape]:
    """Outlines every lesion of one image.

    The shape follows the lesion's form: a circle, an ellipse, or a polygon. A lesion after the first is now and
    then a freehand line that is not closed, and a stray click may leave a point; neither is ever an image's only region.

    Args:
      scene: the exposure.
      kind: DM or CM, which have frames of their own.
      side: L or R; right breasts are mirrored.
      draw: generator of the hand's tremor and choices.
      polyline, point: makes sure that there is one.

    Returns:
      `region_shape_attributes` as the annotation program writes them; coordinates are whole source pixels.
    """
    shapes = []
    for rank, lesion in enumerate(scene.lesions):
        line = rank > 0 and lesion.form in ("irregular", "spiculated") and (polyline or draw.random() < 0.08)
        shapes.append(_outline(lesion, scene, kind, side, draw, line=line))
    if shapes and (point or draw.random() < 0.012):
        spot = np.array([[0.3 * scene.depth, scene.nipple[1]]]) + draw.uniform(-40, 40, 2)
        x, y = _whole(_to_image(spot, scene, kind, side))[0]
        shapes.append({"name": "point", "cx": x, "cy": y})
    return shapes


def _outline(lesion: Lesion, scene: Scene, kind: str, side: str, draw: np.random.Generator, *, line: bool) -> Shape:
    if lesion.form in ("round", "oval"):
        tremor = draw.normal(0, 1.5, 4)
        ((x, y),) = _whole(_to_image(np.array([[lesion.x, lesion.y]]), scene, kind, side) + tremor[:2])
        rx, ry = round(lesion.rx + tremor[2]), round(lesion.ry + tremor[3])
        return (
            {"name": "circle", "cx": x, "cy": y, "r": rx}
            if lesion.form == "round"
            else {"name": "ellipse", "cx": x, "cy": y, "rx": rx, "ry": ry}
        )
    count = int(draw.integers(20, 40)) if lesion.form == "irregular" else int(draw.integers(34, 64))
    # People start anywhere, and their steps are uneven.
    steps = draw.uniform(0.6, 1.4, count)
    angles = draw.uniform(0, 2 * np.pi) + np.cumsum(steps) / steps.sum() * 2 * np.pi
    points = _whole(_to_image(lesion.edge(angles), scene, kind, side) + draw.normal(0, 1.8, (count, 2)))
    if not line and draw.random() < 0.97:
        points.append(points[0])  # most polygons name their first point again at the end
    return {
        "name": "polyline" if line else "polygon",
        "all_points_x": [x for x, _ in points],
        "all_points_y": [y for _, y in points],
    }


def _to_image(points: np.ndarray, scene: Scene, kind: str, side: str) -> np.ndarray:
    """Takes (n, 2) x, y of the scene to the pixels of one of its images."""
    placed = scene.drift.from_low(points) if kind == "CM" else np.array(points, np.float64)
    if side == "R":
        placed[:, 0] = scene.sizes[kind][0] - 1 - placed[:, 0]
    return placed


def _whole(points: np.ndarray) -> list[tuple[int, int]]:
    return [(int(x), int(y)) for x, y in np.rint(points)]
