import math
import os
import pickle
import subprocess
import sys

import numpy as np
import pydantic
import pytest
import tensorflow as tf
from keras import ops
from skips import need_package

from segmenter.augmentation import VARIATIONS, Draw, apply, draw, make_variation
from segmenter.augmentation.geometry import flip_and_turn, sample, source_places
from segmenter.backend import compiled
from segmenter.configuration.augmentation import FARTHEST, STEEPEST

SIDE = 96
MIDDLE = (SIDE - 1) / 2
SEED = 7
EVERYTHING = {
    "vflip": True,
    "hflip": True,
    "rotation": True,
    "angle_range": (-20.0, 20.0),
    "shrinks": (0.8, 0.9),
    "shears": (0.1,),
} | dict.fromkeys(VARIATIONS[5:], True)


def draw_one(configuration, number):
    """The draw for one pair, a batch of one."""
    return draw(configuration, SEED, np.array([number]))


def given(**values):
    """A draw for one pair in which these variations happen; None for one without a value."""
    arrays = {name: np.array([value], np.float32) for name, value in values.items() if value is not None}
    return Draw({name: np.array([True]) for name in values}, arrays, {}, np.array([5], np.int32))


def apply_one(configuration, drawn, image, mask):
    images, masks = (ops.convert_to_numpy(squares) for squares in apply(configuration, drawn, image[None], mask[None]))
    assert images.dtype == masks.dtype == np.uint8
    return images[0], masks[0]


@pytest.fixture
def rectangle(configure):
    """A configuration of rectangles with variations of [augmentor], each of which happens."""

    def make(**variations):
        keys = {f"augmentor__{name}": value for name, value in variations.items()}
        size = {"model__image_height": 96, "model__image_width": 64, "dataset__crop": "breast"}
        return configure(**size, augmentor__probability=1.0, **keys)

    return make


def test_flips_of_rectangles_are_exact(rectangle):
    image, mask = (np.random.default_rng(3).integers(0, 2, (96, 64, 1), np.uint8) for _ in range(2))
    drawn = draw_one(rectangle(vflip=True, hflip=True, rotation=True, angles=[180.0]), 1)
    for changed, plain in zip(apply_one(rectangle(), drawn, 200 * image, mask), (200 * image, mask), strict=True):
        np.testing.assert_array_equal(changed, plain)  # a half turn undoes both flips
    drawn = draw_one(rectangle(vflip=True), 1)
    np.testing.assert_array_equal(apply_one(rectangle(), drawn, image, mask)[0], image[::-1])


def test_a_rectangle_moves_as_the_middle_of_a_square_does(rectangle):
    configuration = rectangle(**EVERYTHING)
    drawn = draw_one(configuration, 2)
    y, x = (ops.convert_to_numpy(positions)[0] for positions in source_places(configuration, drawn, 96, 64))
    whole_y, whole_x = (ops.convert_to_numpy(positions)[0] for positions in source_places(configuration, drawn, 96, 96))
    np.testing.assert_allclose(y, whole_y[:, 16:80], atol=1e-3)
    np.testing.assert_allclose(x, whole_x[:, 16:80] - 16, atol=1e-3)


def test_rectangles_get_all_variations(rectangle):
    configuration = rectangle(**EVERYTHING)
    generator = np.random.default_rng(4)
    images, masks = generator.integers(0, 256, (4, 96, 64, 1), np.uint8), generator.integers(0, 2, (4, 96, 64, 1), np.uint8)
    varied = [
        ops.convert_to_numpy(pixels) for pixels in apply(configuration, draw(configuration, SEED, np.arange(4)), images, masks)
    ]
    assert [pixels.shape for pixels in varied] == [images.shape, masks.shape]
    assert (varied[0] != images).mean() > 0.5
    assert set(np.unique(varied[1])) == {0, 1}


@pytest.fixture
def augment(configure):
    """Augments a pair once, with all variations of [augmentor] that are named; other sections as section__key."""

    def run(image, mask, *, number=1, **changes):
        keys = {key if "__" in key else f"augmentor__{key}": value for key, value in changes.items()}
        configuration = configure(**{"augmentor__probability": 1.0} | keys)
        return apply_one(configuration, draw_one(configuration, number), image, mask)

    return run


