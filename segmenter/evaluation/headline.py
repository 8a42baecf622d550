"""The selected metrics of `evaluation.csv`, under the flat names that users of the published project know."""

import pandas as pd

# Metrics with intervals, over originals, that a reader asks for first in addition to Dice.
_CHOSEN = (
    ("nsd", "mean", "nsd_mean_originals"),
    ("hd95_px", "median", "hd95_px_median_originals"),
    ("detection_rate", "mean", "detection_rate"),
    ("false_positives_per_image", "mean", "false_positives_per_image"),
)


def headline(images: pd.DataFrame, metrics: pd.DataFrame) -> dict[str, float]:
    """Mean and median Dice over originals and over all images with lesions, counts of images without lesion, and detection.

    With several lesion classes, Dice of each class follows, over the images that have it.

    Args:
      images: per_image.csv.
      metrics: metrics.csv.
    """
    values = _dice_metrics(images, "dice", "")
    empty = images[images["empty_truth"] == 1]
    values |= {
        "images": len(images),
        "empty_truth": len(empty),
        "empty_truth_with_false_positives": int((empty["predicted_px"] > 0).sum()),
    }
    if (images["variant"] == "original").any():
        overall = {row["metric"]: row for row in metrics[metrics["group"] == "all"].to_dict("records")}
        values |= {name: float(overall[metric][average]) for metric, average, name in _CHOSEN if metric in overall}
    for column in images.columns[images.columns.str.startswith("dice_")]:
        values |= _dice_metrics(images, column, column.removeprefix("dice"))
    return values


def _dice_metrics(images: pd.DataFrame, column: str, suffix: str) -> dict[str, float]:
    scored = images.dropna(subset=[column])
    originals = scored[scored["variant"] == "original"]
    return _averages(f"dice_{{}}_originals{suffix}", originals[column]) | _averages(f"dice_{{}}{suffix}", scored[column])


def _averages(name: str, dices: pd.Series) -> dict[str, float]:
    if dices.empty:
        return {}
    return {
        name.format("mean"): float(dices.mean()),
        name.format("median"): float(dices.median()),
        name.format("count"): len(dices),
    }
