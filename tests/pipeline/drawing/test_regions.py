"""Reading VIA's shape attributes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inputs import bitmap, circle, picture, polygon
from skips import need_package

from pipeline.drawing.regions import RegionError, bitmap_attributes, decode_runs, encode_runs, parse_region


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
    ("attributes", "message"),
    [
        ({"name": "star"}, "unknown shape 'star'; expected one of polygon, ellipse, circle, rect, polyline, point"),
        (polygon((1, 1), (2, 2)), "polygon has 2 points; expected 3 or more"),
        (
            {"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2]},
            "polygon has 3 x and 2 y; expected as many of each",
        ),
        ({"name": "polygon", "all_points_x": [1, 2, 3]}, "polygon lacks the lists all_points_x and all_points_y"),
        ({"name": "circle", "cx": 1, "cy": 2}, "circle has no r; it has name, cx, cy"),
        ({"name": "circle", "cx": 1, "cy": 2, "r": -1}, "circle has a negative radius, -1"),
        ({"name": "circle", "cx": "a", "cy": 2, "r": 1}, "circle cx is 'a'; expected a number within a million pixels"),
        (circle(1, float("nan"), 1), "circle cy is nan"),
        (polygon((1, 1), (2, 2), (3e9, 1)), "polygon x is 3000000000.0; expected a number within a million"),
        (polygon((1, 1), (2, float("nan")), (3, 1)), "polygon y is nan; expected a number within a million"),
        (polygon((1, 1), (2, 2), (10**400, 1)), "polygon x is 1000000000000000000000000000000000000000; expected a number"),
        (polygon((1, 1), (2, 2), (3, True)), "polygon y is True; expected a number within a million"),
        ([], "shape attributes are []; expected an object with a name"),
        ({"name": "bitmap", "x": 1, "y": 2, "width": 3}, "bitmap has no height; it has name, x, y, width"),
        (bitmap(2, 2, [0, 4], x=0.5), "bitmap x is 0.5; expected a whole number"),
        (bitmap(0, 2, []), "bitmap is of 0 x 2 pixels; expected 1 or more, and 100,000,000 at most"),
        (bitmap(999_999, 999_999, [1]), "bitmap is of 999999 x 999999 pixels"),
        (bitmap(2, 2, "14"), "bitmap counts are 14; expected a list of run lengths"),
        (bitmap(2, 2, [1, True, 2]), "bitmap counts are [1, True, 2]; expected a list of run lengths"),
        (bitmap(2, 2, [-1, 5]), "bitmap counts are [-1, 5]; expected a list of run lengths"),
        (bitmap(2, 2, [1, 2]), "bitmap counts add up to 3; expected 2 x 2 = 4"),
        (bitmap(2, 2, [4]), "bitmap of 2 x 2 has no pixel that is set"),
    ],
)
def test_a_bad_shape_is_refused_with_the_reason(attributes, message):
    with pytest.raises(RegionError) as error:
        parse_region(attributes)
    assert message in str(error.value)


def test_the_extent_of_a_turned_ellipse_is_that_of_its_outline():
    region = parse_region({"name": "ellipse", "cx": 10, "cy": 20, "rx": 6, "ry": 2, "theta": 0.7})
    turn = np.linspace(0, 2 * np.pi, 2000)
    x = 10 + 6 * np.cos(turn) * np.cos(0.7) - 2 * np.sin(turn) * np.sin(0.7)
    y = 20 + 6 * np.cos(turn) * np.sin(0.7) + 2 * np.sin(turn) * np.cos(0.7)
    np.testing.assert_allclose(region.extent, [x.min(), y.min(), x.max(), y.max()], atol=1e-3)


def test_a_bitmap_is_read_column_by_column():
    region = parse_region(bitmap(3, 2, [1, 2, 2, 1], x=10, y=20))
    np.testing.assert_array_equal(region.bitmap, picture(".#. #.#"))
    assert region.extent == (10, 20, 12, 21)


masks = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.sampled_from([0, 0, 1, 255]))


@settings(max_examples=100, deadline=None)
@given(masks)
def test_runs_give_the_mask_back(mask):
    np.testing.assert_array_equal(decode_runs(encode_runs(mask), mask.shape[1], mask.shape[0]), mask != 0)


@settings(max_examples=30, deadline=None)
@given(masks)
def test_runs_are_those_of_coco(mask):
    coco = need_package("pycocotools.mask")
    height, width = mask.shape
    packed = coco.frPyObjects({"size": [height, width], "counts": encode_runs(mask)}, height, width)
    np.testing.assert_array_equal(coco.decode(packed), mask != 0)


def test_an_empty_mask_has_no_attributes():
    with pytest.raises(RegionError, match="mask of 4 x 3 has no pixel that is set"):
        bitmap_attributes(np.zeros((3, 4)))


def test_a_scaled_bitmap_keeps_its_edges():
    square = parse_region(bitmap(4, 2, [0, 8], x=2, y=6))
    half, double = square.scaled(0.5), square.scaled(2)
    assert half.extent == (1, 3, 2, 3)
    assert double.extent == (4, 12, 11, 15)
    assert half.bitmap.all()
    assert double.bitmap.all()
    assert square.scaled(0.1).extent == (0, 0, 0, 0), "a small one does not vanish"
