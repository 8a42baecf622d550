"""Metrics with intervals from the tables of an evaluation: over all images, by group, and the FROC curve."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import contract
from pipeline.files import InputError, quote_formula, read_header_and_rows, write_text
from pipeline.findings import finding_kinds
from segmenter.data.originals import original_rows
from segmenter.evaluation.bootstrap import Estimate, PatientBootstrap
from segmenter.evaluation.froc import CURVE_COLUMNS, curve_rows
from segmenter.evaluation.metrics import EMPTY_METRICS, IMAGE_METRICS, RATES, Rate
from segmenter.evaluation.sizes import SIZES

GROUPS = (*contract.GROUPS, "finding", "size", "bands")
BANDS = ("none", "some", "most")  # of an image's lesion pixels, that lie in long thin regions
METRIC_COLUMNS = [
    *("group", "value", "metric", "images", "patients"),
    *("mean", "mean_low", "mean_high", "median", "median_low", "median_high"),
]
UNKNOWN = "unknown"
_TEXTS = [
    *("sample", "image_id", "patient", "variant", "split", "class", *contract.DESCRIPTIONS),
    *("size", "run", "criterion", "group", "value", "metric"),
]
# The columns that reports and comparisons need; tables of earlier versions have them too.
_NEEDED = {
    "per_image.csv": ("sample", "variant", "truth_px", "empty_truth", "dice"),
    "per_lesion.csv": ("sample", "lesion", "area_px", "detected"),
    "metrics.csv": tuple(METRIC_COLUMNS),
    "froc_curve.csv": ("lesions", "detection_rate", "low", "high", "false_positives_per_image"),
}
Row = dict[str, object]


@dataclass(frozen=True)
class MetricTables:
    """The tables metrics.csv (METRIC_COLUMNS) and froc_curve.csv (CURVE_COLUMNS); undefined values are NaN."""

    metrics: pd.DataFrame
    froc_curve: pd.DataFrame


def summarise_metrics(images: pd.DataFrame, lesions: pd.DataFrame, candidates: pd.DataFrame) -> MetricTables:
    """All metrics of an evaluation, over originals where there are any.

    A metric that no image has gets no row. Intervals come from drawing patients; an image of an unknown patient counts as
    a patient of its own.

    Args:
      images, lesions, candidates: per_image.csv, per_lesion.csv and froc.csv, as `read_table` returns them.
    """
    images = _prepare(original_rows(images))
    lesions = lesions.merge(images[["sample", "owner"]], on="sample").assign(one=1)
    rows = [*_whole_rows(images), *_size_rows(lesions), *_empty_rows(images[images["empty_truth"] == 1])]
    rows += [row for group in GROUPS for row in _group_rows(group, images)]
    curve = curve_rows(images, lesions, candidates)
    metrics = pd.DataFrame(rows, columns=METRIC_COLUMNS).astype(dict.fromkeys(METRIC_COLUMNS[5:], float))
    return MetricTables(metrics, pd.DataFrame(curve, columns=CURVE_COLUMNS).astype({"low": float, "high": float}))


def owners(images: pd.DataFrame) -> pd.Series:
    """The patient of each row, or its image where the patient is unknown, like `Sample.owner`."""
    return images["patient"].where(images["patient"] != "", images["image_id"])


def write_metrics(folder: Path, tables: MetricTables) -> None:
    """Writes metrics.csv and froc_curve.csv, with six significant digits."""
    for name, table in (("metrics.csv", tables.metrics), ("froc_curve.csv", tables.froc_curve)):
        text = table.map(quote_formula).to_csv(index=False, float_format="%.6g", lineterminator="\n")
        write_text(folder / name, text)


def read_table(path: Path) -> pd.DataFrame:
    """Reads a table of an evaluation; names and groups are text, empty where unknown, the rest are numbers or NaN.

    Raises:
      InputError: the file cannot be read as such a table, lacks a column that is always there, or has text for a number.
    """
    remedy = "evaluate again with `cesm-segmenter evaluate`"
    try:
        header, rows = read_header_and_rows(path, _NEEDED.get(path.name, ()))
    except InputError as error:
        raise InputError(f"{error}; {remedy}") from error
    if path.name == "per_image.csv" and not rows:
        raise InputError(f"{path}: has a header and no rows; {remedy}")
    table = pd.DataFrame(rows, columns=header)
    for name in table.columns.difference(_TEXTS):
        try:
            table[name] = pd.to_numeric(table[name].replace("", None)) if rows else table[name].astype(float)
        except (ValueError, TypeError, OverflowError) as error:
            raise InputError(f"{path}: {name} holds text ({error}); expected numbers; {remedy}") from error
    return table


class _Subset:
    """The images, or the lesions, of one group; yields their rows of metrics.csv."""

    def __init__(self, group: str, value: str, rows: pd.DataFrame):
        self.rows = rows
        self._names = {"group": group, "value": value}
        self._bootstrap = PatientBootstrap(rows["owner"])

    def averages(self, metrics: Mapping[str, str]) -> Iterator[Row]:
        """Mean and median of columns, by the metrics' names; rows without a value do not count."""
        for metric, column in metrics.items():
            values = self.rows[column].to_numpy(float)
            if (counts := ~np.isnan(values)).any():
                yield self._row(metric, counts, self._bootstrap.mean(values), self._bootstrap.median(values))

    def rates(self, rates: Mapping[str, Rate]) -> Iterator[Row]:
        """The sum of one column divided by the sum of another, by the metrics' names."""
        for name, rate in rates.items():
            above, below = (self.rows[column].to_numpy(float) for column in (rate.above, rate.below))
            if (counts := below > 0).any():
                yield self._row(name, counts, self._bootstrap.ratio(above, below))

    def _row(self, metric: str, counts: np.ndarray, mean: Estimate, median: Estimate | None = None) -> Row:
        totals = self.rows.loc[counts, ["sample", "owner"]].nunique()
        row = {**self._names, "metric": metric, "images": totals["sample"], "patients": totals["owner"]}
        for name, estimate in {"mean": mean, "median": median}.items():
            if estimate:
                row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        return row


