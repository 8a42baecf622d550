"""Assigning patients and samples: the shares, the balance, who keeps a split, and what cannot be split."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.recipe import Fractions
from pipeline.splitting.splits import SplitError, SplitImage, assign_folds, split_by_patient, split_by_sample

FRACTIONS = Fractions(train=0.80, valid=0.15, test=0.05)


def cohort(patients: int, seed: int = 0) -> list[SplitImage]:
    """Images as CDD-CESM has them: 2 to 10 per patient, lesions of very different sizes."""
    rng = np.random.default_rng(seed)
    images = []
    for patient in range(1, patients + 1):
        worst = rng.choice(["malignant", "benign", "normal"], p=[0.4, 0.35, 0.25])
        for number in range(rng.choice([2, 4, 6, 8, 10])):
            image_class = worst if number % 2 else "normal"
            share = 0.0 if image_class == "normal" else float(rng.lognormal(-3, 1))
            images.append(SplitImage(f"P{patient}", image_class, share))
    return images


def shares(images, splits):
    counts = Counter(splits[image.patient] for image in images)
    return {split: counts[split] / len(images) for split in ("train", "valid", "test")}


@settings(max_examples=15, deadline=None)
@given(st.integers(60, 200), st.integers(0, 1000))
def test_shares_of_images_are_met_within_two_points(patients, seed):
    images = cohort(patients, seed)
    found = shares(images, split_by_patient(images, FRACTIONS, seed, {}))
    assert all(abs(found[split] - getattr(FRACTIONS, split)) <= 0.02 for split in found), found


def test_lesion_sizes_and_worst_classes_are_balanced():
    images = cohort(200)
    splits = split_by_patient(images, FRACTIONS, 1, {})
    lesions = [image.lesion_share for image in images if image.lesion_share]
    low, high = np.quantile(lesions, [1 / 3, 2 / 3])
    for split in ("train", "valid"):
        mine = np.array([image.lesion_share for image in images if image.lesion_share and splits[image.patient] == split])
        thirds = [(mine <= low).mean(), ((mine > low) & (mine <= high)).mean(), (mine > high).mean()]
        np.testing.assert_allclose(thirds, 1 / 3, atol=0.08)
    malignant = {image.patient for image in images if image.image_class == "malignant"}
    by_split = defaultdict(list)
    for patient, split in splits.items():
        by_split[split].append(patient in malignant)
    assert abs(np.mean(by_split["train"]) - np.mean(by_split["valid"])) < 0.12


@pytest.mark.parametrize("patients", [3, 4, 6, 10])
def test_every_split_has_a_patient(patients):
    splits = split_by_patient(cohort(patients), FRACTIONS, 0, {})
    assert set(splits.values()) == {"train", "valid", "test"}
    assert list(splits) == [f"P{number}" for number in range(1, patients + 1)]


def test_a_split_of_share_zero_stays_empty():
    splits = split_by_patient(cohort(20), Fractions(train=0.8, valid=0.2, test=0), 0, {})
    assert set(splits.values()) == {"train", "valid"}


def test_fewer_patients_than_splits_cannot_be_split():
    with pytest.raises(SplitError, match="2 patients for 3 splits; each of them needs a patient of its own"):
        split_by_patient(cohort(2), FRACTIONS, 0, {})


def test_a_seed_gives_the_same_assignment_each_time():
    images = cohort(60)
    assert split_by_patient(images, FRACTIONS, 5, {}) == split_by_patient(images[::-1], FRACTIONS, 5, {})
    assert split_by_patient(images, FRACTIONS, 5, {}) != split_by_patient(images, FRACTIONS, 6, {})


def test_patients_keep_their_split_when_others_are_added():
    before = split_by_patient(cohort(60), FRACTIONS, 0, {})
    after = split_by_patient(cohort(90), FRACTIONS, 0, before)
    assert {patient: after[patient] for patient in before} == before
    assert len(after) == 90
    assert all(abs(share - getattr(FRACTIONS, split)) <= 0.02 for split, share in shares(cohort(90), after).items())


def test_fixed_patients_may_break_the_shares():
    images = cohort(12)
    fixed = {f"P{number}": "test" for number in range(1, 10)}
    splits = split_by_patient(images, FRACTIONS, 0, fixed)
    assert {patient: splits[patient] for patient in fixed} == fixed
    assert {"train", "valid"} <= set(splits.values())


def test_folds_are_about_equal_and_independent_of_the_splits():
    images = cohort(100)
    folds = assign_folds(images, 5, 0, {})
    sizes = Counter(folds[image.patient] for image in images)
    assert set(sizes) == set(range(5))
    assert max(sizes.values()) - min(sizes.values()) <= 0.04 * len(images)
    assert {patient: assign_folds(images, 5, 3, folds)[patient] for patient in folds} == folds
    assert set(assign_folds(cohort(3), 5, 0, {}).values()) == {0, 1, 2}


@pytest.mark.parametrize(("count", "expected"), [(3900, (3120, 585, 195)), (1950, (1560, 292, 98)), (7, (5, 1, 1))])
def test_samples_are_split_as_the_published_script_does(count, expected):
    splits = split_by_sample([f"s{number}" for number in range(count)], FRACTIONS, 0)
    sizes = Counter(splits.values())
    assert (sizes["train"], sizes["valid"], sizes["test"]) == expected
    assert list(splits) == sorted(splits)
