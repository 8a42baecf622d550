"""The description of an image: its contrast, where keypoints lie, and how a flip reorders descriptors."""

import cv2
import numpy as np
import pytest

from pipeline.audit.features import MIRRORED, SIDE, SMALL, find_features, spread_contrast


def spots(shape, *places):
    """Bright round spots, given as (x, y, radius), on a dark image, (height, width) uint8."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return sum(200 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2)) for x, y, radius in places).astype(
        np.uint8
    )


def texture(seed, shape):
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=shape), (0, 0), 3)
    return cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


@pytest.mark.parametrize(
    ("shape", "spread"),
    [
        ((320, 160), (160, 80)),
        ((40, 80), (80, 160)),
        ((160, 160), (160, 160)),
        ((3000, 30), (160, 8)),
        ((30, 3000), (8, 160)),
        ((301, 200), (160, 106)),
    ],
)
def test_the_longer_side_is_the_same_for_all_images(shape, spread):
    image = spread_contrast(texture(1, shape))
    assert (image.shape, image.dtype) == (spread, np.uint8)


def test_contrast_is_spread_from_black_to_white():
    ramp = np.tile(np.linspace(100, 110, SIDE), (SIDE, 1))
    image = spread_contrast((ramp * 200).astype(np.uint16))
    assert (image.min(), image.max()) == (0, 255)
    # 0.5 of 100 are cut at both ends, and the rest lies straight between.
    expected = (np.arange(SIDE) / (SIDE - 1) - 0.005) / 0.99 * 255
    np.testing.assert_allclose(image[80], expected.clip(0, 255), atol=2.5)  # the steps of whole levels
    np.testing.assert_array_equal(image, image[:1].repeat(SIDE, 0))


def test_a_small_image_is_enlarged_smoothly_and_a_large_one_averaged():
    small, large = (
        np.tile(np.arange(0, 160, 2, np.uint8), (80, 1)),
        np.tile(np.arange(0, 160, dtype=np.uint8).repeat(2), (320, 1)),
    )
    for pixels in (small, large):
        steps = np.diff(spread_contrast(pixels)[80, 4:-4].astype(int))
        assert steps.min() >= 1
        assert steps.max() <= 2
    checks = (np.indices((320, 320)).sum(0) % 2 * 255).astype(np.uint8)
    assert spread_contrast(checks) is None  # gray after averaging


@pytest.mark.parametrize(
    ("low", "high", "dtype", "plain"),
    [
        (7, 7, np.uint8, True),
        (7, 8, np.uint8, True),
        (7, 9, np.uint8, False),
        (7, 9, np.uint16, False),
        (257 * 3, 257 * 4, np.uint16, True),
        (257 * 3, 257 * 5, np.uint16, False),
        (257 * 3, 257 * 4 + 1, np.uint16, False),
        (0, 1, np.uint16, True),
    ],
)
def test_an_image_of_one_step_is_plain(low, high, dtype, plain):
    pixels = np.full((SIDE, SIDE), low, dtype)
    pixels[:, 80:] = high
    assert (spread_contrast(pixels) is None) == plain


def test_a_keypoint_lies_on_its_spot_with_its_size():
    features = find_features(spots((SIDE, 120), (90, 50, 4), (40, 110, 8)))
    for x, y, radius in ((90, 50, 4), (40, 110, 8)):
        expected = [(x + 0.5 - 60) / SIDE, (y + 0.5 - 80) / SIDE]
        distances = np.linalg.norm(features.keypoints[:, :2] - expected, axis=1)
        assert distances.min() < 0.5 / SIDE
        assert abs(features.keypoints[distances.argmin(), 2] - np.log2(2 * radius)) < 0.35


def test_the_description_of_an_image():
    features = find_features(texture(2, (SIDE, 100)))
    count = len(features.keypoints)
    assert 30 <= count <= 40
    assert (features.keypoints.dtype, features.keypoints.shape) == (np.float32, (count, 4))
    assert (features.descriptors.dtype, features.descriptors.shape) == (np.uint8, (count, 128))
    assert ((features.keypoints[:, 3] >= 0) & (features.keypoints[:, 3] <= 360)).all()
    assert (features.keypoints[:, :2] < [100 / SIDE / 2, 0.5]).all()
    assert (features.keypoints[:, :2] > [-100 / SIDE / 2, -0.5]).all()
    assert features.small.shape == (SMALL, SMALL * 100 // SIDE)
    assert abs(float(features.small.mean()) - float(texture(2, (SIDE, 100)).mean())) < 1


def test_a_narrow_image_keeps_one_pixel_and_a_plain_one_has_no_keypoint():
    features = find_features(np.zeros((160, 8), np.uint8))
    assert (features.keypoints.shape, features.descriptors.shape) == ((0, 4), (0, 128))
    assert (features.keypoints.dtype, features.descriptors.dtype) == (np.float32, np.uint8)
    assert features.small.shape == (SMALL, 5)


def test_a_flip_reorders_the_descriptors():
    image = texture(3, (SIDE, SIDE))
    first, second = find_features(image), find_features(np.ascontiguousarray(image[:, ::-1]))
    flipped = first.keypoints[:, :2] * [-1, 1]
    distances = np.linalg.norm(flipped[:, None] - second.keypoints[None, :, :2], axis=2)
    near = np.argwhere(distances < 0.25 / SIDE)
    matched = [
        np.corrcoef(first.descriptors[one][MIRRORED].astype(float), second.descriptors[other].astype(float))[0, 1]
        for one, other in near
        if abs((180 - first.keypoints[one, 3] - second.keypoints[other, 3] + 180) % 360 - 180) < 5
    ]
    assert len(matched) >= 20
    assert np.median(matched) > 0.98


def test_a_large_image_is_averaged_over_blocks():
    pixels = np.random.default_rng(4).integers(0, 256, (SIDE * 4, SIDE * 4), dtype=np.uint8)
    means = pixels.reshape(SIDE, 4, SIDE, 4).mean(axis=(1, 3))
    assert np.corrcoef(spread_contrast(pixels).ravel(), means.ravel())[0, 1] > 0.99


def test_a_few_pixels_beyond_the_others_are_black_and_white():
    pixels = np.tile(np.linspace(20_000, 21_000, SIDE), (SIDE, 1)).astype(np.uint16)
    pixels[:5, :5], pixels[-5:, -5:] = 65_000, 0
    image = spread_contrast(pixels)
    assert (image[:5, :5] == 255).all()
    assert (image[-5:, -5:] == 0).all()
