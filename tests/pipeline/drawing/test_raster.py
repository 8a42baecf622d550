"""Drawing regions: pictures small enough to check by eye, then the laws."""

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inputs import bitmap, circle, picture, polygon

from pipeline.drawing.raster import (
    Coverage,
    coverage,
    draw,
    draw_clipped,
    drawable,
    published_mask,
    rasterise,
    square_mask,
    window,
)
from pipeline.drawing.regions import Region, bitmap_attributes, parse_region
from pipeline.geometry import VARIANTS, Letterbox, vary


def regions(*attributes):
    return [parse_region(one) for one in attributes]


@pytest.mark.parametrize(
    ("shapes", "drawn"),
    [
        pytest.param([], "..... ..... .....", id="no region"),
        pytest.param([polygon((1, 0), (3, 2), (1, 2))], ".#... .##.. .###.", id="edges belong to the region"),
        pytest.param([polygon((2, 0), (5, 0), (5, 2), (2, 2))], "..### ..### ..###", id="cut off at the right border"),
        pytest.param([polygon((-3, -3), (1, -3), (1, 1), (-3, 1))], "##... ##... .....", id="cut off at left and top"),
        pytest.param([polygon((9, 9), (12, 9), (12, 12))], "..... ..... .....", id="outside"),
        pytest.param([circle(2, 1, 1)], "..#.. .###. ..#..", id="a circle reaches its radius"),
        pytest.param([circle(2, 1, 0)], "..... ..#.. .....", id="no radius is one pixel"),
        pytest.param([{"name": "ellipse", "cx": 2, "cy": 1, "rx": 2, "ry": 0}], "..... ##### .....", id="a flat ellipse"),
        pytest.param(
            [{"name": "ellipse", "cx": 2, "cy": 1, "rx": 1, "ry": 0, "theta": 1.5707963267948966}],
            "..#.. ..#.. ..#..",
            id="a turned ellipse",
        ),
        pytest.param([polygon((0, 0), (4, 0), name="polyline")], "##### ..... .....", id="a polyline"),
        pytest.param([polygon((0, 0), (2, 0), (0, 2), name="polyline")], "###.. ##... #....", id="a polyline is closed"),
        pytest.param([{"name": "rect", "x": 1, "y": 0, "width": 2, "height": 1}], ".###. .###. .....", id="a rectangle"),
        pytest.param([bitmap(2, 2, [0, 1, 1, 2], x=1)], ".##.. ..#.. .....", id="a bitmap"),
        pytest.param([bitmap(3, 2, [0, 6], x=-1, y=-1)], "##... ..... .....", id="a bitmap cut off at left and top"),
        pytest.param([bitmap(3, 2, [0, 6], x=3, y=2)], "..... ..... ...##", id="a bitmap cut off at right and below"),
        pytest.param([bitmap(1, 1, [0, 1], x=5, y=9)], "..... ..... .....", id="a bitmap outside"),
        pytest.param([circle(0, 0, 0), circle(4, 2, 0)], "#.... ..... ....#", id="two regions"),
        pytest.param(
            [polygon((0, 0), (2, 0), (2, 2), (0, 2)), circle(2, 1, 1)], "###.. ####. ###..", id="overlapping regions unite"
        ),
    ],
)
def test_rasterise_draws(shapes, drawn):
    np.testing.assert_array_equal(rasterise(regions(*shapes), width=5, height=3), picture(drawn))


def test_points_never_have_an_area_and_polylines_only_by_request():
    every = regions({"name": "point", "cx": 1, "cy": 1}, polygon((0, 0), (4, 0), (4, 4), name="polyline"), circle(1, 1, 1))
    assert [region.shape for region in drawable(every, polylines=True)] == ["polyline", "circle"]
    assert [region.shape for region in drawable(every, polylines=False)] == ["circle"]


