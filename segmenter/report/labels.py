"""What the figures are called and mean, and how many digits of them are worth showing."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A figure's name for people, what it means in a line, and the digits behind its point."""

    name: str
    meaning: str
    digits: int = 3


METRICS = {
    "dice": Metric("Dice", "overlap: twice the common area over the sum of both; 1 is the same mask"),
    "iou": Metric("IoU", "overlap: common area over the area of either; orders images as Dice does"),
    "sensitivity": Metric("Sensitivity", "part of the lesion's pixels that was found"),
    "precision": Metric("Precision", "part of the predicted pixels that is lesion; undefined where nothing was predicted"),
    "specificity": Metric("Specificity", "part of the other pixels that was left alone; near 1 for any model", 4),
    "nsd": Metric("NSD", "share of both outlines within {tolerance:g} px of each other (normalised surface Dice)"),
    "hd95_px": Metric("HD95, px", "95th percentile of the distances between outlines, where something was predicted", 1),
    "asd_px": Metric("ASD, px", "mean distance between outlines, where something was predicted", 1),
    "hd95_source_px": Metric("HD95, source px", "HD95 in pixels of the source image", 1),
    "asd_source_px": Metric("ASD, source px", "ASD in pixels of the source image", 1),
    "hd95_mm": Metric("HD95, mm", "HD95 in millimetres, where the spacing is known", 1),
    "asd_mm": Metric("ASD, mm", "ASD in millimetres, where the spacing is known", 1),
    "detection_rate": Metric("Detection rate (IoU > 0.1)", "share of the {lesions} that a predicted part overlaps"),
    "centre_detection_rate": Metric("Detection rate (centre)", "share of the {lesions} that hold a predicted part's centre"),
    "false_positives_per_image": Metric("False positives an image (IoU > 0.1)", "predicted parts that match no lesion", 2),
    "centre_false_positives_per_image": Metric(
        "False positives an image (centre)", "predicted parts whose centre is in no lesion", 2
    ),
    "share_without_false_positive": Metric("Clean images", "share of the images without lesion in which nothing was found"),
    "false_positive_px": Metric("False-positive area, px", "predicted area in an image without lesion", 0),
    "false_positives": Metric("False positives", "predicted parts in an image without lesion", 2),
}
GROUP_NAMES = {
    "class": "class",
    "size": "largest lesion",
    "kind": "kind",
    "view": "view",
    "side": "side",
    "density": "density",
    "birads": "BI-RADS",
    "finding": "finding",
    "machine": "machine",
}
CRITERIA = {"iou": "IoU > 0.1", "centre": "centre inside"}
KINDS = {"DM": "low energy", "CM": "subtracted"}
WIDE_UNDER = 30  # patients; docs/metrics.md


def metric_of(name: str) -> Metric:
    """What is known of a column `metric` of figures.csv; `dice_benign` is Dice of a class."""
    if name in METRICS:
        return METRICS[name]
    label = name.removeprefix("dice_")
    return Metric(f"Dice, {label}", f"Dice of the class {label}, over the images that have it")


def told(value: float | None, digits: int = 3) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:,.{digits}f}"


def interval(row: Mapping, kind: str = "mean", digits: int = 3) -> str:
    """The 95 % interval of a row of figures.csv; empty where there is none."""
    low, high = row[f"{kind}_low"], row[f"{kind}_high"]
    return "" if math.isnan(low) or math.isnan(high) else f"{told(low, digits)} to {told(high, digits)}"


def with_interval(row: Mapping, kind: str = "mean", digits: int = 3) -> str:
    """A figure and behind it its interval in parentheses; a dash where the figure is none."""
    known = interval(row, kind, digits)
    return told(row[kind], digits) + (f" ({known})" if known else "")


def counted(number: int, one: str, several: str = "") -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"