def disc(x, y, radius):
    """A bright disc on gray and its mask; the centre is given from the middle of the image, y down."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - MIDDLE
    inside = ((rows - y) ** 2 + (columns - x) ** 2 <= radius**2)[..., None]
    return np.where(inside, 200, 100).astype(np.uint8), inside.astype(np.uint8)


def centre(mask):
    """x and y of a mask's centre, from the middle of the image."""
    rows, columns = np.nonzero(mask[..., 0])
    return columns.mean() - MIDDLE, rows.mean() - MIDDLE


def noise_pair(channels=1, side=16):
    random = np.random.default_rng(2)
    return random.integers(0, 256, (side, side, channels), np.uint8), random.integers(0, 3, (side, side, 1), np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, lambda square: square, id="nothing"),
        pytest.param({"vflip": True}, lambda square: square[::-1], id="vflip"),
        pytest.param({"hflip": True}, lambda square: square[:, ::-1], id="hflip"),
        pytest.param({"rotation": True, "angles": (90.0,)}, lambda square: np.rot90(square), id="90"),
        pytest.param({"rotation": True, "angles": (180.0,)}, lambda square: np.rot90(square, 2), id="180"),
        pytest.param({"rotation": True, "angles": (270.0,)}, lambda square: np.rot90(square, 3), id="270"),
        pytest.param({"rotation": True, "angles": (-90.0,)}, lambda square: np.rot90(square, 3), id="-90"),
        pytest.param({"rotation": True, "angle_range": (90.0, 90.0)}, lambda square: np.rot90(square), id="range of 90"),
        pytest.param(
            {"vflip": True, "rotation": True, "angles": (90.0,)}, lambda square: np.rot90(square[::-1]), id="vflip, then 90"
        ),
    ],
)
def test_flips_and_quarter_turns_move_whole_pixels(settings, expected, channels, augment):
    pair = noise_pair(channels)
    for before, after in zip(pair, augment(*pair, **settings), strict=True):
        np.testing.assert_array_equal(after, expected(before))


def test_all_sixteen_flips_and_turns_are_those_of_numpy(configure):
    square = np.arange(9, dtype=np.uint8).reshape(3, 3, 1)
    cases = list(np.ndindex(2, 2, 4))
    vflips, hflips, quarters = np.array(cases).T
    happens = {"vflip": vflips > 0, "hflip": hflips > 0, "rotation": np.full(16, True)}
    drawn = Draw(happens, {"rotation": np.float32(90 * quarters)}, {}, np.arange(16, dtype=np.int32))
    squares = np.tile(square, (16, 1, 1, 1))
    sampled = sample(np.full(16, True), squares, squares, *source_places(configure(), drawn, 3, 3))
    for ours in (flip_and_turn(drawn, squares), *sampled):
        for (vflip, hflip, turns), result in zip(cases, ops.convert_to_numpy(ours), strict=True):
            flipped = square[:: -1 if vflip else 1, :: -1 if hflip else 1]
            np.testing.assert_array_equal(result, np.rot90(flipped, turns), err_msg=f"{vflip}, {hflip}, {turns}")


def test_flips_and_quarter_turns_stay_exact_where_other_pairs_are_interpolated(configure):
    configuration = configure(augmentor__vflip=True, augmentor__rotation=True, augmentor__angles=(90.0, 10.0))
    happens = {"vflip": np.array([True, False, False]), "rotation": np.array([True, True, False])}
    drawn = Draw(happens, {"rotation": np.float32([90, 10, 10])}, {}, np.zeros(3, np.int32))
    pair = noise_pair(3, 33)
    for before, after in zip(pair, apply(configuration, drawn, *(np.stack([square] * 3) for square in pair)), strict=True):
        after = ops.convert_to_numpy(after)
        np.testing.assert_array_equal(after[0], np.rot90(before[::-1]))
        assert (after[1] != before).any()
        np.testing.assert_array_equal(after[2], before)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"rotation": True, "angles": (33.0,)}, id="rotation"),
        pytest.param({"rotation": True, "angle_range": (100.0, 110.0)}, id="rotation in a range"),
        pytest.param({"shrinks": (0.7,)}, id="shrink"),
        pytest.param({"shears": (0.2,)}, id="shear"),
        pytest.param({"deformation": True, "deformation__alpha": 1300.0}, id="deformation"),
        pytest.param({"distortion": True, "distortion__distortions": (0.05,)}, id="distortion"),
        pytest.param({"barrdistortion": True}, id="barrel"),
        pytest.param({"pincdistortion": True}, id="pincushion"),
        pytest.param({name: value for name, value in EVERYTHING.items() if name not in VARIATIONS[9:]}, id="all of them"),
    ],
)
def test_the_mask_goes_where_the_lesion_goes(settings, augment):
    image, mask = disc(9, -6, 24)
    moved, moved_mask = augment(image, mask, **settings)
    assert (moved_mask != mask).mean() > 0.005
    lesion = moved >= 150
    assert (lesion & (moved_mask > 0)).sum() / (lesion | (moved_mask > 0)).sum() > 0.97


