"""A breast is half an ellipse at one side of a black image, 100 levels bright at the skin and brighter inside."""

import cv2
import numpy as np
import pytest

from pipeline.geometry import find_breast, has_white_background, square_image

HEIGHT, WIDTH = 300, 200


def draw_breast(wall="left", level=100):
    """A breast from row 40 to 260, and 120 px deep."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    inside = ((rows - 150) / 110) ** 2 + (columns / 120) ** 2 < 1
    image = np.where(inside, level + 50 * np.sin(rows / 9) * np.sin(columns / 9), 0).clip(0, 255).astype(np.uint8)
    return image if wall == "left" else np.ascontiguousarray(image[:, ::-1])


BOX = {"left": (0, 41, 120, 260), "right": (80, 41, 200, 260)}


def label(image):
    image = cv2.putText(image.copy(), "R-CC", (145, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 2)
    image[270:290, 150:190] = 255
    return image


def frame(image):
    return cv2.rectangle(image.copy(), (0, 0), (WIDTH - 1, HEIGHT - 1), 255, 3)


def bridge(image):
    image = label(image)
    image[280:284, 60:155] = image[200:284, 60:64] = 255  # a thin line from the breast to the label's plate
    return image


def lift(image):
    return np.maximum(image, np.random.default_rng(1).normal(30, 4, image.shape).clip(0, 255).astype(np.uint8))


def darken_wall(image):
    image = image.copy()
    image[60:240, :15] = 0  # as fat is in images of high contrast
    return image


@pytest.mark.parametrize("wall", ["left", "right"])
@pytest.mark.parametrize("change", [np.copy, label, frame, bridge, lift, darken_wall], ids=lambda change: change.__name__)
def test_the_breast_is_found_among_what_else_is_in_the_image(change, wall):
    image = change(draw_breast())
    breast = find_breast(image if wall == "left" else np.ascontiguousarray(image[:, ::-1]))
    assert np.abs(np.subtract(breast.box, BOX[wall])).max() <= 6
    assert breast.wall == wall


def test_a_dim_breast_is_found_whole():
    assert np.abs(np.subtract(find_breast(draw_breast(level=60) // 4).box, BOX["left"])).max() <= 6


def test_the_mask_is_the_breast():
    image = draw_breast()
    mask = find_breast(label(image)).mask
    assert mask.shape == image.shape
    assert mask.dtype == bool
    inside = image > 0
    assert (mask & inside).sum() / (mask | inside).sum() > 0.97


@pytest.mark.parametrize("level", [0, 5, 200])
def test_an_image_of_one_level_is_the_breast_as_a_whole(level):
    breast = find_breast(np.full((40, 30), level, np.uint8))
    assert breast.box == (0, 0, 30, 40)
    assert breast.wall == "left"
    assert breast.mask.all()


def test_a_breast_that_fills_the_image_is_not_cut():
    image = np.random.default_rng(2).integers(60, 140, (HEIGHT, WIDTH)).astype(np.uint8)
    assert find_breast(image).box == (0, 0, WIDTH, HEIGHT)
    assert find_breast(square_image(image, 512)).box == pytest.approx((86, 0, 427, 512), abs=2)


def test_a_small_part_is_found_where_nothing_is_large():
    image = np.zeros((60, 60), np.uint8)
    image[20:24, 30:33] = 200
    assert find_breast(image).box == (29, 19, 34, 25)


def test_a_large_image_has_the_box_of_the_small_one():
    image = draw_breast()
    large = cv2.resize(image, (8 * WIDTH, 8 * HEIGHT), interpolation=cv2.INTER_CUBIC)
    breast = find_breast(large)
    assert breast.mask.shape == large.shape
    assert np.abs(np.divide(breast.box, 8) - find_breast(image).box).max() <= 1.5


@pytest.mark.parametrize("wall", ["left", "right"])
def test_the_wall_is_where_the_breast_is_taller(wall):
    """A trapezoid that fills the image from side to side, 200 px tall at the wall and 150 at the other side."""
    image = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(image, [np.array([[0, 50], [WIDTH, 75], [WIDTH, 225], [0, 250]])], 120)
    breast = find_breast(image if wall == "left" else np.ascontiguousarray(image[:, ::-1]))
    assert breast.wall == wall


def test_a_wide_image_is_reduced_by_its_longer_side():
    image = np.zeros((400, 3000), np.uint8)
    image[100:300, :1500] = 120
    breast = find_breast(image)
    assert breast.mask.shape == image.shape
    assert np.abs(np.subtract(breast.box, (0, 100, 1500, 300))).max() <= 2 * 3000 / 512


def test_tissue_that_is_as_even_as_a_background_but_bright_is_none():
    """Both sides of 90 levels in an image of at most 120; the breast is the whole of it."""
    image = np.full((HEIGHT, WIDTH), 90, np.uint8)
    image[100:200, 50:150] = 120
    assert find_breast(image).box == (0, 0, WIDTH, HEIGHT)


def test_a_gray_background_is_not_the_breast():
    image = np.full((HEIGHT, WIDTH), 25, np.uint8)
    image[40:260, :120] = 140
    assert np.abs(np.subtract(find_breast(image).box, (0, 40, 120, 260))).max() <= 2


@pytest.mark.parametrize("change", [np.copy, label, bridge, lift, darken_wall], ids=lambda change: change.__name__)
@pytest.mark.parametrize("place", [np.asarray, lambda image: square_image(image, 512)], ids=["whole", "letterboxed"])
def test_a_white_background_is_noticed(change, place):
    image = change(draw_breast())
    assert not has_white_background(place(image))
    assert has_white_background(place(255 - image))


def test_an_image_without_a_background_is_not_taken_for_an_inverted_one():
    crop = np.random.default_rng(2).integers(100, 255, (HEIGHT, WIDTH)).astype(np.uint8)
    assert not has_white_background(crop)
    for level in (0, 5, 200):
        assert not has_white_background(np.full((40, 30), level, np.uint8))
