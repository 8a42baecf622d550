"""Figures with intervals from the tables of an evaluation: over all images, over groups of them, and the FROC curve."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.files import InputError, write_text
from segmenter.evaluation.bootstrap import Estimate, PatientBootstrap
from segmenter.evaluation.findings import finding_kinds
from segmenter.evaluation.sizes import SIZES

GROUPS = ("kind", "view", "side", "density", "class", "birads", "finding", "size", "machine")
FIGURE_COLUMNS = [
    *("group", "value", "metric", "images", "patients"),
    *("mean", "mean_low", "mean_high", "median", "median_low", "median_high"),
]
CURVE_COLUMNS = ["criterion", "size", "threshold", "lesions", "detection_rate", "low", "high", "false_positives_per_image"]
UNKNOWN = "unknown"
_OVERLAPS = ("dice", "iou", "sensitivity", "precision", "specificity")
_DISTANCES = ("hd95_px", "asd_px", "nsd", "hd95_source_px", "asd_source_px", "hd95_mm", "asd_mm")
_OF_GROUPS = ("dice", "nsd", "sensitivity")
# Figures that are one sum over another, by the columns that are summed; `one` counts rows.
_DETECTION = {"detection_rate": ("detected", "lesions"), "centre_detection_rate": ("centre_detected", "lesions")}
_FALSE_POSITIVES = {
    "false_positives_per_image": ("false_positives", "one"),
    "centre_false_positives_per_image": ("centre_false_positives", "one"),
}
_TEXTS = [
    *("sample", "image_id", "patient", "variant", "class", "split", "kind", "view", "side", "density", "birads"),
    *("findings", "machine", "size", "run", "criterion", "group", "value", "metric"),
]
Row = dict[str, object]


@dataclass(frozen=True)
class Figures:
    """The tables figures.csv (FIGURE_COLUMNS) and froc_curve.csv (CURVE_COLUMNS); what is not defined is NaN."""

    figures: pd.DataFrame
    froc_curve: pd.DataFrame


def summarise(images: pd.DataFrame, lesions: pd.DataFrame, froc: pd.DataFrame) -> Figures:
    """All figures of an evaluation, over originals where there are any.

    A figure that no image has is no row. Intervals come from drawing patients; an image of an unknown patient counts as
    a patient of its own.

    Args:
      images, lesions, froc: per_image.csv, per_lesion.csv and froc.csv, as `read_table` gives them.
    """
    images = _prepare(originals(images))
    lesions = lesions.merge(images[["sample", "owner"]], on="sample").assign(one=1)
    rows = [*_whole_rows(images), *_size_rows(lesions), *_empty_rows(images[images["empty_truth"] == 1])]
    rows += [row for group in GROUPS for row in _group_rows(group, images)]
    curve = _curve_rows(images, lesions, froc)
    figures = pd.DataFrame(rows, columns=FIGURE_COLUMNS).astype(dict.fromkeys(FIGURE_COLUMNS[5:], float))
    return Figures(figures, pd.DataFrame(curve, columns=CURVE_COLUMNS).astype({"low": float, "high": float}))


def originals(images: pd.DataFrame) -> pd.DataFrame:
    """The rows that figures are taken over: neither turned nor flipped images, or all where there are none of them."""
    chosen = images[images["variant"] == "original"]
    return images if chosen.empty else chosen


def owners(images: pd.DataFrame) -> pd.Series:
    """Each row's patient, or where that is unknown its image, as `Sample.owner`."""
    return images["patient"].where(images["patient"] != "", images["image_id"])