def test_a_target_pixel_is_lesion_when_half_of_its_area_is():
    left_half = polygon((0, 0), (1, 0), (1, 3), (0, 3))  # two of four columns
    mask, vanished = square_mask(regions(left_half), Letterbox(4, 4, 1))
    assert mask.tolist() == [[1]]
    assert vanished == 0
    less = polygon((0, 0), (1, 0), (1, 2), (0, 2))  # 6 of 16 pixels
    mask, vanished = square_mask(regions(less, polygon((0, 0), (1, 0), (1, 3), (0, 3))), Letterbox(8, 8, 2))
    assert mask.tolist() == [[1, 0], [0, 0]]
    assert vanished == 1, "the smaller region alone leaves no pixel"


def test_a_region_that_would_vanish_keeps_its_fullest_pixel():
    dot = circle(13, 5, 0)
    mask, vanished = square_mask(regions(dot), Letterbox(16, 16, 4))
    assert vanished == 1
    assert np.argwhere(mask).tolist() == [[1, 3]]


def test_the_square_mask_is_the_letterboxed_source_mask():
    shapes = regions(polygon((5, 3), (60, 10), (40, 70), (8, 50)), circle(50, 80, 12))
    box = Letterbox(71, 97, 24)
    full = np.zeros((97, 97), np.uint8)
    full[:, box.pad_left : box.pad_left + 71] = rasterise(shapes, 71, 97)
    expected = cv2.resize(full.astype(np.float32), (24, 24), interpolation=cv2.INTER_AREA) >= 0.5
    assert np.count_nonzero(square_mask(shapes, box)[0] != expected) == 0


points = st.lists(st.tuples(st.integers(0, 79), st.integers(0, 79)), min_size=3, max_size=8)


@settings(max_examples=30, deadline=None)
@given(points, st.sampled_from(sorted(VARIANTS)))
def test_drawing_then_turning_equals_turning_then_drawing_but_for_edge_pixels(corners, variant):
    region = parse_region(polygon(*corners))
    x, y = region.points.T
    last = 79
    turned = {
        "original": (x, y),
        "rotated_90": (y, last - x),
        "rotated_180": (last - x, last - y),
        "rotated_270": (last - y, x),
        "mirrored": (last - x, y),
        "flipped": (x, last - y),
    }[variant]
    drawn_first = vary(rasterise([region], 80, 80), variant)
    outline = np.stack(turned, axis=1)
    turned_first = rasterise([Region("polygon", outline)], 80, 80)
    edge = cv2.polylines(np.zeros((80, 80), np.uint8), [outline.astype(np.int32)], isClosed=True, color=1, thickness=3)
    assert not ((drawn_first != turned_first) & (edge == 0)).any()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(-30, 100), st.integers(-30, 100))
def test_coverage_is_the_share_inside(width, height, x, y):
    region = parse_region({"name": "rect", "x": x, "y": y, "width": width - 1, "height": height - 1})
    columns, rows = np.arange(x, x + width), np.arange(y, y + height)
    inside = np.count_nonzero((columns >= 0) & (columns < 60)) * np.count_nonzero((rows >= 0) & (rows < 50))
    covered = coverage(region, 60, 50)
    assert covered.area_px == inside
    assert covered.share == pytest.approx(inside / (width * height))


def test_coverage_of_a_huge_region_is_measured_coarsely():
    covered = coverage(parse_region(polygon((0, 0), (500_000, 0), (500_000, 800_000), (0, 800_000))), 250_000, 800_000)
    assert covered.share == pytest.approx(0.5, abs=0.01)
    assert covered.area_px == pytest.approx(2e11, rel=0.01)


@settings(max_examples=30, deadline=None)
@given(points)
def test_no_region_inside_the_image_leaves_an_empty_mask(corners):
    assume(len(set(corners)) > 2)
    assert square_mask([parse_region(polygon(*corners))], Letterbox(80, 80, 4))[0].any()


def test_the_published_ellipse_is_a_displaced_circle_of_half_its_width():
    mask = np.asarray(published_mask(regions({"name": "ellipse", "cx": 10, "cy": 20, "rx": 8, "ry": 30}), 60, 60))
    rows, columns = np.nonzero(mask)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (10, 18, 20, 28)


