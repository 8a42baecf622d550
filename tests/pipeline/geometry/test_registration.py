"""A partner is laid over its image by translation."""

import cv2
import numpy as np
import pytest

from pipeline.geometry import Registration, lay_over, register


def view(kind, left=0, top=0, right=0, bottom=0, size=(200, 320), seed=1):
    """The image of a breast, cropped: ducts are bright in one kind and dark in the other, and tissue is in one only."""
    width, height = size
    rng = np.random.default_rng(seed)
    skin = cv2.ellipse(np.zeros((height, width), np.uint8), (0, height // 2), (width - 30, height // 2 - 25), 0, 0, 360, 1, -1)
    image = np.where(skin, 60, 0).astype(np.float32)
    if kind == "DM":
        image += cv2.GaussianBlur(rng.normal(0, 300, (height, width)).astype(np.float32), (0, 0), 12) * skin
    for _ in range(12):
        start, end = ((int(rng.integers(0, width)), int(rng.integers(0, height))) for _ in range(2))
        duct = cv2.line(np.zeros_like(skin), start, end, 1, 3) & skin
        image += np.where(duct, 40 if kind == "DM" else -30, 0)
    image = np.clip(image, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image[top : height - bottom, left : width - right])


@pytest.mark.parametrize(
    ("crop", "shift"),
    [
        pytest.param({}, (0, 0), id="uncropped"),
        pytest.param({"top": 24}, (0, 24), id="partner cropped above"),
        pytest.param({"left": 15, "bottom": 9}, (15, 0), id="partner cropped at the wall and below"),
        pytest.param({"right": 12, "bottom": 20}, (0, 0), id="cropped on the far sides: nothing to move"),
    ],
)
def test_a_crop_is_undone_and_the_way_back_is_the_opposite(crop, shift):
    image, partner = view("DM"), view("CM", **crop)
    found, back = register(image, partner), register(partner, image)
    assert (found.dx_px, found.dy_px) == pytest.approx(shift, abs=1)
    assert (back.dx_px, back.dy_px) == (-found.dx_px, -found.dy_px)
    assert found.agreement == back.agreement > 0.95


def test_both_may_be_cropped_and_the_smaller_one_may_be_first():
    found = register(view("CM", left=8, top=30), view("DM", top=5, right=20))
    assert (found.dx_px, found.dy_px) == pytest.approx((-8, -25), abs=1)


@pytest.mark.parametrize("pixels", [0, 130], ids=["black", "gray"])
def test_without_an_edge_nothing_moves(pixels):
    image = view("DM")
    plain = np.full((300, 190), pixels, np.uint8)
    for one, other in ((image, plain), (plain, image), (plain, plain)):
        found = register(one, other)
        assert (found.dx_px, found.dy_px) == (0, 0)
        assert 0 <= found.agreement <= 1


def test_a_shift_that_is_hardly_better_than_none_is_not_taken():
    """Horizontal lines, noisy: every shift along them is about as good as any other."""
    rng = np.random.default_rng(0)
    lines = np.repeat(np.arange(200) // 20 % 2 * 100, 300).reshape(200, 300)
    one, other = (np.clip(lines + rng.normal(20, 3, lines.shape), 0, 255).astype(np.uint8) for _ in range(2))
    found = register(one, other)
    assert (found.dx_px, found.dy_px) == (0, 0)


def test_sixteen_bits_are_registered_as_eight_are():
    image, partner = view("DM"), view("CM", top=24)
    expected = register(image, partner)
    assert register(image.astype(np.uint16) * 257, partner.astype(np.uint16) * 257) == expected
    assert register(image, partner.astype(np.uint16) * 257) == expected


def test_the_agreement_counts_where_both_images_reach():
    """Two half planes that overlap in half of what both cover; a third lies outside of the other image."""
    image = np.zeros((60, 90), np.uint8)
    image[:, :60] = 200
    found = register(image, image[:, :45])
    assert found == Registration(0, 0, 1.0)


@pytest.mark.parametrize(
    ("dx", "dy", "expected"),
    [
        (0, 0, [[1, 2, 0], [3, 4, 0]]),
        (2, 0, [[0, 0, 1], [0, 0, 3]]),
        (-1, 1, [[0, 0, 0], [2, 0, 0]]),
        (5, 0, [[0, 0, 0], [0, 0, 0]]),
        (0, -9, [[0, 0, 0], [0, 0, 0]]),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_partner_is_cut_and_padded_to_the_images_frame(dx, dy, expected, dtype):
    laid = lay_over(np.array([[1, 2], [3, 4]], dtype), 3, 2, dx, dy)
    assert laid.dtype == dtype
    assert laid.tolist() == expected


def test_a_large_partner_is_cut_on_all_sides():
    assert lay_over(np.arange(25).reshape(5, 5), 2, 3, -1, -1).tolist() == [[6, 7], [11, 12], [16, 17]]
