import numpy as np
import pytest

from segmenter.configuration import InferSettings
from segmenter.inference.thresholding import OTSU_FLOOR, drop_small, threshold_mask


def one_class(rows):
    return np.array(rows, np.float32)[..., None]


def classes(rows):
    """Probabilities of three classes; the digit of each pixel is its most probable class."""
    return np.array([[[0.6 if index == int(pixel) else 0.2 for index in range(3)] for pixel in row] for row in rows], np.float32)


def digits(rows):
    return np.array([[int(pixel) for pixel in row] for row in rows], np.uint8)


def test_a_pixel_at_or_above_the_threshold_is_lesion():
    probabilities = one_class([[0.0, 0.25, 0.5], [0.75, 1.0, 0.49]])
    np.testing.assert_array_equal(threshold_mask(probabilities, InferSettings()), digits(["001", "110"]))
    mask = threshold_mask(probabilities, InferSettings(threshold=0.25))
    np.testing.assert_array_equal(mask, digits(["011", "111"]))
    assert mask.dtype == np.uint8


@pytest.mark.parametrize(
    ("rows", "drawn"),
    [
        pytest.param([[0.02, 0.03, 0.3], [0.02, 0.28, 0.31]], ["001", "011"], id="a timid model"),
        pytest.param([[0.55, 0.6, 0.95], [0.58, 0.97, 0.99]], ["001", "011"], id="a bold model"),
        pytest.param([[0.001, 0.02, 0.08], [0.0, 0.01, 0.09]], ["000", "000"], id="noise under the floor"),
        pytest.param([[0.0, 0.01, 0.02], [0.03, 0.0, 0.12]], ["000", "001"], id="the floor is higher than Otsu's threshold"),
        pytest.param([[0.9] * 3] * 2, ["000", "000"], id="all equal and high"),
        pytest.param([[0.0] * 3] * 2, ["000", "000"], id="all zero"),
    ],
)
def test_otsu_separates_two_groups_but_not_noise(rows, drawn):
    assert OTSU_FLOOR == 0.1
    np.testing.assert_array_equal(threshold_mask(one_class(rows), InferSettings(algorithm="otsu")), digits(drawn))


def test_the_most_probable_class_counts_whatever_the_threshold():
    rows = ["012", "210"]
    mask = threshold_mask(classes(rows), InferSettings(threshold=0.9, algorithm="otsu"))
    np.testing.assert_array_equal(mask, digits(rows))
    assert mask.dtype == np.uint8


@pytest.mark.parametrize("count", [1, 3])
def test_blur_removes_a_lone_pixel_before_the_threshold(count):
    lone = np.zeros((9, 9, count), np.float32)
    lone[..., 0] = 1 if count > 1 else 0
    lone[4, 4] = [0, 1, 0][:count] if count > 1 else 1
    block = lone.copy()
    block[2:7, 2:7] = lone[4, 4]
    settings = InferSettings(blur=True, ksize=3)
    assert threshold_mask(lone, InferSettings()).sum() == 1
    assert threshold_mask(lone, settings).sum() == 0
    assert threshold_mask(block, settings)[4, 4] == 1
    assert threshold_mask(block, settings).shape == (9, 9)


def test_components_smaller_than_the_limit_are_dropped():
    mask = digits(["10000", "01022", "00020", "10000"])
    np.testing.assert_array_equal(drop_small(mask, 1), mask)
    np.testing.assert_array_equal(drop_small(mask, 2), digits(["10000", "01022", "00020", "00000"]))
    np.testing.assert_array_equal(drop_small(mask, 3), digits(["00000", "00022", "00020", "00000"]))
    assert not drop_small(mask, 4).any()
    settings = InferSettings(smallest_lesion_px=3)
    np.testing.assert_array_equal(threshold_mask(mask[..., None].astype(np.float32), settings), mask == 2)


def test_touching_classes_are_one_component():
    mask = digits(["0110", "0210", "0000"])
    np.testing.assert_array_equal(drop_small(mask, 4), mask)
    assert not drop_small(mask, 5).any()
