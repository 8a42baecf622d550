"""Which pairs of images the index of keypoints proposes, from keypoints and descriptors made by hand."""

import numpy as np
import pytest

from pipeline.audit import candidates
from pipeline.audit.candidates import Candidate, find_candidates, lie_alike, mirror
from pipeline.audit.features import MIRRORED, Features

SMALL = np.zeros((4, 4), np.uint8)


def features(keypoints, descriptors):
    return Features(np.array(keypoints, np.float32).reshape(-1, 4), descriptors, SMALL)


def image(seed, count=12):
    """An image with keypoints anywhere and descriptors of its own."""
    random = np.random.default_rng(seed)
    keypoints = np.column_stack(
        [random.uniform(-0.4, 0.4, (count, 2)), random.uniform(1, 3, count), random.uniform(0, 360, count)]
    )
    return features(keypoints, random.integers(0, 160, (count, 128)).astype(np.uint8))


def turned(original, quarter=0, mirrored=False, degrees=0.0, keep=None):
    """The same image, flipped first, then turned from x to y."""
    keypoints, descriptors = original.keypoints.astype(float), original.descriptors
    if mirrored:
        keypoints, descriptors = mirror(keypoints), descriptors[:, MIRRORED]
    x, y, size, angle = keypoints.T
    for _ in range(quarter):
        x, y = -y, x
    keypoints = np.column_stack([x, y, size, (angle + 90 * quarter + degrees) % 360])
    return features(keypoints[:keep], descriptors[:keep])


def test_a_flip_mirrors_places_and_directions():
    np.testing.assert_array_equal(
        mirror(np.array([[0.25, -0.5, 2, 0], [-0.125, 0.5, 1, 270], [0, 0, 3, 180]])),
        [[-0.25, -0.5, 2, 180], [0.125, 0.5, 1, 270], [0, 0, 3, 0]],
    )


@pytest.mark.parametrize(
    ("second", "agrees", "quarter"),
    [
        ((0.1, 0.2, 2, 10), True, 0),
        ((-0.2, 0.1, 2, 100), True, 1),
        ((-0.1, -0.2, 2, 190), True, 2),
        ((0.2, -0.1, 2, 280), True, 3),
        ((0.1, 0.2, 2, 370), True, 0),
        ((0.1, 0.2, 2, 29), True, 0),
        ((0.1, 0.2, 2, 351), True, 0),
        ((0.1, 0.2, 2, 31), False, 0),
        ((0.1, 0.2, 2, 349), False, 0),
        ((0.39, 0.49, 2.59, 10), True, 0),
        ((-0.19, -0.09, 1.41, 10), True, 0),
        ((0.41, 0.2, 2, 10), False, 0),
        ((-0.21, 0.2, 2, 10), False, 0),
        ((0.1, 0.51, 2, 10), False, 0),
        ((0.1, -0.11, 2, 10), False, 0),
        ((0.1, 0.2, 2.61, 10), False, 0),
        ((0.1, 0.2, 1.39, 10), False, 0),
        ((0.11, 0.1, 2, 100), False, 1),
        ((-0.2, 0.41, 2, 100), False, 1),
        ((0.21, -0.2, 2, 190), False, 2),
        ((-0.11, -0.1, 2, 280), False, 3),
        ((0.2, 0.21, 2, 280), False, 3),
    ],
)
def test_keypoints_lie_alike_up_to_a_quarter_turn_and_the_shift_of_a_crop(second, agrees, quarter):
    found, quarters = lie_alike(np.array([[0.1, 0.2, 2, 10]]), np.array([second]))
    assert (found.tolist(), quarters.tolist()) == ([agrees], [quarter])


def test_a_code_holds_the_signs_and_the_doubtful_bits_are_tried_both_ways():
    projected = np.full((2, 24), -1.0)
    projected[0, [0, 3, 23]] = 0.5
    projected[1, [2, 5, 6, 9]] = [0.1, -0.2, 0.3, 0.05]
    assert candidates._encode(projected).tolist() == [1 + 8 + 2**23, 4 + 64 + 512]
    masks = candidates._doubtful_bits(projected)
    assert masks.shape == (16, 2)
    assert masks[0].tolist() == [0, 0]
    doubtful = (4, 32, 64, 512)
    assert sorted(masks[:, 1].tolist()) == sorted(
        sum(bit for index, bit in enumerate(doubtful) if chosen >> index & 1) for chosen in range(16)
    )


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarter", range(4))
def test_a_turned_copy_is_proposed_with_its_turn(quarter, mirrored):
    others = [image(seed) for seed in range(1, 4)]
    copy = turned(others[1], quarter, mirrored, degrees=8)
    assert list(find_candidates([*others, copy])) == [Candidate(1, 3, mirrored, quarter)]


