"""Balances what patients bring with them over parts, splits or folds: a greedy assignment, then moves and swaps. Numbers only."""

import heapq
from collections import Counter

import numpy as np

from pipeline.splitting.shares import TOLERANCE

_FORBIDDEN = 1e6  # the cost of a share outside the tolerance; no balance is worth it


class Balance:
    """Greedy assignment, largest patients first, then moves and swaps while they help; a part is a split or a fold."""

    def __init__(
        self, features: np.ndarray, weights: np.ndarray, shares: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ):
        self.features, self.weights, self.shares, self.labels = features, weights, shares, labels.copy()
        self.free = np.flatnonzero(labels < 0)
        self.rng = rng
        self._bounded = False  # whether shares of images must stay within the tolerance
        different, numbers = np.unique(features, axis=0, return_inverse=True)
        self.kinds, self.kind_of = len(different), numbers.ravel().tolist()
        self._count_parts()

    def _count_parts(self) -> None:
        """Sums each part's features, and finds its first free patient of each kind; patients of a kind have equal features.

        Patients after the first are as good partners for a swap, and there may be thousands. They wait in a heap per part and
        kind; one that has left the part since is removed when it comes up.
        """
        self._costs: dict[int, np.ndarray] = {}
        self.sums = np.stack([self.features[self.labels == part].sum(axis=0) for part in range(len(self.shares))])
        self._waiting: list[list[list[int]]] = [[[] for _ in range(self.kinds)] for _ in self.shares]
        for patient in self.free[self.labels[self.free] >= 0].tolist():
            self._waiting[self.labels[patient]][self.kind_of[patient]].append(patient)  # ascending, and so a heap
        self.first = np.array([[waiting[0] if waiting else -1 for waiting in kinds] for kinds in self._waiting])

    def _find_first(self, part: int, kind: int) -> None:
        waiting = self._waiting[part][kind]
        while waiting and self.labels[waiting[0]] != part:
            heapq.heappop(waiting)
        self.first[part, kind] = waiting[0] if waiting else -1

    def solve(self) -> np.ndarray:
        order = self.rng.permutation(self.free)
        for patient in order[np.argsort(-self.features[order, 0], kind="stable")]:
            self._put(
                patient,
                int(
                    np.argmin(
                        [self._cost(part, self.features[patient]) - self._present_cost(part) for part in range(len(self.shares))]
                    )
                ),
            )
        self._fill_empty()
        while self._improve():
            pass
        return self.labels

    def improve_within_tolerance(self, labels: np.ndarray) -> np.ndarray:
        """Balances an assignment whose shares of images lie within the tolerance, and keeps them there."""
        self.labels, self._bounded = labels.copy(), True
        self._count_parts()
        while self._improve():
            pass
        return self.labels

    def _cost(self, part: int, change: np.ndarray | float = 0.0) -> np.ndarray:
        """Returns the weighted squared distance of one part from its share; deviations of a small part weigh more."""
        deviations = self.sums[part] + change - self.shares[part]
        cost = (deviations**2 * self.weights).sum(axis=-1) / self.shares[part]
        if self._bounded:
            cost = cost + _FORBIDDEN * (np.abs(deviations[..., 0]) > TOLERANCE + 1e-9)
        return cost

    def _present_cost(self, part: int) -> np.ndarray:
        if part not in self._costs:
            self._costs[part] = self._cost(part)
        return self._costs[part]

    def _put(self, patient: int, part: int) -> None:
        before, kind = int(self.labels[patient]), self.kind_of[patient]
        self._costs.pop(before, None), self._costs.pop(part, None)
        self.labels[patient] = part
        if before >= 0:
            self.sums[before] -= self.features[patient]
            self._find_first(before, kind)
        self.sums[part] += self.features[patient]
        heapq.heappush(self._waiting[part][kind], int(patient))
        self._find_first(part, kind)

    def _fill_empty(self) -> None:
        """Gives a part without a patient one from a part that has several."""
        for part in range(len(self.shares)):
            if (self.labels == part).any():
                continue
            sizes = Counter(self.labels.tolist())
            givers = [patient for patient in self.free.tolist() if sizes[self.labels[patient]] > 1]
            if givers:
                self._put(min(givers, key=lambda patient: self.features[patient, 0]), part)

    def _improve(self) -> bool:
        """Makes one pass with the best move or swap of each patient; returns whether any helped."""
        helped = False
        for patient in self.rng.permutation(self.free):
            here = int(self.labels[patient])
            options = [
                self._best_move(patient, here),
                *(self._best_swap(patient, here, part) for part in range(len(self.shares)) if part != here),
            ]
            gain, part, partner = min(options, key=lambda option: option[0])
            if gain < -1e-12:
                self._put(patient, part)
                if partner is not None:
                    self._put(partner, here)
                helped = True
        return helped

    def _best_move(self, patient: int, here: int) -> tuple[float, int, int | None]:
        if (self.labels == here).sum() == 1:
            return 0.0, here, None
        moved = self.features[patient]
        leave = self._cost(here, -moved) - self._present_cost(here)
        gains = [
            (float(leave + self._cost(part, moved) - self._present_cost(part)), part, None)
            for part in range(len(self.shares))
            if part != here
        ]
        return min(gains, key=lambda gain: gain[0], default=(0.0, here, None))

    def _best_swap(self, patient: int, here: int, part: int) -> tuple[float, int, int | None]:
        partners = self.first[part][self.first[part] >= 0]
        if not len(partners):
            return 0.0, here, None
        change = self.features[patient] - self.features[partners]
        gains = (self._cost(here, -change) - self._present_cost(here)) + (self._cost(part, change) - self._present_cost(part))
        best = gains.min()
        return float(best), part, int(partners[gains == best].min())
