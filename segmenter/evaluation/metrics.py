"""The metrics of an evaluation, each declared once: how it is computed, and its name in tables, comparisons and reports.

A new metric of single images is one entry of IMAGE_METRICS. It becomes a column of per_image.csv, gets rows with intervals
in metrics.csv, and a name and meaning in reports; where its flags say so, also rows per group and in comparisons.
"""

from collections.abc import Callable
from dataclasses import dataclass

from segmenter.evaluation.measured import Measured

SHARE, PIXELS, MILLIMETRES, PER_IMAGE = "share, 0 to 1", "pixels", "mm", "per image"


@dataclass(frozen=True)
class Metric:
    """The name and meaning of a metric.

    Attributes:
      label: its name in reports.
      meaning: one line; it may contain `{tolerance}` (pixels) and `{lesions}` (their count with the noun).
      digits: the number of decimals in reports.
      unit: charts of differences have one panel per unit.
      lower_is_better: whether a smaller value is the better one.
      by_group: whether it is given for each group of images.
      compared: whether runs are compared by it.
    """

    label: str
    meaning: str
    digits: int = 3
    unit: str = SHARE
    lower_is_better: bool = False
    by_group: bool = False
    compared: bool = False


@dataclass(frozen=True)
class ImageMetric(Metric):
    """A metric of single images with lesions, averaged over them.

    Attributes:
      compute: the value of one image; None where it is not defined.
    """

    compute: Callable[[Measured], float | None] = lambda _: None


@dataclass(frozen=True)
class Rate(Metric):
    """A metric that is one sum divided by another.

    Attributes:
      above, below: the summed columns of per_image.csv, numerator and denominator; `one` counts images.
      of_lesions: the column of per_lesion.csv that is the numerator of a single lesion; empty where there is none.
    """

    above: str = ""
    below: str = "one"
    of_lesions: str = ""


def _precision(measured: Measured) -> float | None:
    return measured.overlap.precision if measured.overlap.truth_px else None


def _in_source_px(measured: Measured, length: float | None) -> float | None:
    return length / measured.sample.scale if length is not None and measured.sample.scale else None


def _in_mm(measured: Measured, length: float | None) -> float | None:
    source_px = _in_source_px(measured, length)
    return source_px * measured.sample.spacing_mm if source_px is not None and measured.sample.spacing_mm else None


def _distance(label: str, meaning: str, compute: Callable[[Measured], float | None], unit: str, **flags: bool) -> ImageMetric:
    return ImageMetric(label, meaning, 1, unit, lower_is_better=True, compute=compute, **flags)


IMAGE_METRICS: dict[str, ImageMetric] = {
    "dice": ImageMetric(
        "Dice",
        "overlap: twice the common area over the sum of both areas; 1 for equal masks",
        by_group=True,
        compared=True,
        compute=lambda measured: measured.overlap.dice,
    ),
    "iou": ImageMetric(
        "IoU",
        "overlap: common area over the area of the union; orders images as Dice does",
        compute=lambda measured: measured.overlap.iou,
    ),
    "sensitivity": ImageMetric(
        "Sensitivity",
        "share of the lesion's pixels that was predicted",
        by_group=True,
        compared=True,
        compute=lambda measured: measured.overlap.sensitivity,
    ),
    "precision": ImageMetric(
        "Precision",
        "share of the predicted pixels that is lesion; undefined where nothing was predicted",
        compared=True,
        compute=_precision,
    ),
    "specificity": ImageMetric(
        "Specificity",
        "share of the other pixels that was not predicted; near 1 for any model",
        4,
        compute=lambda measured: measured.overlap.specificity,
    ),
    "hd95_px": _distance(
        "HD95, px",
        "95th percentile of the distances between contours, where something was predicted",
        lambda measured: measured.distances.hd95,
        PIXELS,
        compared=True,
    ),
    "asd_px": _distance(
        "ASD, px",
        "mean distance between contours, where something was predicted",
        lambda measured: measured.distances.asd,
        PIXELS,
    ),
    "nsd": ImageMetric(
        "NSD",
        "share of both contours within {tolerance:g} px of each other (normalized surface Dice)",
        by_group=True,
        compared=True,
        compute=lambda measured: measured.distances.nsd,
    ),
    "hd95_source_px": _distance(
        "HD95, source px",
        "HD95 in pixels of the source image",
        lambda measured: _in_source_px(measured, measured.distances.hd95),
        PIXELS,
    ),
    "asd_source_px": _distance(
        "ASD, source px",
        "ASD in pixels of the source image",
        lambda measured: _in_source_px(measured, measured.distances.asd),
        PIXELS,
    ),
    "hd95_mm": _distance(
        "HD95, mm",
        "HD95 in millimetres, where the spacing is known",
        lambda measured: _in_mm(measured, measured.distances.hd95),
        MILLIMETRES,
    ),
    "asd_mm": _distance(
        "ASD, mm",
        "ASD in millimetres, where the spacing is known",
        lambda measured: _in_mm(measured, measured.distances.asd),
        MILLIMETRES,
    ),
}

RATES: dict[str, Rate] = {
    "detection_rate": Rate(
        "Detection rate (IoU > 0.1)",
        "share of the {lesions} that a predicted component overlaps",
        by_group=True,
        compared=True,
        above="detected",
        below="lesions",
        of_lesions="detected",
    ),
    "centre_detection_rate": Rate(
        "Detection rate (centre)",
        "share of the {lesions} that contain a predicted component's centre",
        above="centre_detected",
        below="lesions",
        of_lesions="centre_detected",
    ),
    "false_positives_per_image": Rate(
        "False positives per image (IoU > 0.1)",
        "predicted components that match no lesion",
        2,
        PER_IMAGE,
        lower_is_better=True,
        by_group=True,
        compared=True,
        above="false_positives",
    ),
    "centre_false_positives_per_image": Rate(
        "False positives per image (centre)",
        "predicted components whose centre is in no lesion",
        2,
        PER_IMAGE,
        lower_is_better=True,
        above="centre_false_positives",
    ),
}

# Metrics of images without lesion, by name; specificity is among IMAGE_METRICS.
EMPTY_METRICS: dict[str, Metric] = {
    "share_without_false_positive": Rate(
        "Clean images", "share of the images without lesion in which nothing was predicted", above="clean"
    ),
    "false_positive_px": Metric(
        "False-positive area, px", "predicted area in an image without lesion", 0, PIXELS, lower_is_better=True
    ),
    "false_positives": Metric(
        "False positives", "predicted components in an image without lesion", 2, PER_IMAGE, lower_is_better=True
    ),
}


def metric_of(name: str) -> Metric:
    """The declaration of a name in metrics.csv's column `metric`; `dice_benign` is Dice of the class benign."""
    for metrics in (IMAGE_METRICS, RATES, EMPTY_METRICS):
        if name in metrics:
            return metrics[name]
    label = name.removeprefix("dice_")
    return Metric(f"Dice, {label}", f"Dice of the class {label}, over the images that have it")
