"""How samples that show the same are paired, grouped and named, from descriptions made by hand."""

import cv2
import numpy as np
import pytest

from pipeline.audit import AuditFinding
from pipeline.audit.contents import Contents
from pipeline.audit.duplicates import _connected, _name_group, find_duplicates, pair_samples
from pipeline.audit.features import Features
from pipeline.audit.samples import Sample


def described(seed):
    """The description of a thumb, without keypoints, as a smooth image has it."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(64, 64)), (0, 0), 6)
    thumb = cv2.normalize(noise, None, 20, 220, cv2.NORM_MINMAX).astype(np.uint8)
    return Contents(thumb, Features(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8), thumb))


def named(split, name, image_id=""):
    return Sample(name, split, split, f"{split}/images/{name}.png", None, None, image_id or name, "")


def turned(contents, own_features=False):
    """A turned variant, which shares the description of its image unless it was read by itself."""
    features = Features(*vars(contents.features).values()) if own_features else contents.features
    return Contents(np.rot90(contents.thumb), features)


def test_within_a_split_only_samples_that_are_stored_alike_are_paired():
    first, second = described(1), described(2)
    contents = [first, turned(first), first, second, Contents(), turned(second, own_features=True), turned(second)]
    samples = [named("train", str(number)) for number in range(7)]
    assert list(pair_samples(samples, contents)) == [(0, 2), (6, 5)]


def test_across_splits_all_turns_of_an_image_are_connected():
    first = described(1)
    contents = [first, turned(first), turned(first, own_features=True), described(2)]
    contents.append(Contents(contents[2].thumb[::-1], contents[2].features))
    samples = [named("train", "a"), named("train", "b"), named("test", "c"), named("test", "d"), named("test", "e")]
    (finding,) = find_duplicates(samples, contents)
    assert finding == AuditFinding(
        "duplicate-pixels",
        1,
        "groups",
        ("train/a = train/b = test/c = test/e",),
        (("train/images/a.png", "test/images/c.png"),),
    )


def test_nothing_is_paired_without_a_description():
    assert list(pair_samples([], [])) == list(pair_samples([named("train", "a")] * 2, [Contents(), Contents()])) == []


def test_a_group_is_named_by_one_sample_of_each_image_and_split():
    group = [named("train", "a", "x"), named("train", "flipped_a", "x"), named("test", "b", "x"), named("train", "c")]
    assert _name_group(group) == "train/a = test/b = train/c and 1 more"
    assert _name_group(group[:1] + group[2:]) == "train/a = test/b = train/c"
    assert _name_group([named("train", letter) for letter in "abcdef"]) == "train/a = train/b = train/c = train/d and 2 more"


@pytest.mark.parametrize(
    ("pairs", "groups"),
    [
        ([], []),
        ([(0, 1)], [[0, 1]]),
        ([(5, 3), (0, 1), (1, 2)], [[0, 1, 2], [3, 5]]),
        ([(0, 1), (2, 3), (4, 5), (1, 2), (5, 2)], [[0, 1, 2, 3, 4, 5]]),
        ([(5, 4), (4, 3), (3, 2), (2, 1), (5, 1)], [[1, 2, 3, 4, 5]]),
        ([(1, 1)], []),
    ],
)
def test_pairs_are_joined_to_groups(pairs, groups):
    assert _connected(6, pairs) == groups
