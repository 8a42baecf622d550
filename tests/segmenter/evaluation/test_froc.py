"""The FROC curve on random masks: it never falls, nor do its false positives, and it ends at the evaluated masks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pipeline.geometry import connected_components
from segmenter.evaluation.froc import curve_rows
from segmenter.evaluation.lesions import match_regions, score_candidates
from segmenter.evaluation.sizes import SIZES


def measured(seed, count):
    """The tables of images with random lesions and predictions, and the totals of their matching by criterion."""
    rng = np.random.default_rng(seed)
    images, lesions, candidates, totals = [], [], [], {"iou": np.zeros(2, int), "centre": np.zeros(2, int)}
    for number in range(count):
        field = ndimage.gaussian_filter(rng.normal(size=(2, 32, 32)), (0, 2, 2))
        likely = 1 / (1 + np.exp(-30 * (field[0] + field[1] - 0.1)))
        truth, predicted = connected_components(field[0] > 0.12), connected_components(likely >= 0.5)
        matching, sample = match_regions(truth, predicted), f"S{number}"
        images.append((sample, f"P{number // 2}"))
        lesions += [(sample, lesion, rng.choice(SIZES), f"P{number // 2}") for lesion in range(1, len(truth) + 1)]
        numbers = [np.where(found > 0, found, np.nan) for found in (matching.overlapped, matching.hit)]
        candidates += [(sample, *cells) for cells in zip(score_candidates(predicted, likely), *numbers, strict=True)]
        totals["iou"] += matching.detected.sum(), matching.false_positives
        totals["centre"] += matching.centre_detected.sum(), matching.centre_false_positives
    tables = (
        pd.DataFrame(images, columns=["sample", "owner"]),
        pd.DataFrame(lesions, columns=["sample", "lesion", "size", "owner"]),
        pd.DataFrame(candidates, columns=["sample", "score", "lesion", "centre_lesion"]).astype({"score": float}),
    )
    return tables, totals


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_a_curve_never_falls_and_ends_at_the_evaluated_masks(seed, count):
    tables, totals = measured(seed, count)
    curve = pd.DataFrame(curve_rows(*tables))
    if tables[1].empty:
        assert curve.empty
        return
    for (criterion, size), rows in curve.groupby(["criterion", "size"]):
        assert rows["threshold"].is_monotonic_decreasing
        assert len(rows) <= 50
        for column in ("detection_rate", "false_positives_per_image", "low", "high"):
            assert rows[column].dropna().is_monotonic_increasing, (criterion, size, column)
        if size == "all":
            detected, false_positives = totals[criterion]
            assert rows["detection_rate"].iloc[-1] == pytest.approx(detected / len(tables[1]))
            assert rows["false_positives_per_image"].iloc[-1] == pytest.approx(false_positives / count)