@settings(max_examples=60, deadline=None)
@given(points, st.integers(3, 40))
def test_a_region_counts_as_vanished_exactly_when_no_target_pixel_is_half_full(corners, target):
    region, box = parse_region(polygon(*corners)), Letterbox(80, 80, target)
    full = cv2.resize(rasterise([region], 80, 80).astype(np.float64), (target, target), interpolation=cv2.INTER_AREA)
    assume(abs(full.max() - 0.5) > 1e-6)
    assert square_mask([region], box)[1] == int(full.max() < 0.5)


masks = hnp.arrays(np.uint8, (9, 7), elements=st.sampled_from([0, 0, 0, 255])).filter(np.any)


@settings(max_examples=60, deadline=None)
@given(masks, st.integers(-3, 9), st.integers(-3, 9))
def test_a_mask_comes_back_from_its_bitmap_pixel_for_pixel(mask, left, top):
    region = parse_region(bitmap_attributes(mask))
    np.testing.assert_array_equal(rasterise([region], 7, 9), mask != 0)
    np.testing.assert_array_equal(np.asarray(published_mask([region], 7, 9)), mask)
    assert coverage(region, 7, 9) == Coverage(np.count_nonzero(mask), 1.0)
    padded = np.pad(mask != 0, 20)
    np.testing.assert_array_equal(draw(region, left, top, 6, 5), padded[top + 20 : top + 25, left + 20 : left + 26])


def test_coverage_of_a_large_bitmap_is_exact():
    covered = coverage(parse_region(bitmap(3000, 1, [1, 2999], x=-1000)), 2500, 10)
    assert covered == Coverage(2000, 2000 / 2999)


def test_a_bitmap_is_letterboxed_like_any_region():
    mask, vanished = square_mask(regions(bitmap(2, 4, [0, 8])), Letterbox(8, 8, 2))
    assert mask.tolist() == [[1, 0], [0, 0]]
    assert vanished == 0
    mask, vanished = square_mask(regions(bitmap(2, 1, [0, 2], x=6, y=7)), Letterbox(8, 8, 2))
    assert mask.tolist() == [[0, 0], [0, 1]]
    assert vanished == 1


def test_a_turned_ellipse_runs_from_upper_left_to_lower_right():
    """theta turns clockwise as one sees it, because y runs down."""
    ellipse = {"name": "ellipse", "cx": 10, "cy": 10, "rx": 8, "ry": 3, "theta": np.pi / 6}
    mask = rasterise(regions(ellipse), 21, 21)
    y, x = np.nonzero(mask)
    assert np.hypot(x - 10, y - 10).max() <= 8
    assert mask[13, 16], "on the long axis: 6 to the right, 3 down"
    assert not mask[7, 16], "its mirror image"
    np.testing.assert_array_equal(mask, mask[::-1, ::-1])
    assert np.count_nonzero(mask) == pytest.approx(np.pi * 8 * 3, rel=0.05)


@pytest.mark.parametrize(
    "points",
    [((9, 0), (12, 0), (12, 2)), ((0, 9), (4, 9), (4, 12)), ((-9, 0), (-6, 0), (-6, 2))],
    ids=["right of it", "below it", "left of it"],
)
def test_a_region_beyond_one_border_has_an_empty_patch(points):
    region = parse_region(polygon(*points))
    patch, left, top = draw_clipped(region, 5, 3)
    assert (patch.shape, left, top) == ((0, 0), 0, 0)
    mask, vanished = square_mask([region], Letterbox(5, 3, 4))
    assert (mask.dtype, mask.shape, mask.any(), vanished) == (np.uint8, (4, 4), False, 0)


def test_the_window_of_a_region_holds_its_edge_pixels_and_no_more():
    region = parse_region(polygon((1.5, 2), (6, 2), (6, 4.25)))
    assert window(region, 50, 50) == (1, 2, 7, 6)
    assert window(region, 5, 4) == (1, 2, 5, 4)