@pytest.mark.parametrize(
    ("name", "value", "at", "lands"),
    [
        pytest.param("rotation", 90.0, (30, 0), (0, -30), id="counter-clockwise: from the right to the top"),
        pytest.param("rotation", 30.0, (30, 0), (30 * math.cos(math.pi / 6), -15), id="30 degrees"),
        pytest.param("rotation", 120.0, (30, 0), (-15, -30 * math.sin(math.pi / 3)), id="a quarter and 30 degrees"),
        pytest.param("shrinks", 0.5, (30, -20), (15, -10), id="towards the middle"),
        pytest.param("shears", (0.2, 0.0), (5, 30), (11, 30), id="along x"),
        pytest.param("shears", (0.0, -0.2), (30, 5), (30, -1), id="along y"),
    ],
)
def test_a_disc_lands_where_it_should(name, value, at, lands, configure):
    keys = {"rotation": {"rotation": True, "angle_range": (0.0, 180.0)}}.get(name, {name: (0.5,)})
    configuration = configure(**{f"augmentor__{key}": setting for key, setting in keys.items()})
    _, mask = apply_one(configuration, given(**{name: value}), *disc(*at, 8))
    assert centre(mask) == pytest.approx(lands, abs=0.3)


@pytest.mark.parametrize(("name", "source"), [("barrdistortion", 15.5), ("pincdistortion", 24.5)])
def test_a_barrel_moves_outwards_and_a_pincushion_inwards(name, source, configure):
    """At half the radius the source is 0.4 (1 - 1/4)^2 = 22.5 % nearer to the centre, or further off."""
    configuration = configure(**{f"augmentor__{name}": True, f"{name}__radius": 40 / SIDE, f"{name}__amount": 0.4})
    y, x = places(configuration, given(**{name: (0.5, 0.5)}), SIDE)
    # From one pixel on to the next, because the middle is between two.
    middle = math.floor(MIDDLE)
    for positions in (x[middle], y[:, middle]):
        assert np.interp(MIDDLE + 20, np.arange(SIDE), positions) - MIDDLE == pytest.approx(source, abs=0.05)
        assert np.interp(MIDDLE - 20, np.arange(SIDE), positions) - MIDDLE == pytest.approx(-source, abs=0.05)
        assert positions[-6:] == pytest.approx(np.arange(SIDE)[-6:])  # beyond the radius nothing moves
        assert (np.diff(positions) > 0).all()  # nor does the image fold


def test_a_lens_bulges_about_one_of_its_centres(augment):
    ramp = np.broadcast_to(np.arange(SIDE, dtype=np.uint8)[None, :, None], (SIDE, SIDE, 1))
    lens = {"barrdistortion": True, "barrdistortion__radius": 0.2, "barrdistortion__centers": ((0.25, 0.25), (0.25, 0.75))}
    halves = set()
    for number in range(8):
        moved, _ = augment(ramp, np.zeros_like(ramp), number=number, **lens)
        rows, columns = np.nonzero((moved != ramp)[..., 0])
        assert columns.max() < SIDE * 0.45
        halves.add(rows.mean() > MIDDLE)
    assert halves == {False, True}


def places(configuration, drawn, side):
    """The source positions of a draw for one pair, (2, side, side)."""
    return np.stack([ops.convert_to_numpy(positions)[0] for positions in source_places(configuration, drawn, side, side)])


def random_field(configure, side, number=5, **settings):
    keys = {key if "__" in key else f"augmentor__{key}": value for key, value in settings.items()}
    configuration = configure(augmentor__probability=1.0, **keys)
    return places(configuration, draw_one(configuration, number), side) - np.mgrid[:side, :side]


