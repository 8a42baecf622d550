"""Images that are equal as a whole: the correlation, the eight turns, and all pairs of many thumbs."""

import cv2
import numpy as np
import pytest

from pipeline.audit import equality
from pipeline.audit.equality import THUMB, correlation, find_equal, make_thumb, same_stored, same_turned, stored_alike

TURNS = [lambda square, k=k, step=step: np.rot90(square, k)[:, ::step] for k in range(4) for step in (1, -1)]


def thumb(seed):
    """Smooth structures, (THUMB, THUMB) uint8, which no turn brings to themselves."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(THUMB, THUMB)), (0, 0), 4)
    return cv2.normalize(noise, None, 20, 220, cv2.NORM_MINMAX).astype(np.uint8)


def test_correlation_is_that_of_numpy_and_0_for_a_constant():
    random = np.random.default_rng(1)
    first, second = random.normal(5, 2, (2, 7, 9))
    assert correlation(first, second) == pytest.approx(np.corrcoef(first.ravel(), second.ravel())[0, 1])
    assert correlation(first, -3 * first + 1) == pytest.approx(-1)
    assert correlation(first, np.full_like(first, 3.0)) == 0.0
    assert correlation(np.full_like(first, 3.0), first) == 0.0


def test_a_thumb_is_the_average_of_blocks():
    image = np.kron(thumb(1), np.ones((2, 3), np.uint8))
    image[:2, :3] = [[0, 60, 120], [0, 60, 120]]
    expected = thumb(1)
    expected[0, 0] = 60
    np.testing.assert_array_equal(make_thumb(image), expected)


def test_brightness_and_contrast_make_no_other_image_and_a_turn_does():
    image = thumb(2)
    assert same_stored(image, image // 2 + 60)
    assert not same_stored(image, 255 - image)
    assert not same_stored(image, thumb(3))
    assert [same_stored(image, turn(image)) for turn in TURNS] == [True] + [False] * 7


def test_a_table_of_thumbs_that_are_stored_alike_has_what_each_pair_has():
    image, plain = thumb(2), np.full((THUMB, THUMB), 9, np.uint8)
    thumbs = [image, image // 2 + 60, 255 - image, image[:, ::-1], plain, thumb(3)]
    alike = stored_alike(np.stack(thumbs), np.stack(thumbs[1:]))
    np.testing.assert_array_equal(alike, [[same_stored(one, other) for other in thumbs[1:]] for one in thumbs])
    assert np.argwhere(alike).tolist() == [[0, 0], [1, 0], [2, 1], [3, 2], [5, 4]]


@pytest.mark.parametrize("turn", TURNS)
def test_all_eight_turns_show_the_same(turn):
    assert same_turned(thumb(4), turn(thumb(4)))
    assert not same_turned(thumb(4), turn(thumb(5)))


def test_a_threshold_parts_copies_from_similar_images():
    image, noise = thumb(6).astype(float), np.random.default_rng(0).normal(0, thumb(6).std(), (THUMB, THUMB))
    near, far = ((image + share * noise).clip(0, 255).astype(np.uint8) for share in (0.08, 0.1))
    assert correlation(image, near.astype(float)) > 0.9963 > 0.9957 > correlation(image, far.astype(float))
    assert same_stored(thumb(6), near)
    assert not same_stored(thumb(6), far)
    assert list(find_equal(np.stack([thumb(6), far]))) == []


@pytest.mark.parametrize(("rows", "pairs"), [(1024, 4096), (1, 4096), (2, 1), (5, 2)])
def test_equal_images_are_found_among_many_however_many_are_compared_at_once(monkeypatch, rows, pairs):
    monkeypatch.setattr(equality, "_ROWS_AT_ONCE", rows)
    monkeypatch.setattr(equality, "_PAIRS_AT_ONCE", pairs)
    thumbs = [turn(thumb(7)) for turn in TURNS] + [thumb(seed) for seed in (8, 9, 10)] + [thumb(9) // 2 + 9, thumb(8)[::-1]]
    expected = [(first, second) for first in range(8) for second in range(first + 1, 8)] + [(8, 12), (9, 11)]
    assert sorted(find_equal(np.stack(thumbs))) == expected


def test_copies_are_found_in_every_part_of_a_long_list():
    random = np.random.default_rng(11)
    coarse = random.integers(20, 235, (1030, 8, 8)).astype(np.uint8)
    thumbs = np.kron(coarse, np.ones((1, THUMB // 8, THUMB // 8), np.uint8))
    thumbs[1029], thumbs[1025], thumbs[700] = np.rot90(thumbs[2]), thumbs[1024] // 2, thumbs[699][:, ::-1]
    assert sorted(find_equal(thumbs)) == [(2, 1029), (699, 700), (1024, 1025)]


def test_a_single_image_has_no_equal():
    assert list(find_equal(thumb(12)[None])) == []


def test_only_pairs_that_are_close_are_compared_in_full(monkeypatch):
    """Among images that differ, only copies; a copy with noise below the threshold is compared, and refused by its pixels."""
    compared = []

    def compare(first, second):
        compared.append((first.tobytes(), second.tobytes()))
        return same_turned(first, second)

    monkeypatch.setattr(equality, "same_turned", compare)
    noise = np.random.default_rng(1).normal(0, 6, (THUMB, THUMB))
    similar = (thumb(0) + noise).clip(0, 255).astype(np.uint8)
    thumbs = np.stack([thumb(seed) for seed in range(60)] + [similar, np.rot90(thumb(1))])
    assert list(find_equal(thumbs)) == [(1, 61)]
    assert compared == [(thumbs[first].tobytes(), thumbs[second].tobytes()) for first, second in ((0, 60), (1, 61))]
