"""Assigning patients and samples: the shares, the balance, who keeps a split, and what cannot be split."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.recipe import Fractions
from pipeline.splitting.balance import Balance
from pipeline.splitting.splits import (
    SplitError,
    SplitImage,
    _features,
    assign_folds,
    patient_order,
    split_by_patient,
    split_by_sample,
)

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
    with pytest.raises(SplitError) as error:
        split_by_patient(cohort(2), FRACTIONS, 0, {})
    assert str(error.value) == (
        "2 patients for 3 splits; each of them needs a patient of its own: add images, or set the fraction of one to 0"
    )


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


def even_cohort(patients):
    """Images that no random generator makes, so that they are the same with every version of one."""
    return [
        SplitImage(f"P{patient}", ("malignant", "benign", "normal")[(patient * patient + number % 2) % 3], size)
        for patient in range(1, patients + 1)
        for number in range((2, 4, 6, 8, 10)[patient * 7 % 5])
        for size in [(patient * 37 + number * 11) % 97 / 400 if number % 3 else 0.0]
    ]


@pytest.mark.parametrize(
    ("patients", "seed", "fixed", "expected"),
    [
        (40, 0, {}, "rarerrrreeerrraarearrraraarrrrrraerrarar"),
        (40, 1, {}, "rrraeerrrraearararararerrrrrereaararrrrr"),
        (40, 1, {"P7": "test", "P20": "valid"}, "raraeeerarrrrrrerrraararrrrerrrarraaraer"),
        (14, 0, {}, "ararararererrr"),
        (14, 3, {"P2": "test"}, "reeraaaarrrrrr"),
        (5, 0, {}, "rrear"),
        (10, 0, {}, "rerararrrr"),
    ],
)
def test_a_seed_gives_the_assignment_that_it_gave_before(patients, seed, fixed, expected):
    """Data sets that were made by an earlier version can be made again; second letters, by the patient's number."""
    splits = split_by_patient(even_cohort(patients), Fractions(train=0.6, valid=0.25, test=0.15), seed, fixed)
    assert "".join(split[1] for split in splits.values()) == expected


@pytest.mark.parametrize(
    ("patients", "folds", "fixed", "expected"),
    [(30, 5, {}, "334410222442000111323034201143"), (30, 4, {"P3": 3, "P9": 0}, "313202020300233021121113132032")],
)
def test_a_seed_gives_the_folds_that_it_gave_before(patients, folds, fixed, expected):
    assigned = assign_folds(even_cohort(patients), folds, 0, fixed)
    assert "".join(map(str, assigned.values())) == expected


def test_a_seed_gives_the_samples_that_it_gave_before():
    splits = split_by_sample([f"s{number:02}" for number in range(20)], Fractions(train=0.6, valid=0.25, test=0.15), 7)
    assert "".join(split[1] for split in splits.values()) == "raarerrrarerearrarrr"


def test_a_patient_of_an_empty_split_stays_there():
    splits = split_by_patient(even_cohort(8), Fractions(train=0.8, valid=0.2, test=0), 0, {"P3": "test", "P4": "valid"})
    assert [patient for patient, split in splits.items() if split == "test"] == ["P3"]
    assert splits["P4"] == "valid"


def test_a_fold_that_is_no_more_is_given_up():
    assert sorted(assign_folds(even_cohort(3), 5, 0, {"P1": 3, "P2": 4, "P3": 2}).values()) == [0, 1, 2]
    assert assign_folds(even_cohort(3), 5, 0, {"P2": 2})["P2"] == 2


def test_patients_are_sorted_by_number_then_name():
    assert sorted(["P10", "B2", "P2", "x", "", "A1", "A1-0"], key=patient_order) == ["", "x", "A1", "B2", "P2", "A1-0", "P10"]


def test_what_is_balanced_is_counted_by_patient():
    """Numbers of images, classes of 1 or 2, 3 or 4, and more images, thirds of the lesions by size, and worst classes."""
    images = [
        *(SplitImage("P1", "normal", 0.0), SplitImage("P1", "benign", 0.1), SplitImage("P1", "malignant", 0.5)),
        *(SplitImage("P2", "benign", 0.2), SplitImage("P2", "normal", 0.0)),
        *(SplitImage("P3", "normal", 0.3), SplitImage("P4", "normal", 0.0)),
        *[SplitImage("P5", "benign", size) for size in (0.4, 0.6, 0, 0, 0, 0, 0)],
    ]
    features, weights = _features(images, ["P1", "P2", "P3", "P4", "P5"])
    counts = np.array(
        [
            # images, of 1 or 2, of 3 or 4, of more; small, middle and large lesions; worst class malignant, benign, normal
            [3, 0, 1, 0, 1, 0, 1, 1, 0, 0],
            [2, 1, 0, 0, 1, 0, 0, 0, 1, 0],
            [1, 1, 0, 0, 0, 1, 0, 0, 0, 1],
            [1, 1, 0, 0, 0, 0, 0, 0, 0, 1],
            [7, 0, 0, 1, 0, 1, 1, 0, 1, 0],
        ]
    )
    np.testing.assert_allclose(features, counts / counts.sum(axis=0))
    assert weights.tolist() == [20] + [1] * 9


