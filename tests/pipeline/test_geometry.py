"""The letterbox, the area average and the variants."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry import (
    VARIANTS,
    Letterbox,
    area_average,
    band_share,
    connected_components,
    find_bands,
    place,
    square_image,
    unsquare,
    vary,
)


def test_a_letterboxed_point_lands_where_the_formula_says():
    box = Letterbox(1315, 2355, 512)
    assert (box.pad_left, box.pad_top, box.side) == (520, 0, 2355)
    np.testing.assert_allclose(box.to_target(np.array([100, 200])), [134.40, 43.09], atol=0.005)
    np.testing.assert_allclose(box.to_source(box.to_target(np.array([100, 200]))), [100, 200])


@pytest.mark.parametrize(("width", "height", "left", "top"), [(4, 7, 1, 0), (7, 4, 0, 1), (5, 5, 0, 0), (6, 8, 1, 0)])
def test_the_odd_pixel_of_padding_is_right_or_below(width, height, left, top):
    box = Letterbox(width, height, 16)
    assert (box.pad_left, box.pad_top) == (left, top)


def padded(image):
    height, width = image.shape
    box = Letterbox(width, height, 1)
    right, below = box.side - width - box.pad_left, box.side - height - box.pad_top
    return cv2.copyMakeBorder(image, box.pad_top, below, box.pad_left, right, cv2.BORDER_CONSTANT, value=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 90), st.integers(20, 90), st.integers(5, 20), st.integers(0, 2**31))
def test_shrinking_agrees_with_opencv_on_the_padded_image(width, height, target, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    expected = cv2.resize(padded(image), (target, target), interpolation=cv2.INTER_AREA)
    assert np.abs(square_image(image, target).astype(int) - expected).max() <= 1


def test_enlarging_uses_a_cubic():
    image = np.array([[0, 255], [255, 0]], np.uint8)
    np.testing.assert_array_equal(square_image(image, 8), cv2.resize(image, (8, 8), interpolation=cv2.INTER_CUBIC))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 10), st.integers(0, 10), st.integers(0, 2**31))
def test_the_average_of_a_patch_is_that_of_the_whole_image(width, height, left, top, seed):
    patch = np.random.default_rng(seed).integers(0, 2, (height, width), dtype=np.uint8)
    image = np.zeros((45, 53), np.uint8)
    image[top : top + height, left : left + width] = patch
    box = Letterbox(53, 45, 17)
    whole, x0, y0 = area_average(image, box)
    part, x, y = area_average(patch, box, left, top)
    inside = whole[y - y0 : y - y0 + part.shape[0], x - x0 : x - x0 + part.shape[1]]
    np.testing.assert_allclose(part, inside, atol=1e-12)
    assert part.sum() == pytest.approx(whole.sum()), "the patch's target pixels hold all of it"


def sums_by_whole_rows(patch, rows, columns):
    """The sums between edges as the first data sets were made from them: all columns, in the same order of operations."""

    def interpolate(table, positions):
        below = np.minimum(positions.astype(np.intp), len(table) - 2)
        return table[below] + (table[below + 1] - table[below]) * (positions - below)[:, None]

    table = cv2.integral(patch, sdepth=cv2.CV_32S)
    return np.diff(interpolate(np.diff(interpolate(table, rows), axis=0).T, columns), axis=0).T


@pytest.mark.parametrize(("width", "height", "target"), [(61, 97, 32), (97, 61, 32), (128, 96, 64), (40, 40, 40), (9, 13, 32)])
def test_the_average_is_the_same_to_the_last_bit(width, height, target):
    """A rounding the other way would change the bytes of samples."""
    patch, box = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8), Letterbox(width, height, target)
    averages, left, top = area_average(patch, box)
    rows = np.clip(np.arange(top, top + len(averages) + 1) / box.scale - box.pad_top, 0, height)
    columns = np.clip(np.arange(left, left + averages.shape[1] + 1) / box.scale - box.pad_left, 0, width)
    np.testing.assert_array_equal(averages, sums_by_whole_rows(patch, rows, columns) * box.scale**2)


def test_variants_are_those_of_the_published_names():
    square = np.array([[1, 2], [3, 4]], np.uint8)
    expected = {
        "original": [[1, 2], [3, 4]],
        "rotated_90": [[2, 4], [1, 3]],
        "rotated_180": [[4, 3], [2, 1]],
        "rotated_270": [[3, 1], [4, 2]],
        "mirrored": [[2, 1], [4, 3]],
        "flipped": [[3, 4], [1, 2]],
    }
    assert {name: vary(square, name).tolist() for name in VARIANTS} == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(5, 5), (4, 4, 3)])
def test_variants_are_exact_on_arrays(dtype, shape):
    square = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    turned = {
        "original": square,
        "rotated_90": np.rot90(square),
        "rotated_180": np.rot90(square, 2),
        "rotated_270": np.rot90(square, 3),
        "mirrored": square[:, ::-1],
        "flipped": square[::-1],
    }
    for name, expected in turned.items():
        np.testing.assert_array_equal(vary(square, name), expected)
        assert vary(square, name).dtype == dtype


def test_four_quarter_turns_give_the_image_back():
    square = np.arange(49, dtype=np.uint8).reshape(7, 7)
    turned = square
    for _ in range(4):
        turned = vary(turned, "rotated_90")
    np.testing.assert_array_equal(turned, square)
    np.testing.assert_array_equal(vary(vary(square, "mirrored"), "mirrored"), square)
    np.testing.assert_array_equal(vary(vary(square, "mirrored"), "flipped"), vary(square, "rotated_180"))


@pytest.mark.parametrize("size", [(61, 90), (90, 61), (64, 64), (1, 9)])
def test_unsquare_returns_to_the_source(size):
    width, height = size
    x, y = np.meshgrid(np.linspace(0, 200, width), np.linspace(0, 55, height))
    image = np.rint(x + y).astype(np.uint8)
    back = unsquare(square_image(image, 128).astype(np.float32), width, height)
    assert back.shape == image.shape
    inner = (slice(2, -2), slice(2, -2)) if min(size) > 4 else (slice(0, 0),) * 2
    assert np.abs(back - image)[inner].max(initial=0) < 3


def test_components_touch_at_corners_and_have_areas_boxes_and_centres():
    components = connected_components(np.array([[9, 9, 0, 0, 0], [0, 0, 9, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 9]]))
    assert len(components) == 2
    assert (components.labels.dtype, components.areas.dtype, components.boxes.dtype) == (np.int32, np.int64, np.int64)
    np.testing.assert_array_equal(components.labels[:2], [[1, 1, 0, 0, 0], [0, 0, 1, 0, 0]])
    assert components.areas.tolist() == [3, 1]
    assert components.boxes.tolist() == [[0, 0, 3, 2], [4, 3, 1, 1]]
    np.testing.assert_allclose(components.centres, [[1, 1 / 3], [4, 3]])


def test_an_empty_mask_has_no_component():
    components = connected_components(np.zeros((3, 4), bool))
    assert (len(components), components.boxes.shape, components.centres.shape) == (0, (0, 4), (0, 2))
    assert not components.labels.any()


def test_sums_beyond_32_bits_are_exact():
    """255 times 9 million pixels, and 65535 times 40,000, do not fit into a signed 32-bit table."""
    for image in (np.full((3000, 3000), 255, np.uint8), np.full((200, 200), 65535, np.uint16)):
        np.testing.assert_array_equal(square_image(image, 3), np.full((3, 3), image[0, 0], image.dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("side", [4, 40], ids=["enlarged", "shrunk"])
def test_a_square_keeps_the_type_and_is_black_outside_of_the_image(dtype, side):
    square = square_image(np.full((side, side // 4), 200, dtype), 16)
    assert square.dtype == dtype
    assert not square[:, :2].any()  # cubic interpolation reaches two pixels beyond the image
    assert not square[:, -2:].any()
    assert square[:, 6:10].max(axis=1).min() > 100


def test_placed_values_keep_their_type():
    square = place(np.array([[7, 8]], np.uint16), left=1, top=2, target=4)
    assert square.dtype == np.uint16
    assert square.tolist() == [[0] * 4, [0] * 4, [0, 7, 8, 0], [0] * 4]


def arc(side=128, radius=45, thickness=3, turn=180.0):
    """A thin arc, as skin thickening is drawn along the breast."""
    square = np.zeros((side, side), np.uint8)
    return cv2.ellipse(square, (side // 2, side // 2), (radius, radius), 0, 0, turn, 1, thickness)


def disk(side=128, radius=40):
    return cv2.circle(np.zeros((side, side), np.uint8), (side // 2, side // 2), radius, 1, -1)


@pytest.mark.parametrize(
    ("mask", "bands"),
    [
        pytest.param(arc(), [True], id="a thin arc"),
        pytest.param(arc(side=256, radius=90, thickness=6), [True], id="the same arc at twice the size"),
        pytest.param(arc(radius=15), [False], id="a short arc: 31 of 128 px, less than a quarter of the side"),
        pytest.param(arc(thickness=45), [False], id="a thick arc fills its hull"),
        pytest.param(disk(), [False], id="a large mass is compact"),
        pytest.param(np.zeros((128, 128), np.uint8), [], id="no lesion"),
    ],
)
def test_bands_are_long_and_fill_little_of_their_hull(mask, bands):
    assert find_bands(connected_components(mask)).tolist() == bands


@pytest.mark.parametrize(("length", "band"), [(130, False), (131, True)])
def test_a_band_is_longer_than_130_of_512_px(length, band):
    """An L of one pixel's width: with arms of n and 8 px it fills less than a third of its hull."""
    mask = np.zeros((512, 512), np.uint8)
    mask[100 : 100 + length, 200], mask[100, 200:208] = 1, 1
    assert find_bands(connected_components(mask)).tolist() == [band]


@pytest.mark.parametrize(("width", "band"), [(68, True), (69, False)])
def test_a_band_fills_less_than_35_percent_of_its_hull(width, band):
    """A bar of 200 px in height, and two lines of one pixel that stretch the hull to 200 px in width: 34.7 and 35.2 %."""
    mask = np.zeros((512, 512), np.uint8)
    mask[100:300, 100 : 100 + width], mask[100, 100:300], mask[299, 100:300] = 1, 1, 1
    assert bool(mask.sum() < 0.35 * 200**2) is band
    assert find_bands(connected_components(mask)).tolist() == [band]


@pytest.mark.parametrize("variant", VARIANTS)
def test_bands_do_not_depend_on_how_an_image_is_turned(variant):
    mask = np.maximum(arc(), np.roll(disk(radius=9), 6, 1))
    assert band_share(vary(mask, variant)) == band_share(mask)
    assert 0.5 < band_share(mask) < 1
    assert band_share(np.zeros((8, 8))) == 0