def test_deformation_is_as_strong_as_noise_smoothed_and_multiplied(configure):
    settings = {"deformation": True, "deformation__alpha": 180.0, "deformation__sigmoids": (12.0,)}
    field = random_field(configure, 512, **settings)
    # The deviation of uniform noise is 1 / sqrt(3); a Gaussian multiplies it by 1 / (2 sqrt(pi) sigma).
    expected = 180 / math.sqrt(3) / (2 * math.sqrt(math.pi) * 12)
    assert field[:, 40:-40, 40:-40].std(axis=(1, 2)) == pytest.approx([expected, expected], rel=0.1)
    half = random_field(configure, 256, **settings)
    np.testing.assert_allclose(half.std(), field.std() / 2, rtol=0.02)
    assert np.corrcoef(field[0].ravel(), field[1].ravel())[0, 1] == pytest.approx(0, abs=0.2)


def smallest_jacobian(field):
    """The smallest Jacobian determinant of the bilinear map between pixels, (2, side, side) displacements in pixels."""
    y, x = field + np.mgrid[: field.shape[1], : field.shape[2]]
    down, right = [np.diff(places, axis=0) for places in (y, x)], [np.diff(places, axis=1) for places in (y, x)]
    ends = slice(None, -1), slice(1, None)
    return min((down[0][:, column] * right[1][row] - down[1][:, column] * right[0][row]).min() for row in ends for column in ends)


@pytest.mark.parametrize("sigma", [8.0, 16.0, 32.0])
def test_no_field_folds_at_the_limits_and_beyond_them_fields_do(configure, monkeypatch, sigma):
    alpha = STEEPEST * math.sqrt(24 * math.pi) * sigma**2
    farthest = FARTHEST * sigma / 512

    def smallest(times):
        for name, keys in (
            ("deformation", {"deformation__alpha": alpha * times, "deformation__sigmoids": (sigma,)}),
            ("distortion", {"distortion__gaussian_filter_rsigma": sigma, "distortion__distortions": (farthest * times,)}),
        ):
            yield min(
                smallest_jacobian(random_field(configure, 128, **{name: True}, **keys, number=number)) for number in range(6)
            )

    assert min(smallest(0.999)) > 0
    with pytest.raises(pydantic.ValidationError, match="folds the image over itself"):
        next(smallest(1.01))
    with pytest.raises(pydantic.ValidationError, match="folds the image over itself"):
        configure(distortion__gaussian_filter_rsigma=sigma, distortion__distortions=(farthest * 1.01,))
    monkeypatch.setattr("segmenter.configuration.augmentation.STEEPEST", 1.0)
    monkeypatch.setattr("segmenter.configuration.augmentation.FARTHEST", 9.0)
    assert max(smallest(2.5)) < 0


def test_distortion_reaches_its_largest_displacement(configure):
    field = random_field(configure, SIDE, distortion=True, distortion__distortions=(0.05,))
    assert np.abs(field).max(axis=(1, 2)) == pytest.approx([0.05 * SIDE] * 2, rel=1e-3)


def test_straight_lines_stay_straight(configure):
    configuration = configure(augmentor__shrinks=(0.5,))
    for side in (SIDE, 300):
        np.testing.assert_allclose(
            places(configuration, given(shrinks=0.5), side), 2 * np.mgrid[:side, :side] - (side - 1) / 2, atol=1e-3
        )


def test_a_pair_is_sampled_as_keras_does():
    image, mask = noise_pair(1, SIDE)
    positions = np.random.default_rng(1).uniform(-3, SIDE + 2, (2, SIDE, SIDE)).astype(np.float32)
    sampled = sample(np.array([True]), image[None], mask[None], *positions[:, None])
    ours, ours_mask = (ops.convert_to_numpy(squares)[0] for squares in sampled)
    theirs = ops.image.map_coordinates(image[..., 0].astype(np.float32), positions, order=1, fill_mode="constant")
    # Keras cuts off between the border and the black around; ours fades there.
    inside = ((positions >= 0) & (positions <= SIDE - 1)).all(axis=0)
    np.testing.assert_allclose(ours[..., 0][inside], ops.convert_to_numpy(theirs)[inside], atol=0.51)
    nearest = ops.image.map_coordinates(mask[..., 0], positions, order=0, fill_mode="constant")
    np.testing.assert_array_equal(ours_mask[..., 0][inside], ops.convert_to_numpy(nearest)[inside])


