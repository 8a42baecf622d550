import math

import keras
import numpy as np
import pydantic
import pytest
import tensorflow as tf

from segmenter.augmentation import VARIATIONS, Draw, apply, draw, make_augmentation
from segmenter.augmentation.geometry import flip_and_turn, sample, source_places
from segmenter.configuration.augmentation import FARTHEST, STEEPEST

SIDE = 96
MIDDLE = (SIDE - 1) / 2
SEED = np.array([3, 5], np.int64)
EVERYTHING = {
    "vflip": True,
    "hflip": True,
    "rotation": True,
    "angle_range": (-20.0, 20.0),
    "shrinks": (0.8, 0.9),
    "shears": (0.1,),
} | dict.fromkeys(VARIATIONS[5:], True)


def seed(number):
    return tf.constant([7, number], tf.int64)


@pytest.fixture
def augment(configure):
    """Augments a pair once, with all variations of [augmentor] that are named; other sections as section__key."""

    def run(image, mask, *, number=1, **changes):
        keys = {key if "__" in key else f"augmentor__{key}": value for key, value in changes.items()}
        function = make_augmentation(configure(**{"augmentor__probability": 1.0} | keys))
        image, mask = function(tf.constant(image), tf.constant(mask), seed(number))
        assert image.dtype == mask.dtype == tf.uint8
        return image.numpy(), mask.numpy()

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


def test_all_sixteen_flips_and_turns_are_those_of_numpy():
    square = np.arange(9, dtype=np.uint8).reshape(3, 3, 1)
    for vflip, hflip, quarters in np.ndindex(2, 2, 4):
        flipped = square[:: -1 if vflip else 1, :: -1 if hflip else 1]
        ours = flip_and_turn(tf.constant(square), tf.constant(bool(vflip)), tf.constant(bool(hflip)), tf.constant(quarters))
        np.testing.assert_array_equal(ours, np.rot90(flipped, quarters), err_msg=f"{vflip}, {hflip}, {quarters}")


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
    drawn = Draw({name: tf.constant(True)}, {name: tf.constant(value, tf.float32)}, tf.constant(SEED))
    _, mask = apply(configuration, drawn, *(tf.constant(square) for square in disc(*at, 8)))
    assert centre(mask.numpy()) == pytest.approx(lands, abs=0.3)


@pytest.mark.parametrize(("name", "source"), [("barrdistortion", 15.5), ("pincdistortion", 24.5)])
def test_a_barrel_moves_outwards_and_a_pincushion_inwards(name, source, configure):
    """At half the radius the source is 0.4 (1 - 1/4)^2 = 22.5 % nearer to the centre, or further off."""
    configuration = configure(**{f"augmentor__{name}": True, f"{name}__radius": 40 / SIDE, f"{name}__amount": 0.4})
    drawn = Draw({name: tf.constant(True)}, {name: tf.constant([0.5, 0.5])}, tf.constant(SEED))
    y, x = source_places(configuration, drawn, tf.constant(0.0), SIDE)
    # From one pixel on to the next, because the middle is between two.
    middle = math.floor(MIDDLE)
    for positions in (x[middle].numpy(), y[:, middle].numpy()):
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


def random_field(configure, side, seed=SEED, **settings):
    keys = {key if "__" in key else f"augmentor__{key}": value for key, value in settings.items()}
    configuration = configure(augmentor__probability=1.0, **keys)
    places = tf.stack(
        source_places(
            configuration,
            draw(configuration, tf.constant(seed)),
            tf.constant(0.0),
            side,
        )
    )
    return places.numpy() - np.mgrid[:side, :side]


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
                smallest_jacobian(random_field(configure, 128, **{name: True}, **keys, seed=np.array([seed, 1])))
                for seed in range(6)
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


def test_straight_lines_stay_straight_between_the_nodes(configure):
    configuration = configure(augmentor__shrinks=(0.5,))
    drawn = Draw({"shrinks": tf.constant(True)}, {"shrinks": tf.constant(0.5)}, tf.constant(SEED))
    for side in (SIDE, 300):
        places = source_places(configuration, drawn, tf.constant(0.0), side)
        np.testing.assert_allclose(places, 2 * np.mgrid[:side, :side] - (side - 1) / 2, atol=1e-3)


def test_a_pair_is_sampled_as_keras_does():
    image, mask = noise_pair(1, SIDE)
    places = np.random.default_rng(1).uniform(-3, SIDE + 2, (2, SIDE, SIDE)).astype(np.float32)
    ours, ours_mask = sample(tf.constant(image), tf.constant(mask), *places)
    theirs = keras.ops.image.map_coordinates(image[..., 0].astype(np.float32), places, order=1, fill_mode="constant")
    # Keras cuts off between the border and the black around; ours fades there.
    inside = ((places >= 0) & (places <= SIDE - 1)).all(axis=0)
    np.testing.assert_allclose(ours[..., 0].numpy()[inside], theirs.numpy()[inside], atol=0.51)
    nearest = keras.ops.image.map_coordinates(mask[..., 0], places, order=0, fill_mode="constant")
    np.testing.assert_array_equal(ours_mask[..., 0].numpy()[inside], nearest.numpy()[inside])


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
    values = [float(draw(configuration, seed(number)).values[name]) for number in range(20)]
    assert 0.5 <= min(values) < 0.8
    assert 1.7 < max(values) <= 2.0


