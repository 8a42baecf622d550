"""Assigns patients, or samples, to train, valid and test, and patients to folds. Names and numbers only."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.contract import SPLITS, WORST_FIRST
from pipeline.splitting.balance import Balance
from pipeline.splitting.shares import find_assignment, within_tolerance

if TYPE_CHECKING:
    from pipeline.recipe import Fractions


class SplitError(ValueError):
    """The images cannot be split as asked; the message states what was found and what was expected."""


@dataclass(frozen=True)
class SplitImage:
    """What a split depends on in one source image: its patient, its class, and its lesion's share of the square."""

    patient: str
    image_class: str
    lesion_share: float


def split_by_patient(images: Sequence[SplitImage], fractions: "Fractions", seed: int, fixed: Mapping[str, str]) -> dict[str, str]:
    """Gives each patient one split, so that the splits' shares of source images are near `fractions`.

    It also balances images per patient, lesion size (terciles) and the patient's worst class. Where any assignment lies
    within two points of the fractions, with at least one patient in each split, the returned one does, unless more than 300
    patients or 3000 images are to be assigned.

    Args:
      images: the source images.
      fractions: target shares of source images; a split of share 0 stays empty, any other gets at least one patient.
      seed: chooses among equally good assignments.
      fixed: patients who keep the split they have.

    Returns:
      The split by patient, in the order of the patients' numbers.

    Raises:
      SplitError: fewer patients than splits.

    Example:
      >>> from pipeline.recipe import Fractions
      >>> images = [SplitImage(f"P{number}", "malignant", 0.01) for number in range(1, 6)]
      >>> splits = split_by_patient(images, Fractions(train=0.6, valid=0.2, test=0.2), seed=1, fixed={"P2": "test"})
      >>> splits["P2"], sorted(splits.values())
      ('test', ['test', 'train', 'train', 'train', 'valid'])
    """
    splits = [split for split in SPLITS if getattr(fractions, split) > 0]
    shares = [getattr(fractions, split) for split in splits]
    labels = {patient: splits.index(split) for patient, split in fixed.items() if split in splits}
    kept = {patient: split for patient, split in fixed.items() if split not in splits}
    assigned = _assign([image for image in images if image.patient not in kept], shares, seed, labels, bounded=True)
    return _by_number({**{patient: splits[label] for patient, label in assigned.items()}, **kept}, images)


def assign_folds(images: Sequence[SplitImage], folds: int, seed: int, fixed: Mapping[str, int]) -> dict[str, int]:
    """Gives each patient one of `folds` folds of about the same size; balanced as in `split_by_patient`.

    With fewer patients than folds, the last folds stay empty.

    Example:
      >>> folds = assign_folds([SplitImage(f"P{number}", "malignant", 0.01) for number in range(6)], folds=3, seed=1, fixed={})
      >>> sorted(folds.values())
      [0, 0, 1, 1, 2, 2]
    """
    count = min(folds, len({image.patient for image in images}))
    fixed = {patient: fold for patient, fold in fixed.items() if fold < count}
    return _by_number(_assign(images, [1 / count] * count, seed + 1, fixed), images)


def split_by_sample(samples: Sequence[str], fractions: "Fractions", seed: int) -> dict[str, str]:
    """Splits samples as the published script does: shuffled, then int(train n), int(valid n) and the rest.

    Example:
      >>> from pipeline.recipe import Fractions
      >>> split_by_sample(["a", "b", "c", "d"], Fractions(train=0.5, valid=0.25, test=0.25), seed=0)
      {'a': 'train', 'b': 'valid', 'c': 'train', 'd': 'test'}
    """
    shuffled = sorted(samples)
    random.Random(seed).shuffle(shuffled)
    train = int(fractions.train * len(shuffled))
    valid = train + int(fractions.valid * len(shuffled))
    splits = dict.fromkeys(shuffled[:train], "train") | dict.fromkeys(shuffled[train:valid], "valid")
    splits |= dict.fromkeys(shuffled[valid:], "test")
    return dict(sorted(splits.items()))


def _by_number(values: Mapping[str, object], images: Sequence[SplitImage]) -> dict:
    present = {image.patient for image in images}
    return {patient: values[patient] for patient in sorted(present, key=patient_order)}


def patient_order(patient: str) -> tuple[int, str]:
    """Returns a sort key by which P2 comes before P10.

    Example:
      >>> sorted(["P10", "P2"], key=patient_order)
      ['P2', 'P10']
    """
    digits = "".join(character for character in patient if character.isdigit())
    return int(digits or 0), patient


def _assign(
    images: Sequence[SplitImage],
    shares: Sequence[float],
    seed: int,
    fixed: Mapping[str, int],
    *,
    bounded: bool = False,
) -> dict[str, int]:
    patients = sorted({image.patient for image in images}, key=patient_order)
    if len(patients) < len(shares):
        raise SplitError(
            f"{len(patients)} patients for {len(shares)} splits; each of them needs a patient of its own: "
            "add images, or set the fraction of one to 0"
        )
    labels = np.array([fixed.get(patient, -1) for patient in patients])
    features, weights = _features(images, patients)
    balance = Balance(features, weights, np.array(shares), labels, np.random.default_rng(seed))
    assigned = balance.solve()
    if bounded:
        counts = Counter(image.patient for image in images)
        sizes = np.array([counts[patient] for patient in patients])
        is_missed = not within_tolerance(np.bincount(assigned, sizes, len(shares)), np.array(shares))
        if is_missed and (found := find_assignment(sizes, np.array(shares), labels)) is not None:
            assigned = balance.improve_within_tolerance(found)
    return dict(zip(patients, assigned.tolist(), strict=True))


def _features(images: Sequence[SplitImage], patients: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns what is to be balanced, (patients, features) with columns that sum to 1, and the features' weights."""
    row = {patient: index for index, patient in enumerate(patients)}
    lesions = [image.lesion_share for image in images if image.lesion_share > 0]
    terciles = np.quantile(lesions, [1 / 3, 2 / 3]) if lesions else np.zeros(2)
    counts = np.zeros((len(patients), 1 + 3 + 3 + len(WORST_FIRST)))
    worst = dict.fromkeys(patients, len(WORST_FIRST) - 1)
    for image in images:
        index = row[image.patient]
        counts[index, 0] += 1
        if image.lesion_share > 0:
            counts[index, 4 + int(np.searchsorted(terciles, image.lesion_share))] += 1
        worst[image.patient] = min(worst[image.patient], WORST_FIRST.index(image.image_class))
    counts[np.arange(len(patients)), 1 + np.minimum((counts[:, 0].astype(int) - 1) // 2, 2)] = 1
    counts[np.arange(len(patients)), 7 + np.array([worst[patient] for patient in patients])] = 1
    used = counts.sum(axis=0) > 0
    # The number of images has a tolerance of 2 points to keep; the others are as near as that allows.
    weights = np.array([20.0] + [1.0] * (counts.shape[1] - 1))[used]
    return counts[:, used] / counts[:, used].sum(axis=0), weights
