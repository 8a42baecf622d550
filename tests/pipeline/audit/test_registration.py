"""Whether two images are found to be the same once one is laid over the other."""

import cv2
import numpy as np
import pytest

from pipeline.audit.candidates import Candidate
from pipeline.audit.features import SIDE, SMALL, Features, find_features, spread_contrast
from pipeline.audit.registration import _correlate, _details, _match, show_the_same

TURNS = {(quarter, mirrored) for quarter in range(4) for mirrored in (False, True)}


def texture(seed, shape=(SIDE, SIDE)):
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=shape), (0, 0), 3)
    return cv2.normalize(noise, None, 10, 245, cv2.NORM_MINMAX).astype(np.uint8)


def describe(image):
    return find_features(spread_contrast(np.ascontiguousarray(image)))


def turn(image, quarter, mirrored):
    return np.rot90(image[:, ::-1] if mirrored else image, -quarter)


def test_descriptors_are_paired_with_their_nearest_if_that_is_mutual():
    first, second = np.zeros((3, 128), np.uint8), np.zeros((4, 128), np.uint8)
    first[:, 0], second[:, 0] = [10, 200, 14], [195, 50, 12, 90]
    first[1, 5], second[0, 5] = 100, 110
    # 10 and 14 are as far from 12, and the first of both is its nearest; nothing is nearest to 50 and 90 in turn.
    assert _match(first, second).tolist() == [[0, 1], [2, 0]]
    assert _match(second, first).tolist() == [[0, 2], [1, 0]]
    assert _match(np.full((1, 128), 255, np.uint8), np.full((1, 128), 254, np.uint8)).tolist() == [[0], [0]]


@pytest.mark.parametrize(("quarter", "mirrored"), sorted(TURNS))
def test_a_copy_is_recognised_in_its_own_turn_only(quarter, mirrored):
    first, second = describe(texture(1)), describe(turn(texture(1), quarter, mirrored))
    assert show_the_same(first, second, Candidate(0, 1, mirrored, quarter))
    for other_quarter, other_mirrored in TURNS - {(quarter, mirrored)}:
        assert not show_the_same(first, second, Candidate(0, 1, other_mirrored, other_quarter))


def test_another_image_is_not_recognised():
    for seed in range(2, 8):
        assert not show_the_same(describe(texture(1)), describe(texture(seed)), Candidate(0, 1, False, 0))


def test_keypoints_alone_make_no_copy():
    """The keypoints of one image with the pixels of another."""
    first, other = describe(texture(1)), describe(texture(2))
    forged = Features(first.keypoints, first.descriptors, other.small)
    assert show_the_same(first, first, Candidate(0, 1, False, 0))
    assert not show_the_same(first, forged, Candidate(0, 1, False, 0))


@pytest.mark.parametrize(("kept", "same"), [(5, True), (4, True), (3, False), (1, False)])
def test_four_keypoints_that_fit_are_needed(kept, same):
    first = describe(texture(1))
    few = np.argsort(-np.abs(first.keypoints[:, 0]))[:kept]
    second = Features(first.keypoints[few], first.descriptors[few], first.small)
    assert show_the_same(first, second, Candidate(0, 1, False, 0)) == same


def test_keypoints_that_fit_no_common_shift_do_not_count():
    first = describe(texture(1))
    few = np.argsort(-np.abs(first.keypoints[:, 0]))[:6]
    keypoints = first.keypoints[few].copy()
    keypoints[3:, 0] += [0.1, -0.15, 0.2]
    scattered = Features(keypoints, first.descriptors[few], first.small)
    assert not show_the_same(first, scattered, Candidate(0, 1, False, 0))


IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])


def laid(scale=1.0, x=0.0, y=0.0):
    """From the second image to the first, in px at `SMALL`."""
    return np.array([[scale, 0, x * SIDE / SMALL], [0, scale, y * SIDE / SMALL]])


def test_an_image_correlates_with_itself_and_with_its_crop():
    image = texture(3, (SMALL, 64))
    assert _correlate(image, image, IDENTITY) == pytest.approx(1, abs=1e-4)
    assert _correlate(image, 255 - image, IDENTITY) == pytest.approx(-1, abs=1e-4)
    assert abs(_correlate(image, texture(4, (SMALL, 64)), IDENTITY)) < 0.3
    crop = image[10:90, 8:56]  # its middle lies in the middle of the image, 2 px lower
    assert _correlate(image, crop, laid(y=2)) == pytest.approx(1, abs=1e-3)
    assert _correlate(image, crop, laid(y=-2)) < 0.9
    assert _correlate(image, image[:80, :40], laid(x=-12, y=-8)) == pytest.approx(1, abs=1e-3)


def test_an_enlarged_image_is_laid_over_its_original():
    image = texture(5, (SMALL, SMALL))
    enlarged = cv2.resize(image[24:72, 30:78], (SMALL, SMALL), interpolation=cv2.INTER_CUBIC)
    assert _correlate(image, enlarged, laid(0.5, x=6)) > 0.98
    assert _correlate(enlarged, image, laid(2, x=-12)) > 0.96
    assert _correlate(image, enlarged, laid(0.5, x=-6)) < 0.7


@pytest.mark.parametrize(("shift", "copied"), [(9, True), (11, False), (-9, True), (-11, False), (99, False)])
def test_nine_tenths_of_the_smaller_image_must_lie_in_the_other(shift, copied):
    wide = texture(6, (SMALL, 400))
    first, second = wide[:, 100:200], wide[:, 100 + shift : 200 + shift]
    assert _correlate(first, second, laid(x=shift)) == (pytest.approx(1, abs=1e-3) if copied else 0.0)


@pytest.mark.parametrize(("rows", "correlation"), [(2, 0), (4, 1)])
@pytest.mark.parametrize("level", [0, 3, 252, 255])
def test_details_are_compared_where_both_images_have_some(rows, correlation, level):
    """Of 96 rows, 3 % are between 2 and 3 rows; the others are black or white."""
    image = texture(7, (SMALL, SMALL))
    image[rows:] = level
    assert _correlate(image, image, IDENTITY) == pytest.approx(correlation, abs=1e-4)


@pytest.mark.parametrize("level", [3, 252])
def test_black_and_white_parts_of_either_image_are_left_out(level):
    image, other = texture(8, (SMALL, SMALL)), texture(8, (SMALL, SMALL))
    other[:32] = level
    covered = np.ones((SMALL, SMALL), bool)
    details = [_details(each.astype(np.float32), covered)[32:].ravel() for each in (image, other)]
    expected = pytest.approx(np.corrcoef(*details)[0, 1], abs=1e-4)
    assert _correlate(image, other, IDENTITY) == _correlate(other, image, IDENTITY) == expected


def test_details_are_what_is_left_of_slow_changes():
    ramp = np.tile(np.linspace(0, 200, 64, dtype=np.float32), (64, 1))
    all_covered = np.ones((64, 64), bool)
    assert np.abs(_details(ramp, all_covered)[:, 12:-12]).max() < 0.1
    spot = ramp.copy()
    spot[32, 32] += 50
    expected = 50 * (1 - 1 / (2 * np.pi * 2.0**2))  # less the middle of the Gaussian
    assert (_details(spot, all_covered) - _details(ramp, all_covered))[32, 32] == pytest.approx(expected, rel=0.01)


def test_pixels_that_are_not_covered_are_not_part_of_the_average():
    image = np.full((32, 32), 100, np.float32)
    covered = np.zeros((32, 32), bool)
    covered[8:24, 8:24] = True
    image[~covered] = 0
    assert np.abs(_details(image, covered)[covered]).max() < 0.01
