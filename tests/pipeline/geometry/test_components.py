"""The connected components of masks, and bands."""

import cv2
import numpy as np
import pytest

from pipeline.geometry import VARIANTS, band_share, connected_components, find_bands, vary


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


def test_a_band_may_be_long_in_width_alone():
    mask = np.zeros((512, 512), np.uint8)
    mask[200, 100:300], mask[200:208, 100] = 1, 1
    assert find_bands(connected_components(mask)).tolist() == [True]


def test_the_share_of_bands_measures_length_by_the_side_of_the_whole_mask():
    """The same L of 100 px is long for a mask of 256 px and not for one of 512."""
    mask = np.zeros((512, 512), np.uint8)
    mask[20:120, 30], mask[20, 30:38] = 1, 1
    assert band_share(mask) == 0
    assert band_share(mask[:256, :256]) == 1


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
    components = connected_components(mask)
    assert band_share(mask) == components.areas[find_bands(components)].sum() / mask.sum()
    assert band_share(np.zeros((8, 8))) == 0
