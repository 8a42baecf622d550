"""Reading VIA's shape attributes."""

import numpy as np
import pytest
from inputs import circle, polygon

from pipeline.regions import RegionError, parse_region


def test_every_shape_is_read():
    assert parse_region(polygon((1, 2), (3, 4), (5, 0))).points.tolist() == [[1, 2], [3, 4], [5, 0]]
    assert parse_region(polygon((1, 2), (3, 4), name="polyline")).shape == "polyline"
    assert parse_region(circle(4, 5, 2)).radii == (2, 2)
    assert parse_region({"name": "ellipse", "cx": 1, "cy": 2, "rx": 3, "ry": 4.5}).radii == (3, 4.5)
    assert parse_region({"name": "point", "cx": 1, "cy": 2}).points.tolist() == [[1, 2]]
    assert parse_region({"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}).points.tolist() == [
        [1, 2],
        [4, 2],
        [4, 6],
        [1, 6],
    ]


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"name": "star"}, "unknown shape 'star'; known are polygon, ellipse, circle, rect, polyline, point"),
        (polygon((1, 1), (2, 2)), "polygon has 2 points; wanted 3 or more"),
        (
            {"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2]},
            "polygon has 3 x and 2 y; wanted as many of each",
        ),
        ({"name": "polygon", "all_points_x": [1, 2, 3]}, "polygon lacks the lists all_points_x and all_points_y"),
        ({"name": "circle", "cx": 1, "cy": 2}, "circle has no r; it has name, cx, cy"),
        ({"name": "circle", "cx": 1, "cy": 2, "r": -1}, "circle has a negative radius, -1"),
        ({"name": "circle", "cx": "a", "cy": 2, "r": 1}, "circle cx is 'a'; wanted a number within a million pixels"),
        (circle(1, float("nan"), 1), "circle cy is nan"),
        (polygon((1, 1), (2, 2), (3e9, 1)), "polygon x is 3000000000.0; wanted a number within a million"),
        ([], "shape attributes are []; wanted an object with a name"),
    ],
)
def test_a_bad_shape_says_what_is_wrong(attributes, words):
    with pytest.raises(RegionError) as error:
        parse_region(attributes)
    assert words in str(error.value)


def test_the_extent_of_a_turned_ellipse_is_that_of_its_outline():
    region = parse_region({"name": "ellipse", "cx": 10, "cy": 20, "rx": 6, "ry": 2, "theta": 0.7})
    turn = np.linspace(0, 2 * np.pi, 2000)
    x = 10 + 6 * np.cos(turn) * np.cos(0.7) - 2 * np.sin(turn) * np.sin(0.7)
    y = 20 + 6 * np.cos(turn) * np.sin(0.7) + 2 * np.sin(turn) * np.cos(0.7)
    np.testing.assert_allclose(region.extent, [x.min(), y.min(), x.max(), y.max()], atol=1e-3)