def test_what_comes_from_outside_is_black_and_background(augment):
    image, mask = augment(np.full((SIDE, SIDE, 1), 255, np.uint8), np.ones((SIDE, SIDE, 1), np.uint8), shrinks=(0.5,))
    inner = slice(SIDE // 4 + 1, SIDE - SIDE // 4 - 1)
    assert (image[inner, inner] == 255).all()
    assert (mask[inner, inner] == 1).all()
    assert image[..., 0].sum() == pytest.approx(255 * (SIDE / 2) ** 2, rel=0.05)
    assert mask.sum() == (SIDE / 2) ** 2


def test_classes_stay_classes(augment):
    """Between class 2 and the background lies no class 1."""
    _, two = disc(0, 0, 30)
    for number in range(4):
        image, mask = augment(two * 90, two * 2, number=number, **EVERYTHING)
        assert np.unique(mask).tolist() == [0, 2]
        assert image.shape == mask.shape == (SIDE, SIDE, 1)


def levels(*columns):
    """An image of four rows whose columns have these gray levels, and a mask of noise."""
    return np.tile(np.array(columns, np.uint8)[None, :, None], (len(columns), 1, 1)), noise_pair(side=len(columns))[1]


@pytest.mark.parametrize(
    ("settings", "before", "after"),
    [
        pytest.param(
            {"brightening": True, "brightening__alpha": 1.5, "brightening__beta": 20.0},
            (0, 8, 100, 240),
            (0, 20, 170, 255),
            id="brightening: black stays, 8 is changed by half",
        ),
        pytest.param(
            {"brightening": True, "brightening__alpha": 1.0, "brightening__beta": -30.0},
            (0, 20, 100, 240),
            (0, 0, 70, 210),
            id="darkening",
        ),
        pytest.param(
            {"contrast": True, "contrast__factors": (2.0, 2.0)},
            (0, 100, 150, 125),
            (0, 75, 175, 125),
            id="contrast about the mean of what is not black",
        ),
        pytest.param(
            {"contrast": True, "contrast__factors": (0.5, 0.5)}, (0, 100, 150, 125), (0, 112, 138, 125), id="less contrast"
        ),
        pytest.param({"gamma": True, "gamma__exponents": (2.0, 2.0)}, (0, 51, 102, 255), (0, 10, 41, 255), id="gamma"),
    ],
)
def test_gray_levels_change_as_computed_by_hand(settings, before, after, augment):
    image, mask = levels(*before)
    changed, same = augment(image, mask, **settings)
    np.testing.assert_array_equal(changed, levels(*after)[0])
    np.testing.assert_array_equal(same, mask)


@pytest.mark.parametrize(
    ("name", "section", "key"), [("contrast", "contrast", "factors"), ("gamma", "gamma", "exponents"), ("blur", "blur", "sigmas")]
)
def test_amounts_are_drawn_between_their_ends(name, section, key, configure):
    configuration = configure(**{f"augmentor__{name}": True, f"{section}__{key}": (0.5, 2.0)})
    values = draw(configuration, SEED, np.arange(20)).values[name]
    assert 0.5 <= values.min() < 0.8
    assert 1.7 < values.max() <= 2.0


def test_noise_has_its_standard_deviation_and_is_gray(configure):
    image = np.full((SIDE, SIDE, 3), 100, np.uint8)
    image[:10] = 0
    noisy, mask = apply_one(configure(augmentor__noise=True), given(noise=6.0), image, image[..., :1])
    noisy = noisy.astype(int)
    np.testing.assert_array_equal(mask, image[..., :1])
    assert noisy[10:].std() == pytest.approx(6, rel=0.05)
    assert noisy[10:].mean() == pytest.approx(100, abs=0.3)
    assert (noisy[:10] == 0).all()
    assert (noisy == noisy[..., :1]).all()
    gray = noisy[10:, :, 0] - 100
    for shift in ((0, 1), (1, 0), (1, 1), (0, 2), (8, 0)):
        assert np.corrcoef(gray.ravel(), np.roll(gray, shift, (0, 1)).ravel())[0, 1] == pytest.approx(0, abs=0.04), shift
    # A normal distribution has a kurtosis of 3.
    assert (gray**4).mean() / (gray**2).mean() ** 2 == pytest.approx(3, abs=0.25)


def test_no_two_pairs_have_the_same_noise(configure):
    configuration = configure(augmentor__noise=True, augmentor__probability=1.0)
    drawn = draw(configuration, SEED, np.arange(4))._replace(values={"noise": np.full(4, 6.0, np.float32)})
    gray = np.full((4, SIDE, SIDE, 1), 100, np.uint8)
    noisy = ops.convert_to_numpy(apply(configuration, drawn, gray, gray)[0]).reshape(4, -1)
    np.testing.assert_allclose(np.corrcoef(noisy), np.eye(4), atol=0.05)


def test_blur_keeps_the_sum_up_to_the_border(augment):
    image, mask = disc(-40, -40, 20)
    blurred, same = augment(image - 100, mask, blur=True, blur__sigmas=(1.5, 1.5))
    assert blurred.sum() == pytest.approx((image - 100).sum(dtype=int), rel=0.003)
    assert np.abs(np.diff(blurred.astype(int), axis=0)).max() < 0.4 * 100
    np.testing.assert_array_equal(same, mask)
    dot = np.zeros((9, 9, 1), np.uint8)
    dot[4, 4] = 255
    around, _ = augment(dot, dot, blur=True, blur__sigmas=(1.0, 1.0))
    peak = 1 / sum(math.exp(-0.5 * place**2) for place in range(-3, 4))
    assert around[4, 4, 0] == round(255 * peak**2)
    assert around[4, 5, 0] == around[3, 4, 0] == round(255 * peak**2 * math.exp(-0.5))


def test_sharpening_raises_an_edge_and_leaves_flat_areas(augment):
    image, mask = levels(*[50] * 6, *[150] * 6)
    sharp, same = augment(image, mask, sharpening=True, sharpening__k=1.0)
    weights = [math.exp(-0.5 * place**2) for place in range(-2, 3)]
    over = 100 * sum(weights[3:]) / sum(weights)  # the error of the smoothed edge next to it
    assert sharp[3, :, 0].tolist()[:3] == [50] * 3
    assert sharp[3, 5:7, 0].tolist() == [round(50 - over), round(150 + over)]
    np.testing.assert_array_equal(same, mask)


def assert_alike(ours, theirs):
    """Masks and images agree; rounding may move 1 pixel in 1,000 by one gray level, or to the next pixel of the mask."""
    images, masks = (np.abs(np.asarray(one, int) - np.asarray(other, int)) for one, other in zip(ours, theirs, strict=True))
    assert (images > 1).mean() < 0.001
    assert (images > 0).mean() < 0.01
    assert (masks > 0).mean() < 0.001


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"hflip": True, "rotation": True, "angle_range": (-20.0, 20.0), "gamma": True, "noise": True}, id="some"),
        pytest.param(EVERYTHING, id="all", marks=pytest.mark.slow),  # to compile all of them takes seconds
    ],
)
def test_a_pair_depends_only_on_seed_and_number_directly_and_inside_a_data_set(settings, configure):
    configuration = configure(**{f"augmentor__{key}": value for key, value in settings.items()})
    pair = [np.stack([square] * 2) for square in disc(5, 5, 20)]
    variation = make_variation(configuration, SEED)
    drawn, vary = variation.draw(np.arange(4)), compiled(variation.apply)
    pair = [np.repeat(square, 2, axis=0) for square in pair]
    data = tf.data.Dataset.from_tensor_slices((drawn, *pair)).batch(2).map(vary)
    mapped = [np.concatenate(batches) for batches in zip(*data.as_numpy_iterator(), strict=True)]
    direct = apply(configuration, drawn, *pair)
    assert_alike(mapped, direct)
    for (images, masks), before in zip(data.as_numpy_iterator(), mapped[0].reshape(2, 2, SIDE, SIDE, 1), strict=True):
        np.testing.assert_array_equal(images, before)
        assert masks.shape == images.shape
    assert len({image.tobytes() for image in mapped[0]}) == 4
    other = draw(configuration, SEED + 1, np.arange(4))
    assert (other.seeds != draw(configuration, SEED, np.arange(4)).seeds).all()


