"""95 % intervals by drawing patients with replacement.

Images of one patient resemble each other, so patients are drawn and all their rows come with them; drawing rows would give
intervals that are too narrow. Clustered bootstrap: Field and Welsh, "Bootstrapping clustered data", J. R. Statist. Soc. B
69, 2007; percentile intervals: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from segmenter.evaluation import student

CONFIDENCE = 0.95
DRAWS, SEED = 2000, 20261124
Statistic = Callable[[np.ndarray], np.ndarray]  # from (draws, patients) counts to (draws,) values
_CHUNK = 250  # draws at a time: about ten megabytes for a few thousand rows


@dataclass(frozen=True)
class Estimate:
    """A metric and its interval, 95 % unless stated otherwise; `low` and `high` are None with fewer than two patients."""

    value: float
    low: float | None = None
    high: float | None = None


def tail(patients: int, confidence: float = CONFIDENCE) -> float:
    """The share of draws to leave out at each end of the interval of a metric over so many patients, two or more.

    Example:
      >>> round(tail(6), 5), round(tail(30), 4), round(tail(100_000), 3)
      (0.00243, 0.0188, 0.025)
    """
    return NormalDist().cdf(-((patients / (patients - 1)) ** 0.5) * student.quantile(confidence, patients - 1))


class PatientBootstrap:
    """Draws the same patients for all metrics of a table, so that they can be compared.

    A row whose value is NaN does not count; a draw in which no row counts is left out of the interval.

    Args:
      patients: (rows,) text, each row's patient.
      draws, seed: the number of draws, and the seed; the same seed draws the same patients.
      confidence: how often the intervals should hold the true value.

    Example:
      >>> estimate = PatientBootstrap(["P1", "P1", "P2"]).mean(np.array([0.2, 0.4, 0.9]))
      >>> estimate.value, round(estimate.low, 2), round(estimate.high, 2)
      (0.5, 0.3, 0.9)
    """

    def __init__(self, patients: ArrayLike, draws: int = DRAWS, seed: int = SEED, confidence: float = CONFIDENCE):
        self.names, self._of_row = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
        self.draws, self._seed, self._confidence = draws, seed, confidence

    @cached_property
    def times(self) -> np.ndarray:
        """How often each patient was drawn, (draws, patients) int64; patients are sorted by name."""
        count = len(self.names)
        return np.random.default_rng(self._seed).multinomial(count, np.full(count, 1 / count), size=self.draws)

    def mean(self, values: np.ndarray) -> Estimate:
        """The mean of (rows,) values."""
        counts = ~np.isnan(values)
        return self.ratio(np.where(counts, values, 0.0), counts)

    def ratio(self, numerators: np.ndarray, denominators: np.ndarray) -> Estimate:
        """The sum of (rows,) numerators divided by the sum of denominators, such as detected by annotated lesions."""
        above, below = self._sums(numerators), self._sums(denominators)
        return self._estimate(_divide(above.sum(), below.sum()), lambda times: _divide(times @ above, times @ below), below)

    def median(self, values: np.ndarray) -> Estimate:
        """The median of (rows,) values; of an even number the mean of the middle two, in each draw too."""
        value, statistic = self._median(values)
        return self._estimate(value, statistic, self._sums(~np.isnan(values)))

    def median_difference(self, values: np.ndarray, others: np.ndarray) -> Estimate:
        """The median of (rows,) values minus that of `others`, over rows that have both; draws the same patients for both."""
        both = ~np.isnan(values) & ~np.isnan(others)
        (first, median), (second, other) = (self._median(np.where(both, column, np.nan)) for column in (values, others))
        return self._estimate(first - second, lambda times: median(times) - other(times), self._sums(both))

    def _median(self, values: np.ndarray) -> tuple[float, Statistic]:
        """The median of all rows, and the function that gives the median of each draw."""
        kept = np.flatnonzero(~np.isnan(values))
        order = kept[np.argsort(values[kept])]
        ordered, owners = values[order], self._of_row[order]
        median = float(np.median(ordered)) if len(ordered) else float("nan")
        return median, lambda times: _weighted_median(ordered, times[:, owners])

    def _sums(self, values: np.ndarray) -> np.ndarray:
        """The sum of each patient's rows, (patients,)."""
        return np.bincount(self._of_row, weights=values)

    def _estimate(self, value: float, statistic: Statistic, rows: np.ndarray) -> Estimate:
        if (patients := int((rows > 0).sum())) < 2:
            return Estimate(float(value))
        chunks = [statistic(self.times[first : first + _CHUNK]) for first in range(0, self.draws, _CHUNK)]
        drawn = np.concatenate(chunks)
        outside = tail(patients, self._confidence)
        low, high = np.quantile(drawn[~np.isnan(drawn)], (outside, 1 - outside))
        return Estimate(float(value), float(low), float(high))


def _divide(above, below):
    """The quotient, NaN where the divisor is 0."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=np.asarray(below) > 0)


def _weighted_median(ordered: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The median of each draw.

    Args:
      ordered: (rows,) values, sorted.
      weights: (draws, rows), how often each row was drawn.
    """
    up_to = weights.cumsum(axis=1)
    total = up_to[:, -1:]
    middle = [(up_to > rank).argmax(axis=1) for rank in ((total - 1) // 2, total // 2)]
    return np.where(total[:, 0] > 0, (ordered[middle[0]] + ordered[middle[1]]) / 2, np.nan)
