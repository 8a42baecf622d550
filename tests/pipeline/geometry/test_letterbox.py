"""The letterbox and the area average."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry import Letterbox, area_average, place, square_image, unsquare


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


def test_the_average_of_a_patch_has_the_target_pixels_that_it_touches():
    averages, left, top = area_average(np.ones((3, 2), np.uint8), Letterbox(8, 8, 4), left=1, top=2)
    assert (left, top) == (0, 1)
    np.testing.assert_array_equal(averages, [[0.5, 0.5], [0.25, 0.25]])


@pytest.mark.parametrize("target", [8, 40])
def test_a_color_image_is_squared_channel_by_channel(target):
    image = np.random.default_rng(1).integers(0, 256, (15, 23, 3), dtype=np.uint8)
    square = square_image(image, target)
    assert square.shape == (target, target, 3)
    for channel in range(3):
        np.testing.assert_array_equal(square[..., channel], square_image(image[..., channel].copy(), target))


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


@pytest.mark.parametrize("size", [(61, 90), (90, 61), (64, 64), (1, 9)])
def test_unsquare_returns_to_the_source(size):
    width, height = size
    x, y = np.meshgrid(np.linspace(0, 200, width), np.linspace(0, 55, height))
    image = np.rint(x + y).astype(np.uint8)
    back = unsquare(square_image(image, 128).astype(np.float32), width, height)
    assert back.shape == image.shape
    inner = (slice(2, -2), slice(2, -2)) if min(size) > 4 else (slice(0, 0),) * 2
    assert np.abs(back - image)[inner].max(initial=0) < 3


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