def test_noise_has_its_standard_deviation_and_is_gray(configure):
    image = np.full((SIDE, SIDE, 3), 100, np.uint8)
    image[:10] = 0
    drawn = Draw({"noise": tf.constant(True)}, {"noise": tf.constant(6.0)}, tf.constant(SEED))
    noisy, mask = apply(configure(augmentor__noise=True), drawn, tf.constant(image), tf.constant(image[..., :1]))
    noisy = noisy.numpy().astype(int)
    np.testing.assert_array_equal(mask, image[..., :1])
    assert noisy[10:].std() == pytest.approx(6, rel=0.05)
    assert noisy[10:].mean() == pytest.approx(100, abs=0.3)
    assert (noisy[:10] == 0).all()
    assert (noisy == noisy[..., :1]).all()


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


def test_a_pair_depends_only_on_the_seed_directly_and_inside_a_data_set(configure):
    image, mask = (tf.constant(square) for square in disc(5, 5, 20))
    function = make_augmentation(configure(**{f"augmentor__{key}": value for key, value in EVERYTHING.items()}))
    mapped = list(
        tf.data.Dataset.range(4).map(lambda number: function(image, mask, tf.stack([tf.constant(7, tf.int64), number])))
    )
    for number, (mapped_image, mapped_mask) in enumerate(mapped):
        direct_image, direct_mask = function(image, mask, seed(number))
        again, _ = function(image, mask, seed(number))
        np.testing.assert_array_equal(direct_image, again)
        np.testing.assert_array_equal(direct_mask, mapped_mask)
        # A graph may fuse multiplications, which moves a rounding by one gray level.
        assert np.abs(direct_image.numpy().astype(int) - mapped_image).max() <= 1
    assert len({pair[0].numpy().tobytes() for pair in mapped}) == 4
    other = function(image, mask, tf.constant([8, 0], tf.int64))
    assert (other[0] != mapped[0][0]).numpy().any()


def draws(configuration, count):
    """How often each variation happened, by name."""
    happened = [draw.happens for draw in tf.data.Dataset.range(count).map(lambda number: draw_at(configuration, number))]
    return {name: sum(bool(one[name]) for one in happened) / count for name in happened[0]}


def draw_at(configuration, number):
    return draw(configuration, tf.stack([tf.constant(7, tf.int64), number]))


@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_each_variation_happens_with_the_probability(probability, configure):
    keys = {f"augmentor__{key}": value for key, value in EVERYTHING.items()}
    shares = draws(configure(augmentor__probability=probability, **keys), 500)
    assert list(shares) == list(VARIATIONS)
    for name, share in shares.items():
        assert share == pytest.approx(probability, abs=0 if probability == 1 else 0.08), name


def test_a_variation_that_is_off_is_not_drawn_and_leaves_the_others_alone(configure):
    alone = draw(configure(augmentor__gamma=True), seed(1))
    assert list(alone.happens) == list(alone.values) == ["gamma"]
    both = draw(configure(augmentor__gamma=True, augmentor__hflip=True, augmentor__shrinks=(0.5,)), seed(1))
    assert list(both.happens) == ["hflip", "shrinks", "gamma"]
    assert both.happens["gamma"] == alone.happens["gamma"]
    assert both.values["gamma"] == alone.values["gamma"]


def test_variations_that_do_not_happen_do_not_change_the_pair(configure):
    configuration = configure(**{f"augmentor__{key}": value for key, value in EVERYTHING.items()})
    values = draw(configuration, seed(1)).values | {"shears": tf.constant([0.2, 0.0])}
    pair = [tf.constant(square) for square in disc(9, -6, 24)]
    drawn = Draw({name: tf.constant(name == "shears") for name in VARIATIONS}, values, tf.constant(SEED))
    alone = Draw({"shears": tf.constant(True)}, values, tf.constant(SEED))
    for mixed, single in zip(apply(configuration, drawn, *pair), apply(configuration, alone, *pair), strict=True):
        np.testing.assert_array_equal(mixed, single)


def test_variations_are_drawn_apart_from_each_other(configure):
    configuration = configure(augmentor__hflip=True, augmentor__vflip=True)
    pairs = [draw_at(configuration, tf.constant(number, tf.int64)).happens for number in range(40)]
    assert len({(bool(pair["hflip"]), bool(pair["vflip"])) for pair in pairs}) == 4


def test_one_of_the_listed_angles_is_drawn(configure):
    configuration = configure(augmentor__rotation=True, augmentor__angles=(90.0, 30.0, 270.0))
    angles = {float(draw(configuration, seed(number)).values["rotation"]) for number in range(30)}
    assert angles == {90.0, 30.0, 270.0}


def test_shears_have_both_signs_and_both_axes(configure):
    configuration = configure(augmentor__shears=(0.25,))
    shears = {tuple(draw(configuration, seed(number)).values["shears"].numpy().tolist()) for number in range(30)}
    assert shears == {(0.25, 0.0), (-0.25, 0.0), (0.0, 0.25), (0.0, -0.25)}


def test_three_channels_are_varied_as_one(augment):
    image, mask = disc(5, 5, 20)
    for number in range(3):
        gray, gray_mask = augment(image, mask, number=number, **EVERYTHING)
        color, color_mask = augment(np.repeat(image, 3, axis=-1), mask, number=number, **EVERYTHING)
        np.testing.assert_array_equal(color, np.repeat(gray, 3, axis=-1))
        np.testing.assert_array_equal(color_mask, gray_mask)


def test_all_sides_are_taken(augment):
    """8 px is the smallest that a configuration may name; above 129 px the field is interpolated."""
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