@pytest.mark.parametrize("at_once", [256, 2, 1])
def test_pairs_are_proposed_however_many_images_are_asked_at_once(monkeypatch, at_once):
    monkeypatch.setattr(candidates, "_IMAGES_AT_ONCE", at_once)
    images = [image(seed) for seed in range(5)]
    images += [turned(images[0], 1), turned(images[4], 2, True), turned(images[4], 0)]
    found = sorted(find_candidates(images), key=lambda each: (each.first, each.second))
    assert found == [
        *(Candidate(0, 5, False, 1), Candidate(4, 6, True, 2), Candidate(4, 7, False, 0)),
        Candidate(6, 7, True, 2),
    ]


def test_three_keypoints_that_agree_are_enough_and_two_are_not():
    original, other = image(1), image(2)
    assert list(find_candidates([original, other, turned(original, 3, keep=3)])) == [Candidate(0, 2, False, 3)]
    assert list(find_candidates([original, other, turned(original, 3, keep=2)])) == []


def test_keypoints_that_do_not_agree_on_one_turn_are_no_candidate():
    original = image(1, 4)
    parts = [turned(original, 0, keep=2), turned(original, 1)]
    mixed = features(
        np.concatenate([parts[0].keypoints, parts[1].keypoints[2:]]),
        np.concatenate([parts[0].descriptors, parts[1].descriptors[2:]]),
    )
    assert list(find_candidates([original, image(2), mixed])) == []


def test_a_code_that_changes_in_its_doubtful_bits_is_still_a_hit():
    """Values that differ by a few levels, as after JPEG."""
    original = image(1, 30)
    random = np.random.default_rng(0)
    noisy = (original.descriptors.astype(int) + random.integers(-4, 5, original.descriptors.shape)).clip(0, 255).astype(np.uint8)
    copy = features(original.keypoints, noisy)
    assert list(find_candidates([original, *(image(seed, 30) for seed in (2, 3)), copy])) == [Candidate(0, 3, False, 0)]


def test_images_without_keypoints_are_passed_over():
    none = features([], np.zeros((0, 128), np.uint8))
    assert list(find_candidates([])) == list(find_candidates([none, none])) == []
    one = image(1)
    assert list(find_candidates([none, one, none, turned(one, 1)])) == [Candidate(1, 3, False, 1)]
    single = features(one.keypoints[:1], one.descriptors[:1])
    assert list(find_candidates([single, none])) == []


def test_the_principal_components_are_the_directions_in_which_descriptors_differ_most(monkeypatch):
    random = np.random.default_rng(5)
    roots = np.full((600, 128), 8.0)
    for index in range(candidates._BITS):
        roots[:, index] = 8 + random.uniform(-1, 1, 600) * (7 - index / 4)
    one = features(np.zeros((600, 4)), (roots**2).astype(np.uint8))
    axes, center = candidates._principal_components([one], 600)
    assert axes.shape == (128, candidates._BITS)
    assert np.abs(axes[0, 0]) > 0.6
    np.testing.assert_allclose((axes[: candidates._BITS] ** 2).sum(0), 1, atol=0.05)
    deviations = (np.sqrt(one.descriptors.astype(float)) @ axes).std(0)
    assert (np.diff(deviations) <= 1e-9).all(), "the first differs most"
    halves = candidates._project(one.descriptors, axes, center) > 0
    np.testing.assert_allclose(halves.mean(0), 0.5, atol=0.01)
    monkeypatch.setattr(candidates, "_SAMPLE", 100)  # every sixth
    sampled, middle = candidates._principal_components([one], 600)
    roots = np.sqrt(one.descriptors[::6].astype(float))
    np.testing.assert_allclose(middle, np.median(roots @ sampled, axis=0))
    assert (np.diff((roots @ sampled).std(0)) <= 1e-9).all()


def test_a_code_of_many_keypoints_costs_no_more_than_its_share(monkeypatch):
    """Of a descriptor that all images have, only the first keypoints are compared."""
    shared = np.full((4, 128), 90, np.uint8)
    images = [features(each.keypoints[:4], shared) for each in [image(1, 4)] * 6]
    assert {(each.first, each.second) for each in find_candidates(images)} == {(a, b) for a in range(6) for b in range(a + 1, 6)}
    monkeypatch.setattr(candidates, "_LARGEST_BUCKET", 8)  # the keypoints of two images
    assert {(each.first, each.second) for each in find_candidates(images)} == {(0, 1)}
