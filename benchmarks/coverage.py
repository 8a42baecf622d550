#!/usr/bin/env python3
"""Measures how often the 95 % intervals hold the true value, and how often `compare` sees a difference where there is none.

    python benchmarks/coverage.py [--draws 2000]

Cohorts of simulated patients are drawn again and again. A patient has 2 to 8 images that resemble each other: the logit of
Dice is a patient's own level plus an image's own deviation, and a lesion is missed (Dice 0) the more easily the lower that
level is. The true mean Dice and the true share of missed lesions are those of 400,000 patients. Prints two Markdown tables:
the coverage of plain percentile intervals and of the expanded ones that an evaluation has, and, for pairs of models that
are equally good, the share of comparisons with a verdict, by the rule of `compare` and by intervals of all rows.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from segmenter.evaluation.bootstrap import PatientBootstrap
from segmenter.evaluation.comparison import BETTER, WORSE, Evaluated, compare_runs
from segmenter.runs import Run

PATIENTS = (6, 9, 16, 30)
POPULATION, SEED = 400_000, 20261126


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000, help="cohorts of each size; a fifth as many pairs of models")
    draws = parser.parse_args().draws
    rng = np.random.default_rng(SEED)
    print(*coverage_lines(rng, draws), "", *comparison_lines(rng, max(1, draws // 5)), sep="\n")


def cohort(rng: np.random.Generator, patients: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws patients.

    Returns:
      (images,) int64, each image's patient, and (images,) float64, its Dice.
    """
    owners = np.repeat(np.arange(patients), rng.choice([2, 4, 6, 8], patients))
    level = rng.normal(0.6, 0.9, patients)[owners]
    dice = 1 / (1 + np.exp(-(level + rng.normal(0, 0.7, len(owners)))))
    return owners, np.where(rng.uniform(size=len(owners)) < 1 / (1 + np.exp(1.2 * level + 1.5)), 0.0, dice)


def coverage_lines(rng: np.random.Generator, draws: int) -> list[str]:
    """The table of coverages, in percent, by number of patients."""
    _, population = cohort(rng, POPULATION)
    true = {"mean Dice": population.mean(), "share of missed lesions": (population == 0).mean()}
    names = [f"{name}, {kind}" for name in true for kind in ("percentile", "expanded")]
    lines = [f"| patients | {' | '.join(names)} |", f"| ---: |{' ---: |' * len(names)}"]
    for patients in PATIENTS:
        held = np.zeros((len(true), 2))
        for _ in range(draws):
            owners, dice = cohort(rng, patients)
            bootstrap = PatientBootstrap([f"{owner:02}" for owner in owners])
            for row, (values, value) in enumerate(zip((dice, (dice == 0) * 1.0), true.values(), strict=True)):
                expanded = bootstrap.mean(values)
                drawn = bootstrap.times @ np.bincount(owners, values) / (bootstrap.times @ np.bincount(owners))
                low, high = np.percentile(drawn, (2.5, 97.5))
                held[row] += low <= value <= high, expanded.low <= value <= expanded.high
        lines.append(f"| {patients} | {' | '.join(f'{100 * share:.1f}' for share in (held / draws).ravel())} |")
    return lines


def comparison_lines(rng: np.random.Generator, draws: int) -> list[str]:
    """The table of verdicts on models that are equally good, in percent of the comparisons, by number of patients."""
    names = ("a verdict by `compare`", "an expanded interval without 0 in any row")
    lines = [f"| patients | {' | '.join(names)} |", f"| ---: |{' ---: |' * len(names)}"]
    for patients in PATIENTS:
        seen = np.zeros(2)
        for _ in range(draws):
            table = compare_runs(equal_models(rng, patients))
            excluded = (table["low"] > 0) | (table["high"] < 0)
            seen += table["verdict"].isin([BETTER, WORSE]).any(), excluded.any()
        lines.append(f"| {patients} | {' | '.join(f'{100 * share:.1f}' for share in seen / draws)} |")
    return lines


def equal_models(rng: np.random.Generator, patients: int) -> list[Evaluated]:
    """Two evaluations of the same images, whose metrics differ by chance only."""
    owners, dice = cohort(rng, patients)
    names = pd.Index([f"P{owner}_{number}" for number, owner in enumerate(owners)], name="sample")
    lesions = pd.DataFrame({"sample": names, "area_px": 100, "centre_x": 0.0, "centre_y": 0.0})
    evaluated = []
    for run in "ab":
        drift = rng.normal(0, 0.3, patients)[owners]  # of one model on one patient
        own = np.clip(dice + 0.15 * (drift + rng.normal(0, 0.5, len(dice))), 0, 1)
        columns = {name: np.clip(own + rng.normal(0, 0.1, len(own)), 0, 1) for name in ("sensitivity", "precision", "nsd")}
        columns |= {"dice": own, "hd95_px": 60 * (1 - own) * rng.lognormal(0, 0.3, len(own)), "truth_px": 100, "lesions": 1}
        columns |= {"detected": (own > 0.1) * 1, "false_positives": rng.poisson(1 - own), "one": 1}
        images = pd.DataFrame({"image_id": names, "patient": [f"P{owner}" for owner in owners], **columns}, index=names)
        evaluated.append(Evaluated(Run(Path(run)), "test", images, lesions, {"tolerance_px": 2.0}))
    return evaluated


if __name__ == "__main__":
    main()