@pytest.mark.parametrize("size", [(8, 3), (3, 8)], ids=["wide", "tall"])
def test_coverage_is_exact_up_to_the_finest_size(size):
    width, height = size
    region = parse_region({"name": "rect", "x": 3000, "y": 3000, "width": width - 1, "height": height - 1})
    assert coverage(region, 4000, 4000, finest=8) == Coverage(24.0, 1.0)
    larger = parse_region({"name": "rect", "x": 3000, "y": 3000, "width": width, "height": height})
    assert coverage(larger, 4000, 4000, finest=8).area_px != 36.0, "at a coarser scale"


def test_coverage_of_a_bitmap_across_the_border_is_exact():
    assert coverage(parse_region(bitmap(4, 2, [0, 8], x=-1, y=-1)), 10, 10) == Coverage(3.0, 3 / 8)


@pytest.mark.parametrize(("width", "height"), [(4000, 2000), (1500, 4000)])
def test_coverage_of_a_large_region_ends_at_each_border(width, height):
    """Half of it lies below the image, or to the right of it; it is measured at a coarser scale."""
    region = parse_region(polygon((0, 1000), (3000, 1000), (3000, 3000), (0, 3000)))
    measured = coverage(region, width, height, finest=300)
    assert measured.area_px == pytest.approx(3_000_000, rel=0.02)
    assert measured.share == pytest.approx(0.5, abs=0.01)


def test_a_vanishing_region_keeps_its_fullest_pixel_not_its_first():
    wedge = polygon((5, 5), (12, 8), (12, 10))  # thin at the upper left, thick at the lower right
    box = Letterbox(16, 16, 4)
    averages = cv2.resize(rasterise(regions(wedge), 16, 16).astype(np.float32), (4, 4), interpolation=cv2.INTER_AREA)
    mask, vanished = square_mask(regions(wedge), box)
    assert averages.max() < 0.5
    assert vanished == 1
    assert np.argwhere(mask).tolist() == [list(np.unravel_index(averages.argmax(), (4, 4)))]


@settings(max_examples=60, deadline=None)
@given(st.lists(points, min_size=2, max_size=4), st.integers(3, 40))
def test_several_regions_cover_what_their_union_covers(outlines, target):
    """And the fullest pixel of each that vanishes; a region in another one's box erases nothing of it."""
    shapes = [parse_region(polygon(*corners)) for corners in outlines]
    box = Letterbox(80, 80, target)
    full = cv2.resize(rasterise(shapes, 80, 80).astype(np.float64), (target, target), interpolation=cv2.INTER_AREA)
    assume(np.abs(full - 0.5).min() > 1e-6)
    mask, vanished = square_mask(shapes, box)
    kept = (mask != 0) & (full < 0.5)
    assert mask.dtype == np.uint8
    assert not ((mask == 0) & (full >= 0.5)).any()
    assert np.count_nonzero(kept) <= vanished == sum(square_mask([shape], box)[1] for shape in shapes)


@pytest.mark.parametrize(
    ("attributes", "drawn"),
    [
        pytest.param(circle(3, 2, 1), "...... ...#.. ..###. ...#.. ......", id="circle"),
        pytest.param(polygon((1, 1), (4, 1), (1, 4)), "...... .####. .###.. .##... .#....", id="polygon"),
        pytest.param(bitmap(2, 2, [0, 3, 1], x=1, y=2), "...... ...... .##... .#.... ......", id="bitmap"),
        pytest.param({"name": "ellipse", "cx": 2, "cy": 1, "rx": 2, "ry": 9}, "...... ...#.. ..###. ...#.. ......", id="ellipse"),
    ],
)
def test_published_masks_are_drawn_by_pillow(attributes, drawn):
    mask = np.asarray(published_mask(regions(attributes), 6, 5))
    np.testing.assert_array_equal(mask, picture(drawn) * 255)