def write_figures(folder: Path, figures: Figures) -> None:
    """Writes figures.csv and froc_curve.csv, six digits a figure."""
    for name, table in (("figures.csv", figures.figures), ("froc_curve.csv", figures.froc_curve)):
        write_text(folder / name, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def read_table(path: Path) -> pd.DataFrame:
    """Reads a table of an evaluation; names and groups are text, empty where unknown, the rest are numbers or NaN.

    Raises:
      InputError: it is no such table.
    """
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(_TEXTS, str), keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        remedy = "evaluate again with `cesm-segmenter evaluate`"
        raise InputError(f"{path}: cannot be read as a table of an evaluation ({error}); {remedy}") from error
    return table.fillna(dict.fromkeys(table.columns.intersection(_TEXTS), ""))


class _Subset:
    """The images, or lesions, of one group, and the rows that their figures are."""

    def __init__(self, group: str, value: str, rows: pd.DataFrame):
        self.rows = rows
        self._named = {"group": group, "value": value}
        self._bootstrap = PatientBootstrap(rows["owner"])

    def averages(self, metrics: Mapping[str, str]) -> Iterator[Row]:
        """Mean and median of columns, by the metric's name; rows without a value do not count."""
        for metric, column in metrics.items():
            values = self.rows[column].to_numpy(float)
            if (counts := ~np.isnan(values)).any():
                yield self._row(metric, counts, self._bootstrap.mean(values), self._bootstrap.median(values))

    def rates(self, metrics: Mapping[str, tuple[str, str]]) -> Iterator[Row]:
        """The sum of one column over that of another, by the metric's name."""
        for metric, (above, below) in metrics.items():
            above_values, below_values = (self.rows[column].to_numpy(float) for column in (above, below))
            if (counts := below_values > 0).any():
                yield self._row(metric, counts, self._bootstrap.ratio(above_values, below_values))

    def _row(self, metric: str, counts: np.ndarray, mean: Estimate, median: Estimate | None = None) -> Row:
        counted = self.rows.loc[counts, ["sample", "owner"]].nunique()
        row = {**self._named, "metric": metric, "images": counted["sample"], "patients": counted["owner"]}
        for name, estimate in {"mean": mean, "median": median}.items():
            if estimate:
                row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        return row


def _prepare(images: pd.DataFrame) -> pd.DataFrame:
    """Adds whose image it is, and what groups and rates are taken by."""
    return images.assign(
        owner=owners(images),
        one=1,
        clean=(images["predicted_px"] == 0).astype(int),
        birads=images["birads"].map(_highest),
        finding=images["findings"].map(finding_kinds),
    )


def _highest(birads: str) -> str:
    """Of several values such as `3$2`, one a finding, the highest."""
    return max(part.strip() for part in birads.split("$"))


def _with_lesions(images: pd.DataFrame) -> pd.DataFrame:
    return images[images["empty_truth"] == 0]


def _whole_rows(images: pd.DataFrame) -> Iterator[Row]:
    annotated = _Subset("all", "", _with_lesions(images))
    of_classes = [column for column in images.columns if column.startswith("dice_")]
    yield from annotated.averages({name: name for name in (*_OVERLAPS, *_DISTANCES, *of_classes)})
    yield from annotated.rates(_DETECTION)
    yield from _Subset("all", "", images).rates(_FALSE_POSITIVES)


def _size_rows(lesions: pd.DataFrame) -> Iterator[Row]:
    """Detection of small, medium and large lesions; an image with one of each counts in all three."""
    rates = {name: (detected, "one") for name, (detected, _) in _DETECTION.items()}
    for size in SIZES:
        yield from _Subset("lesion size", size, lesions[lesions["size"] == size]).rates(rates)


def _empty_rows(images: pd.DataFrame) -> Iterator[Row]:
    subset = _Subset("without lesion", "", images)
    yield from subset.rates({"share_without_false_positive": ("clean", "one")})
    columns = {"false_positive_px": "predicted_px", "false_positives": "false_positives", "specificity": "specificity"}
    yield from subset.averages(columns)


def _group_rows(group: str, images: pd.DataFrame) -> Iterator[Row]:
    """The figures of each value of a group; `size` is that of an image's largest lesion, so it is of images with lesions."""
    if group == "size":
        images = _with_lesions(images)
    values = images[group].explode()
    values = values.where(values.notna() & (values != ""), UNKNOWN)
    for value in sorted(values.unique(), key=_place):
        chosen = images.loc[values.index[values == value]]
        annotated = _Subset(group, value, _with_lesions(chosen))
        yield from annotated.averages({name: name for name in _OF_GROUPS})
        yield from annotated.rates({"detection_rate": _DETECTION["detection_rate"]})
        per_image = "false_positives_per_image"
        yield from _Subset(group, value, chosen).rates({per_image: _FALSE_POSITIVES[per_image]})


def _place(value: str) -> tuple[bool, int, str]:
    """Where a group's value stands: sizes by size, others by name, what is unknown last."""
    return value == UNKNOWN, SIZES.index(value) if value in SIZES else 0, value


def _curve_rows(images: pd.DataFrame, lesions: pd.DataFrame, froc: pd.DataFrame) -> Iterator[Row]:
    """Detection of lesions by size against false positives an image, at each threshold of both criteria."""
    images = images.set_index("sample")
    counts = lesions.groupby(["sample", "size"]).size().unstack(fill_value=0)
    counts = counts.reindex(index=images.index, columns=list(SIZES), fill_value=0)
    counts["all"] = counts.sum(axis=1)
    froc = froc.assign(detected_all=froc[[f"detected_{size}" for size in SIZES]].sum(axis=1))
    bootstrap = PatientBootstrap(images["owner"])
    for (criterion, threshold), point in froc.groupby(["criterion", "threshold"]):
        point = point.set_index("sample").loc[images.index]
        for size in ("all", *SIZES):
            if total := int(counts[size].sum()):
                rate = bootstrap.ratio(point[f"detected_{size}"].to_numpy(), counts[size].to_numpy())
                found = (criterion, size, threshold, total, rate.value, rate.low, rate.high, point["false_positives"].mean())
                yield dict(zip(CURVE_COLUMNS, found, strict=True))
