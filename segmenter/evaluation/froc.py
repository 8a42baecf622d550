"""The FROC curve: detected lesions against false positives per image, as candidates of lower score are added.

The candidates are the components of the evaluated masks, each with one score and matched once, so that a curve never falls
and ends at the evaluated masks. Sources: see `segmenter.evaluation.lesions`.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from segmenter.evaluation.bootstrap import PatientBootstrap
from segmenter.evaluation.sizes import SIZES

CURVE_COLUMNS = ["criterion", "size", "threshold", "lesions", "detection_rate", "low", "high", "false_positives_per_image"]
_MATCHED = {"iou": "lesion", "centre": "centre_lesion"}  # by criterion, the column with the lesion that a candidate detects
_MOST_POINTS = 50


def curve_rows(images: pd.DataFrame, lesions: pd.DataFrame, candidates: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Detection by size against false positives per image, at up to 50 scores from the highest to the lowest.

    Args:
      images: those that count, with `sample` and `owner`.
      lesions: the lesions of these images, with `sample`, `lesion`, `size` and `owner`.
      candidates: froc.csv; candidates of other images are left out.
    """
    if lesions.empty:
        return
    candidates = candidates[candidates["sample"].isin(images["sample"])]
    thresholds = _choose_thresholds(candidates["score"].to_numpy(float))
    for criterion, column in _MATCHED.items():
        # A lesion that several candidates hit by their centre is found with the best of them.
        best = candidates.dropna(subset=[column]).groupby(["sample", column])["score"].max()
        scores = best.reindex(pd.MultiIndex.from_frame(lesions[["sample", "lesion"]])).to_numpy(float)
        wrong = candidates.loc[candidates[column].isna(), "score"].to_numpy(float)
        for size in ("all", *SIZES):
            chosen = np.ones(len(lesions), bool) if size == "all" else (lesions["size"] == size).to_numpy()
            if not chosen.any():
                continue
            bootstrap, count = PatientBootstrap(lesions["owner"][chosen]), int(chosen.sum())
            for threshold in thresholds:
                rate = bootstrap.ratio(scores[chosen] >= threshold, np.ones(count))
                false_positives = float((wrong >= threshold).sum() / len(images))
                cells = (criterion, size, threshold, count, rate.value, rate.low, rate.high, false_positives)
                yield dict(zip(CURVE_COLUMNS, cells, strict=True))


def _choose_thresholds(scores: np.ndarray) -> list[float]:
    """The scores that occur, in descending order; of many, some evenly spaced by rank, with both ends."""
    distinct = np.unique(scores)[::-1]
    if not len(distinct):
        return [1.0]  # nothing was predicted: the curve is the point of no detection
    ranks = np.linspace(0, len(distinct) - 1, min(len(distinct), _MOST_POINTS)).round().astype(int)
    return distinct[ranks].tolist()
