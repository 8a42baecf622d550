import cv2
import numpy as np
import pytest

from segmenter.configuration import InferSettings
from segmenter.pictures import GROUND_TRUTH_BGR, PREDICTION_BGR, colorize, draw_overlay, draw_row, lesion_colors, merge

BENIGN, MALIGNANT = (0, 255, 0), (255, 255, 255)


def colors_in(picture):
    return {tuple(pixel) for pixel in picture.reshape(-1, 3).tolist()}


def test_benign_is_green_malignant_white_and_all_other_colors_differ_clearly():
    assert lesion_colors((), 1) == (BENIGN,)
    assert lesion_colors((), 2) == (BENIGN, MALIGNANT)
    many = np.array(lesion_colors((), 10))
    assert many.shape == (10, 3)
    apart = np.abs(many[:, None] - many).sum(axis=-1) + 999 * np.eye(10)
    assert apart.min() >= 60
    assert lesion_colors(((1, 2, 3),), 1) == ((1, 2, 3),)


def test_a_class_map_in_colors():
    mask = np.array([[0, 1, 2]], np.uint8)
    blue_green_red = [[[0, 0, 0], [3, 2, 1], [6, 5, 4]]]
    np.testing.assert_array_equal(colorize(mask, [(1, 2, 3), (4, 5, 6)]), blue_green_red)


def test_colors_are_blended_in_and_never_wrap_around():
    gray = np.array([[255, 255, 255, 100, 0]], np.uint8)
    mask = np.array([[0, 1, 2, 1, 2]], np.uint8)
    merged = merge(gray, mask, [BENIGN, MALIGNANT])
    np.testing.assert_array_equal(merged, [[[255, 255, 255], [153, 255, 153], [255, 255, 255], [60, 162, 60], [102, 102, 102]]])
    assert merged.dtype == np.uint8


def ring_of(square, corner, size=40):
    mask = np.zeros((size, size), np.uint8)
    mask[corner : corner + square, corner : corner + square] = 1
    return mask


def test_one_class_is_orange_where_predicted_and_green_where_annotated():
    gray = np.full((40, 40), 50, np.uint8)
    assert colors_in(draw_overlay(gray, ring_of(10, 4), ring_of(10, 20))) == {(50, 50, 50), PREDICTION_BGR, GROUND_TRUTH_BGR}
    assert colors_in(draw_overlay(gray, ring_of(10, 4), colors=[BENIGN])) == {(50, 50, 50), PREDICTION_BGR}


def test_several_classes_have_their_colors_and_the_ground_truth_is_dashed():
    gray = np.full((40, 40), 50, np.uint8)
    predicted, ground_truth, colors = ring_of(10, 4) + 2 * ring_of(10, 22), ring_of(36, 2), [BENIGN, (255, 0, 0)]
    assert colors_in(draw_overlay(gray, predicted, colors=colors)) == {(50, 50, 50), BENIGN, (0, 0, 255)}
    dashed, solid = (
        (draw_overlay(gray, *masks, colors=colors) == BENIGN).all(axis=-1)
        for masks in ((0 * gray, ground_truth), (ground_truth,))
    )
    assert solid.sum() == 4 * 35
    assert not (dashed & ~solid).any()
    assert 0.4 < dashed.sum() / solid.sum() < 0.6


def test_a_row_is_image_ground_truth_and_prediction_under_a_caption():
    gray = np.full((40, 40), 50, np.uint8)
    row = draw_row(gray, ring_of(10, 4), ring_of(10, 20), "P1, epoch 2")
    above = len(row) - 40
    image, ground_truth, prediction = (row[above:, left : left + 40] for left in (0, 40, 80))
    assert row.shape[1:] == (120, 3)
    assert row[:20].any()
    np.testing.assert_array_equal(image, cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR))
    assert GROUND_TRUTH_BGR in colors_in(ground_truth)
    assert PREDICTION_BGR in colors_in(prediction) - colors_in(ground_truth)


def test_a_row_of_several_classes_names_them_in_their_colors():
    gray, colors = np.full((400, 400), 50, np.uint8), [BENIGN, (255, 0, 0)]
    blank = np.zeros_like(gray)
    plain, named = (draw_row(gray, blank, blank, "P1", chosen, ("cyst", "mass")) for chosen in ((), colors))
    assert {BENIGN, (0, 0, 255)} <= colors_in(named[:-400])
    assert not {BENIGN, (0, 0, 255)} & colors_in(plain)


def test_colors_are_levels():
    with pytest.raises(ValueError, match=r"mask_colors holds \[0, 256, 0\]; expected red, green and blue from 0 to 255"):
        InferSettings(mask_colors=((0, 0, 0), (0, 256, 0)))
