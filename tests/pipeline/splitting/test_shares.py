"""The search for an assignment within two points of the fractions, against all assignments."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.recipe import Fractions
from pipeline.splitting.shares import find_assignment, within_tolerance
from pipeline.splitting.splits import SplitImage, split_by_patient

FRACTIONS = [(0.8, 0.15, 0.05), (0.6, 0.2, 0.2), (0.34, 0.33, 0.33), (0.1, 0.2, 0.7), (0.8, 0.2, 0.0), (0.0, 0.5, 0.5)]


def images_of(sizes):
    return [SplitImage(f"P{number}", "malignant", 0.01) for number, size in enumerate(sizes, 1) for _ in range(size)]


def deviations(sizes, labels, shares):
    return np.abs(np.bincount(labels, sizes, len(shares)) / sum(sizes) - shares)


def assignments(labels, parts):
    """Every way to fill in the patients of label -1 that leaves no part empty."""
    choices = [range(parts) if label < 0 else [label] for label in labels]
    return (filled for filled in itertools.product(*choices) if len(set(filled)) == parts)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=3, max_size=7), st.sampled_from(FRACTIONS), st.data())
def test_the_nearest_of_all_assignments_within_two_points_is_found(sizes, fractions, data):
    shares = np.array([share for share in fractions if share])
    labels = np.array(data.draw(st.lists(st.sampled_from([-1, -1, -1, *range(len(shares))]), min_size=7, max_size=7)))
    labels = labels[: len(sizes)]
    worst = [deviations(sizes, filled, shares).max() for filled in assignments(labels, len(shares))]
    found = find_assignment(np.array(sizes), shares, labels)
    if min(worst, default=1) > 0.02 + 1e-9:
        assert found is None
    else:
        assert deviations(sizes, found, shares).max() == pytest.approx(min(worst), abs=1e-9)
        assert set(found) == set(range(len(shares)))
        np.testing.assert_array_equal(found[labels >= 0], labels[labels >= 0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([1, 2, 4, 6, 8, 10]), min_size=3, max_size=8), st.sampled_from(FRACTIONS), st.integers(0, 9))
def test_splits_lie_within_two_points_where_any_assignment_does(sizes, fractions, seed):
    shares = np.array([share for share in fractions if share])
    names = [name for name, share in zip(("train", "valid", "test"), fractions, strict=True) if share]
    images = images_of(sizes)
    every = assignments([-1] * len(sizes), len(shares))
    possible = any((deviations(sizes, filled, shares) <= 0.02 + 1e-9).all() for filled in every)
    splits = split_by_patient(images, Fractions(train=fractions[0], valid=fractions[1], test=fractions[2]), seed, {})
    counts = Counter(splits[image.patient] for image in images)
    assert set(counts) == set(names)
    if possible:
        assert within_tolerance(np.array([counts[name] for name in names]), shares)


@pytest.mark.parametrize("patients", range(10, 25, 2))
def test_the_usual_fractions_are_met_with_few_patients(patients):
    rng = np.random.default_rng(patients)
    images = images_of(rng.choice([2, 4, 6, 8, 10], patients))
    splits = split_by_patient(images, Fractions(train=0.8, valid=0.15, test=0.05), 0, {})
    counts = Counter(splits[image.patient] for image in images)
    assert within_tolerance(np.array([counts[name] for name in ("train", "valid", "test")]), np.array([0.8, 0.15, 0.05])), counts


def test_patients_keep_their_split_where_the_rest_can_make_up_for_it():
    images = images_of([10, 3, 2, 20, 5, 1, 1, 1])
    fractions = Fractions(train=0.6, valid=0.25, test=0.15)
    splits = split_by_patient(images, fractions, 0, {"P1": "valid", "P2": "test"})
    counts = Counter(splits[image.patient] for image in images)
    assert (splits["P1"], splits["P2"]) == ("valid", "test")
    assert {name: round(count / 43, 2) for name, count in counts.items()} == {"train": 0.6, "valid": 0.26, "test": 0.14}


def test_one_patient_of_a_third_of_many_images_is_placed_and_the_rest_fits():
    sizes = np.array([20_000, *[4] * 9_999])
    found = find_assignment(sizes, np.array([0.34, 0.33, 0.33]), np.full(10_000, -1))
    assert deviations(sizes, found, np.array([0.34, 0.33, 0.33])).max() <= 0.02


def test_a_part_that_is_taken_beyond_its_share_cannot_be_met():
    assert find_assignment(np.array([5, 5, 5]), np.array([0.8, 0.1, 0.1]), np.array([1, -1, -1])) is None