def test_what_no_patient_has_is_not_balanced():
    features, weights = _features([SplitImage("P1", "normal", 0.0), SplitImage("P2", "normal", 0.0)], ["P1", "P2"])
    np.testing.assert_array_equal(features, np.full((2, 3), 0.5))  # images, of 1 or 2, worst class normal
    assert weights.tolist() == [20, 1, 1]


def cost(features, weights, shares, labels):
    """The distance of all parts from their shares, by definition."""
    return sum(
        weight * (features[labels == part, column].sum() - share) ** 2 / share
        for part, share in enumerate(shares)
        for column, weight in enumerate(weights)
    )


@pytest.mark.parametrize("seed", range(12))
def test_no_move_and_no_swap_makes_an_assignment_better(seed):
    random = np.random.default_rng(seed)
    features, weights, shares = random.uniform(size=(9, 3)), np.array([5.0, 1.0, 2.0]), np.array([0.5, 0.3, 0.2])
    features /= features.sum(axis=0)
    fixed = np.array([-1, 1, -1, -1, 2, -1, -1, -1, -1])
    labels = Balance(features, weights, shares, fixed, np.random.default_rng(0)).solve()
    assert labels[1] == 1
    assert labels[4] == 2
    assert set(labels) == {0, 1, 2}
    reached = cost(features, weights, shares, labels)
    free = np.flatnonzero(fixed < 0)
    for patient in free:
        for part in range(3):
            moved = labels.copy()
            moved[patient] = part
            if len(set(moved)) == 3:
                assert cost(features, weights, shares, moved) >= reached - 1e-9
        for partner in free:
            swapped = labels.copy()
            swapped[[patient, partner]] = swapped[[partner, patient]]
            assert cost(features, weights, shares, swapped) >= reached - 1e-9


@pytest.mark.parametrize("bounded", [False, True])
def test_the_best_swap_is_that_of_all_patients_one_by_one(bounded):
    """Patients with equal features are looked at once, and the first of them is the partner."""
    rng = np.random.default_rng(0)
    features = rng.integers(1, 3, (60, 3)).astype(float)
    features /= features.sum(axis=0)
    shares, fixed = np.array([0.5, 0.3, 0.2]), np.where(np.arange(60) % 7, -1, 1)
    balance = Balance(features, np.array([20.0, 1.0, 1.0]), shares, fixed, rng)
    balance.solve()
    labels = np.where(fixed < 0, rng.permutation(balance.labels), fixed)
    balance._bounded = bounded
    balance.labels = labels
    balance._count_parts()
    for patient in balance.free[:40]:
        here = int(labels[patient])
        for part in {0, 1, 2} - {here}:
            partners = [other for other in balance.free if labels[other] == part]
            changes = [features[patient] - features[other] for other in partners]
            gains = [
                balance._cost(here, -change) - balance._cost(here) + (balance._cost(part, change) - balance._cost(part))
                for change in changes
            ]
            best = int(np.argmin(gains))
            assert balance._best_swap(patient, here, part) == (gains[best], part, partners[best])
        balance._put(patient, (here + 1) % 3)


def test_moves_within_the_tolerance_stay_there():
    """The largest of the second feature alone against the rest would be better balanced, at 0.3, but is beyond two points."""
    features = np.array([[0.25, 0.0], [0.25, 0.1], [0.25, 0.1], [0.23, 0.1], [0.02, 0.7]])
    balance = Balance(features, np.array([1.0, 1000.0]), np.array([0.5, 0.5]), np.full(5, -1), np.random.default_rng(0))
    labels = balance.improve_within_tolerance(np.array([0, 0, 1, 1, 1]))
    assert abs(features[labels == 0, 0].sum() - 0.5) <= 0.02 + 1e-9
    assert sorted(features[labels == part, 1].sum() for part in (0, 1)) == pytest.approx([0.2, 0.8])


def test_a_single_fold_or_split_holds_all_patients():
    assert set(assign_folds(even_cohort(4), 1, 0, {}).values()) == {0}
    assert set(split_by_patient(even_cohort(4), Fractions(train=1, valid=0, test=0), 0, {}).values()) == {"train"}
