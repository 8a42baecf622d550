"""The few metrics of `evaluation.csv`, by flat names, as the published project's users know them."""

import pandas as pd

# Of the metrics with intervals, over originals: what a reader asks for first, next to Dice.
_CHOSEN = (
    ("nsd", "mean", "nsd_mean_originals"),
    ("hd95_px", "median", "hd95_px_median_originals"),
    ("detection_rate", "mean", "detection_rate"),
    ("false_positives_per_image", "mean", "false_positives_per_image"),
)


def headline(images: pd.DataFrame, metrics: pd.DataFrame) -> dict[str, float]:
    """Mean and median Dice over images with lesions, originals and all; the images without; lesions found.

    With several lesion classes then Dice of each class, over the images that have it.

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
        of_all = {row["metric"]: row for row in metrics[metrics["group"] == "all"].to_dict("records")}
        values |= {name: float(of_all[metric][kind]) for metric, kind, name in _CHOSEN if metric in of_all}
    for column in images.columns[images.columns.str.startswith("dice_")]:
        values |= _dice_metrics(images, column, column.removeprefix("dice"))
    return values


def _dice_metrics(images: pd.DataFrame, column: str, suffix: str) -> dict[str, float]:
    scored = images.dropna(subset=[column])
    originals = scored[scored["variant"] == "original"]
    return _middle(f"dice_{{}}_originals{suffix}", originals[column]) | _middle(f"dice_{{}}{suffix}", scored[column])


def _middle(name: str, dices: pd.Series) -> dict[str, float]:
    if dices.empty:
        return {}
    return {
        name.format("mean"): float(dices.mean()),
        name.format("median"): float(dices.median()),
        name.format("count"): len(dices),
    }
