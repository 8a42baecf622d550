"""A partner is laid over its image by translation."""

import cv2
import numpy as np
import pytest

from pipeline.geometry import Registration, lay_over, register, registration


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


def gradients_by_definition(image, reduced):
    """Of the image reduced to `reduced` px and smoothed by 2 px: differences weighted as by Sobel; 4 levels are noise."""
    side = max(image.shape)
    padded = np.pad(image, ((0, side - image.shape[0]), (0, side - image.shape[1])), mode="edge")
    small = cv2.resize(padded, (reduced, reduced), interpolation=cv2.INTER_AREA).astype(np.float32)
    smooth = cv2.GaussianBlur(small[: image.shape[0] * reduced // side, : image.shape[1] * reduced // side], (0, 0), 2.0)
    framed = np.pad(smooth, 1, mode="reflect")
    across = (framed[:, 2:] - framed[:, :-2]) / 8
    down = (framed[2:] - framed[:-2]) / 8
    x = across[:-2] + 2 * across[1:-1] + across[2:]
    y = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    length = np.sqrt(x**2 + y**2 + 16)
    return x / length, y / length


@pytest.mark.parametrize("size", [(200, 320), (900, 1100)], ids=["as it is", "reduced to 512 px"])
def test_gradients_are_those_of_the_definition(size):
    image = view("DM", size=size)
    found = registration._gradients(image, max(image.shape))
    for field, expected in zip(found, gradients_by_definition(image, min(512, max(image.shape))), strict=True):
        np.testing.assert_allclose(field, expected, atol=1e-4)


def test_a_partner_has_the_scale_of_the_image_and_its_border_is_no_edge():
    partner = np.full((300, 400), 180, np.uint8)
    x, y = registration._gradients(partner, 1024)
    assert x.shape == y.shape == (150, 200)
    assert np.abs(x).max() == np.abs(y).max() == 0


def test_the_agreement_of_a_shift_is_that_of_the_parallel_parts_of_gradients():
    """Against sums over the overlap, shift by shift."""
    rng = np.random.default_rng(3)
    one, other = ([field.astype(np.float32) for field in rng.uniform(-0.7, 0.7, (2, *shape))] for shape in ((30, 24), (26, 28)))
    scores = registration._agreement_by_shift(one, other)
    assert scores.shape[0] >= 30 + 26
    assert scores.shape[1] >= 24 + 28
    for dx, dy in ((0, 0), (2, 3), (-1, 2), (-3, -2), (1, -1)):
        rows, columns = slice(max(0, dy), min(30, 26 + dy)), slice(max(0, dx), min(24, 28 + dx))
        ax, ay = (field[rows, columns] for field in one)
        moved = slice(rows.start - dy, rows.stop - dy), slice(columns.start - dx, columns.stop - dx)
        bx, by = (field[moved] for field in other)
        parallel = ((ax * bx + ay * by) ** 2).sum()
        most = np.sqrt((ax**2 + ay**2).sum() * (bx**2 + by**2).sum())
        assert scores[dy, dx] == pytest.approx(parallel / most, rel=1e-4)
    assert scores[20, 0] == 0, "too little of the smaller image lies in the other one"


@pytest.mark.parametrize("top", [61, 62, 63, 64, 65])
def test_a_shift_of_large_images_is_found_between_the_pixels_of_the_reduced_ones(top):
    image, partner = view("DM", size=(1000, 1400)), view("CM", top=top, left=2 * top, size=(1000, 1400))
    found = register(image, partner)
    assert (found.dx_px, found.dy_px) == pytest.approx((2 * top, top), abs=1)
    back = register(partner, image)
    assert (back.dx_px, back.dy_px) == (-found.dx_px, -found.dy_px)


def test_a_peak_lies_between_its_neighbors_as_a_parabola_through_them_does():
    scores = np.zeros(12)
    scores[[2, 3, 4]] = [0.2, 0.5, 0.4]
    assert registration._peak(scores, 3) == pytest.approx(3.25)
    assert registration._peak(np.roll(scores, 6), 9) == pytest.approx(-2.75), "the second half holds negative shifts"
    assert registration._peak(np.roll(scores, -3), 0) == pytest.approx(0.25)
    assert registration._peak(np.roll(scores, -4), 11) == pytest.approx(-0.75)
    scores[2] = 0
    assert registration._peak(scores, 3) == 3, "next to a shift that is ruled out"
    assert registration._peak(np.full(4, 0.5), 1) == 1, "no peak"


def test_the_agreement_is_the_overlap_of_both_breasts_within_both_frames():
    image = np.zeros((60, 90), bool)
    image[10:50, :40] = True
    assert registration._overlap(image, image, 0, 0) == 1
    assert registration._overlap(image, image, 20, 0) == pytest.approx(20 / 40), "only what the partner reaches counts"
    assert registration._overlap(image, image[:, :20], 0, 0) == 1
    assert registration._overlap(image, ~image, 0, 0) == 0
    assert registration._overlap(image, np.zeros((5, 5), bool), 0, 0) == 0
