"""The learning curve: the Dice of one network against the number of patients that it was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from protocol import records
from protocol.entries import CURVE, CURVE_WHOLE
from protocol.leaderboard import compare
from segmenter.evaluation.bootstrap import Estimate


@dataclass(frozen=True)
class Point:
    """One share of the training patients, for one input.

    Attributes:
      share: of the training patients.
      patients: how many these are, the mean of the folds.
      mode: pair or single.
      folds: how many have a result.
      dice: the mean of the test images.
      difference: paired, from the network with all patients; None for that network itself, or without images that both have.
    """

    share: float
    patients: float
    mode: str
    folds: int
    dice: Estimate
    difference: Estimate | None


def read_points(rows: Sequence[Mapping[str, Any]]) -> list[Point]:
    """The points of the curve by share and mode; empty with fewer than two shares.

    Args:
      rows: of the leaderboard.
    """
    shares = CURVE | {CURVE_WHOLE: 1.0}
    found = sorted((row for row in rows if row["entry"] in shares), key=lambda row: shares[row["entry"]])
    if len({row["entry"] for row in found}) < 2:
        return []
    return [_point(row, shares[row["entry"]]) for row in found]


def _point(row: Mapping[str, Any], share: float) -> Point:
    entry, mode = row["entry"], row["mode"]
    difference = None
    if entry != CURVE_WHOLE and (records.FOLDER / CURVE_WHOLE / mode / records.TABLES[0]).is_file():
        difference = compare(records.read_originals(entry, mode), records.read_originals(CURVE_WHOLE, mode))
    patients = fmean(fold["train_patients"] for fold in records.read_folds(entry).values())
    dice = Estimate(row["dice_mean"], row.get("dice_mean_low"), row.get("dice_mean_high"))
    return Point(share, patients, mode, row["folds"], dice, difference)