def _prepare(images: pd.DataFrame) -> pd.DataFrame:
    """Adds each image's owner, and the columns that groups and rates are computed from."""
    return images.assign(
        owner=owners(images),
        one=1,
        clean=(images["predicted_px"] == 0).astype(int),
        birads=images["birads"].map(_highest),
        finding=images["findings"].map(finding_kinds),
        bands=images["band_share"].map(lambda share: BANDS[int(share > 0) + int(share > 0.5)]),
    )


def _highest(birads: str) -> str:
    """The highest of several values, one per finding, such as `3$2`."""
    return max(part.strip() for part in birads.split("$"))


def _with_lesions(images: pd.DataFrame) -> pd.DataFrame:
    return images[images["empty_truth"] == 0]


def _whole_rows(images: pd.DataFrame) -> Iterator[Row]:
    annotated = _Subset("all", "", _with_lesions(images))
    class_columns = [column for column in images.columns if column.startswith("dice_")]
    yield from annotated.averages({name: name for name in (*IMAGE_METRICS, *class_columns)})
    yield from _rate_rows(annotated, _Subset("all", "", images), RATES)


def _rate_rows(annotated: "_Subset", whole: "_Subset", rates: Mapping[str, Rate]) -> Iterator[Row]:
    """Rates of lesions over images with lesions, then rates per image over all images."""
    lesion_rates = {name: rate for name, rate in rates.items() if rate.below == "lesions"}
    yield from annotated.rates(lesion_rates)
    yield from whole.rates({name: rate for name, rate in rates.items() if name not in lesion_rates})


def _size_rows(lesions: pd.DataFrame) -> Iterator[Row]:
    """Detection of small, medium and large lesions; an image with lesions of several sizes counts for each of them."""
    rates = {name: replace(rate, above=rate.of_lesions, below="one") for name, rate in RATES.items() if rate.of_lesions}
    for size in SIZES:
        yield from _Subset("lesion size", size, lesions[lesions["size"] == size]).rates(rates)


def _empty_rows(images: pd.DataFrame) -> Iterator[Row]:
    subset = _Subset("without lesion", "", images)
    yield from subset.rates({name: metric for name, metric in EMPTY_METRICS.items() if isinstance(metric, Rate)})
    columns = {"false_positive_px": "predicted_px", "false_positives": "false_positives", "specificity": "specificity"}
    yield from subset.averages(columns)


def _group_rows(group: str, images: pd.DataFrame) -> Iterator[Row]:
    """The metrics of each value of a group; `size` is that of an image's largest lesion.

    Only images with lesions have a size and bands; without any band that group is left out.
    """
    if group in ("size", "bands"):
        images = _with_lesions(images)
    if group == "bands" and (images["bands"] == BANDS[0]).all():
        return
    values = images[group].explode()
    values = values.where(values.notna() & (values != ""), UNKNOWN)
    for value in sorted(values.unique(), key=_value_order):
        members = images.loc[values.index[values == value]]
        annotated = _Subset(group, value, _with_lesions(members))
        yield from annotated.averages({name: name for name, metric in IMAGE_METRICS.items() if metric.by_group})
        rates = {name: rate for name, rate in RATES.items() if rate.by_group}
        yield from _rate_rows(annotated, _Subset(group, value, members), rates)


def _value_order(value: str) -> tuple[bool, int, str]:
    """Sorts the values of a group: sizes by size, bands by share, others by name, unknown ones last."""
    ordered = (*SIZES, *BANDS)
    return value == UNKNOWN, ordered.index(value) if value in ordered else 0, value