def test_a_batch_is_varied_as_its_pairs_are_one_by_one(configure):
    configuration = configure(**{f"augmentor__{key}": value for key, value in EVERYTHING.items()})
    pairs = [disc(x, -6, 20) for x in range(5)]
    together = apply(configuration, draw(configuration, SEED, np.arange(5)), *map(np.stack, zip(*pairs, strict=True)))
    apart = [apply_one(configuration, draw_one(configuration, number), *pair) for number, pair in enumerate(pairs)]
    assert_alike(together, list(map(np.stack, zip(*apart, strict=True))))


BY_BACKEND = """
import pickle, sys
import numpy as np
from keras import ops
from segmenter.augmentation import apply, draw
from segmenter.backend import compiled
configuration, seed, numbers, images, masks = pickle.load(sys.stdin.buffer)
vary = lambda drawn, *pair: apply(configuration, drawn, *pair)
pairs = [function(draw(configuration, seed, numbers), images, masks) for function in (vary, compiled(vary))]
pickle.dump([[ops.convert_to_numpy(squares) for squares in pair] for pair in pairs], sys.stdout.buffer)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_give_the_same_pairs(configure, backend):
    need_package(backend)
    turns = configure(augmentor__vflip=True, augmentor__hflip=True, augmentor__rotation=True)
    everything = configure(**{f"augmentor__{key}": value for key, value in EVERYTHING.items()})
    images, masks = (np.stack(squares) for squares in zip(*[disc(x, -6, 20) for x in range(6)], strict=True))
    for configuration in (turns, everything):
        ours = apply(configuration, draw(configuration, SEED, np.arange(6)), images, masks)
        process = subprocess.run(
            [sys.executable, "-c", BY_BACKEND],
            input=pickle.dumps((configuration, SEED, np.arange(6), images, masks)),
            capture_output=True,
            env=os.environ | {"KERAS_BACKEND": backend},
        )
        assert process.returncode == 0, process.stderr.decode()
        for theirs in pickle.loads(process.stdout):
            assert_alike(ours, theirs)
            if configuration is turns:
                np.testing.assert_array_equal(theirs[0], ours[0])
                np.testing.assert_array_equal(theirs[1], ours[1])


@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_each_variation_happens_with_the_probability(probability, configure):
    keys = {f"augmentor__{key}": value for key, value in EVERYTHING.items()}
    happens = draw(configure(augmentor__probability=probability, **keys), SEED, np.arange(500)).happens
    assert list(happens) == list(VARIATIONS)
    for name, happened in happens.items():
        assert happened.mean() == pytest.approx(probability, abs=0 if probability == 1 else 0.08), name


def test_a_variation_that_is_off_is_not_drawn_and_leaves_the_others_alone(configure):
    alone = draw_one(configure(augmentor__gamma=True), 1)
    assert list(alone.happens) == list(alone.values) == ["gamma"]
    both = draw_one(configure(augmentor__gamma=True, augmentor__hflip=True, augmentor__shrinks=(0.5,)), 1)
    assert list(both.happens) == ["hflip", "shrinks", "gamma"]
    assert both.happens["gamma"] == alone.happens["gamma"]
    assert both.values["gamma"] == alone.values["gamma"]


def test_variations_that_do_not_happen_do_not_change_the_pair(configure):
    configuration = configure(**{f"augmentor__{key}": value for key, value in EVERYTHING.items()})
    drawn = draw_one(configuration, 1)
    values = drawn.values | {"shears": np.float32([[0.2, 0.0]])}
    lattices = {name: np.zeros_like(lattice) for name, lattice in drawn.lattices.items()}
    happens = {name: np.array([name == "shears"]) for name in VARIATIONS}
    pair = disc(9, -6, 24)
    mixed = apply_one(configuration, Draw(happens, values, lattices, drawn.seeds), *pair)
    for ours, alone in zip(mixed, apply_one(configuration, given(shears=(0.2, 0.0)), *pair), strict=True):
        np.testing.assert_array_equal(ours, alone)


def test_fields_are_drawn_only_for_the_pairs_that_have_them(configure):
    configuration = configure(augmentor__deformation=True, augmentor__distortion=True)
    drawn = draw(configuration, SEED, np.arange(20))
    for name, lattices in drawn.lattices.items():
        np.testing.assert_array_equal(lattices.any(axis=(1, 2, 3)), drawn.happens[name])
        assert 0 < drawn.happens[name].sum() < 20


def test_a_draw_does_not_depend_on_the_batch(configure):
    configuration = configure(**{f"augmentor__{key}": value for key, value in EVERYTHING.items()})
    together, alone = draw(configuration, SEED, np.array([4, 9])), draw_one(configuration, 9)
    for name in VARIATIONS:
        assert together.happens[name][1] == alone.happens[name][0]
    for ours, theirs in ((together.values, alone.values), (together.lattices, alone.lattices)):
        assert list(ours) == list(theirs)
        for name in ours:
            np.testing.assert_array_equal(ours[name][1], theirs[name][0])
    assert together.seeds[1] == alone.seeds[0]


def test_a_draw_stays_the_same_from_version_to_version(configure):
    """So a run can be repeated with another version of NumPy."""
    drawn = draw(configure(augmentor__gamma=True, augmentor__distortion=True, augmentor__probability=0.6), 3, np.arange(3))
    assert drawn.happens["gamma"].tolist() == [False, True, False]
    assert drawn.values["gamma"].tolist() == pytest.approx([0.98101, 1.10517, 1.147], abs=1e-4)
    assert drawn.lattices["distortion"][:, 0, 0, :2].ravel().tolist() == pytest.approx(
        [0.126, 0.402, 0, 0, 0.290, 0.318], abs=1e-3
    )
    assert drawn.seeds.tolist() == [8181496, 12705192, 9077923]


def test_variations_are_drawn_apart_from_each_other(configure):
    configuration = configure(augmentor__hflip=True, augmentor__vflip=True)
    happens = draw(configuration, SEED, np.arange(40)).happens
    assert len(set(zip(happens["hflip"], happens["vflip"], strict=True))) == 4


def test_one_of_the_listed_angles_is_drawn(configure):
    configuration = configure(augmentor__rotation=True, augmentor__angles=(90.0, 30.0, 270.0))
    assert set(draw(configuration, SEED, np.arange(30)).values["rotation"].tolist()) == {90.0, 30.0, 270.0}


def test_shears_have_both_signs_and_both_axes(configure):
    configuration = configure(augmentor__shears=(0.25,))
    shears = draw(configuration, SEED, np.arange(30)).values["shears"]
    assert set(map(tuple, shears.tolist())) == {(0.25, 0.0), (-0.25, 0.0), (0.0, 0.25), (0.0, -0.25)}


def test_three_channels_are_varied_as_one(augment):
    image, mask = disc(5, 5, 20)
    for number in range(3):
        gray, gray_mask = augment(image, mask, number=number, **EVERYTHING)
        color, color_mask = augment(np.repeat(image, 3, axis=-1), mask, number=number, **EVERYTHING)
        np.testing.assert_array_equal(color, np.repeat(gray, 3, axis=-1))
        np.testing.assert_array_equal(color_mask, gray_mask)


def test_all_sides_are_taken(augment):
    """8 px is the smallest that a configuration may name."""
    for side in (8, 160):
        image, mask = augment(*noise_pair(3, side), **EVERYTHING)
        assert image.shape == (side, side, 3)
        assert mask.shape == (side, side, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param(
            {"deformation__alpha": 1300.0, "deformation__sigmoids": (8.0,)},
            "alpha 1300 with sigmoids 8 folds the image over itself; expected an alpha of at most 83, or larger sigmoids",
            id="folds",
        ),
        pytest.param({"deformation__sigmoids": (0.0,)}, "holds 0; expected numbers above 0", id="no sigma"),
        pytest.param({"distortion__distortions": ()}, "at least 1 item", id="nothing to draw"),
        pytest.param(
            {"contrast__factors": (1.2, 0.8)},
            r"\[1.2, 0.8\] is not in ascending order; expected \[lowest, highest\]",
            id="descending",
        ),
        pytest.param({"augmentor__angle_range": (20.0, -20.0)}, r"\[20, -20\] is not in ascending order", id="angles"),
        pytest.param({"augmentor__shears": (1.5,)}, "shears holds 1.5; expected numbers above 0 and below 1", id="shear"),
        pytest.param({"barrdistortion__amount": 1.0}, "less than 1", id="lens"),
    ],
)
def test_settings_that_cannot_be_drawn_are_refused(settings, message, configure):
    with pytest.raises(pydantic.ValidationError, match=message):
        configure(**settings)


def test_the_annotated_channel_of_a_view_stays_a_copy_whatever_is_drawn(augment):
    image, mask = disc(5, -10, 20)
    other = np.roll(image, 7, axis=1)
    stacked = np.concatenate([other, image, image], axis=-1)
    varied, moved = augment(stacked, mask, **EVERYTHING)
    np.testing.assert_array_equal(varied[..., 1], varied[..., 2])
    assert (varied != stacked).any()
    assert (varied[..., 0] != varied[..., 1]).any()
    # What moves one image of the view moves the other: where they were equal there is one level still.
    plain, _ = augment(np.repeat(image, 3, axis=-1), mask, **EVERYTHING)
    np.testing.assert_array_equal(plain[..., 0], plain[..., 1])
    missing = np.concatenate([np.zeros_like(image), image, image], axis=-1)
    assert not augment(missing, mask, **EVERYTHING)[0][..., 0].any(), "a missing image stays black"
    np.testing.assert_array_equal(augment(missing, mask, **EVERYTHING)[1], moved)
