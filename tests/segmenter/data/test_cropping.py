"""Crops of a square of 64 px whose breast is a triangle from the wall, rows 8 to 56, to a nipple at a depth of 25 px."""

import numpy as np
import pytest

from pipeline.geometry import VARIANTS, vary
from segmenter.data.cropping import find_crop
from segmenter.data.dataset import Sample
from segmenter.data.pairs import PairFormat, read_all

SIDE, DEPTH = 64, 25


def draw_square(wall="left"):
    """Gray levels that all differ from their neighbours, so that a pixel in another place shows."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside = (columns < DEPTH - np.abs(rows - 32)) | ((columns < DEPTH // 2) & (np.abs(rows - 32) < 24))
    image = np.where(inside, 60 + (7 * rows + 11 * columns) % 180, 0).astype(np.uint8)
    return image if wall == "left" else np.ascontiguousarray(image[:, ::-1])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("wall", ["left", "right"])
def test_whole_pixels_come_back_from_the_crop_as_they_were(wall, variant):
    upright = draw_square(wall)
    square = vary(upright, variant)
    crop = find_crop(square, 56, 35, variant)
    left, top, right, bottom = crop.window
    crop = find_crop(square, bottom - top, right - left, variant)  # at the scale of the square itself
    back = crop.back(crop.image(square[..., None]).astype(np.float32))
    np.testing.assert_array_equal(back[..., 0], square)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("wall", ["left", "right"])
def test_all_variants_of_an_image_give_the_same_crop_with_the_wall_at_the_left(wall, variant):
    expected = find_crop(draw_square(), 48, 30).image(draw_square()[..., None])
    square = vary(draw_square(wall), variant)
    cropped = find_crop(square, 48, 30, variant).image(square[..., None])
    np.testing.assert_array_equal(cropped, expected)
    assert cropped.shape == (48, 30, 1)
    assert (cropped[10:38, 0] > 0).all()


@pytest.mark.parametrize(("height", "width"), [(48, 30), (30, 48), (40, 40), (128, 80)])
def test_a_crop_is_not_distorted_and_as_large_as_it_can_be(height, width):
    crop = find_crop(draw_square(), height, width)
    left, top, right, bottom = crop.window
    rows, columns = bottom - top, right - left
    assert abs(rows / columns - height / width) < 1.01 / columns * max(1, height / width)
    inner_left, inner_top, inner_right, inner_bottom = crop.box
    assert left == inner_left  # the chest wall is at the left
    assert right >= inner_right
    assert top <= inner_top
    assert bottom >= inner_bottom
    assert (rows == inner_bottom - inner_top) or (columns == inner_right - inner_left)
    assert abs((inner_top - top) - (bottom - inner_bottom)) <= 1


def test_the_mask_loses_nothing_but_its_edge():
    square, mask = draw_square("right"), np.zeros((SIDE, SIDE, 1), np.uint8)
    mask[24:40, 46:60] = 1
    crop = find_crop(square, 24, 15)
    back = crop.back(crop.mask(mask, 1).astype(np.float32))[..., 0] >= 0.5
    wrong = np.argwhere(back != (mask[..., 0] > 0))
    edges = np.minimum(np.abs(wrong[:, 0, None] - (23.5, 39.5)).min(1), np.abs(wrong[:, 1, None] - (45.5, 59.5)).min(1))
    assert (edges < 2.5).all()
    assert back.sum() == pytest.approx(16 * 14, rel=0.2)


def test_a_lesion_that_no_pixel_of_the_box_shows_is_left_out():
    mask = np.zeros((SIDE, SIDE, 1), np.uint8)
    mask[2:5, 55:60] = 1
    assert not find_crop(draw_square(), 48, 30).mask(mask, 1).any()


def test_pixels_of_a_mask_are_lesion_where_half_of_them_is():
    square = np.zeros((8, 8), np.uint8)
    square[:, :4] = 200
    mask = np.zeros((8, 8, 1), np.uint8)
    mask[0, 0] = mask[0, 1] = mask[4, 2] = 1
    crop = find_crop(square, 4, 4)
    assert crop.window == (0, 0, 8, 8)
    np.testing.assert_array_equal(crop.mask(mask, 1)[..., 0], np.eye(4)[0] * np.eye(4)[0][:, None])


def test_a_label_outside_of_the_box_is_black():
    square = draw_square()
    square[58:63, 50:60] = 255
    assert find_crop(square, 48, 48).image(square[..., None]).max() < 245


def test_all_channels_are_cut_alike():
    square = draw_square("right")
    stack = np.stack([square // 2, square, 255 - square], axis=-1)
    crop = find_crop(square, 48, 30)
    for index in range(3):
        np.testing.assert_array_equal(crop.image(stack)[..., [index]], crop.image(stack[..., [index]]))


def test_outside_of_the_box_the_background_is_certain():
    crop = find_crop(draw_square(), 48, 30)
    back = crop.back(np.full((48, 30, 3), 1 / 3, np.float32))
    assert back.shape == (SIDE, SIDE, 3)
    np.testing.assert_array_equal(back[:, 40:], np.broadcast_to(np.float32([1, 0, 0]), (SIDE, 24, 3)))
    np.testing.assert_allclose(back[32, 5], 1 / 3)
    np.testing.assert_allclose(back.sum(-1), 1, rtol=1e-6)


def test_a_black_image_is_cropped_to_all_of_it():
    crop = find_crop(np.zeros((SIDE, SIDE), np.uint8), 40, 25)
    assert crop.box == (0, 0, SIDE, SIDE)
    assert crop.back(np.ones((40, 25, 1), np.float32)).shape == (SIDE, SIDE, 1)


def test_pairs_are_read_cropped(tmp_path, write_pair):
    samples = []
    for variant in ("original", "rotated_90"):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[28:36, 2:10] = 255
        write_pair(tmp_path, "train", variant, vary(draw_square(), variant), vary(mask, variant))
        image = tmp_path / f"train/images/{variant}.png"
        samples.append(Sample(variant, "train", image, tmp_path / f"train/masks/{variant}.png", "a", variant, "", ""))
    images, masks = read_all(samples, PairFormat(48, 30, 1, crop="breast"))
    assert images.shape == masks.shape == (2, 48, 30, 1)
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_array_equal(masks[0], masks[1])
    assert 0 < masks[0].sum() < 48 * 30 / 4
