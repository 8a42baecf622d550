"""An evaluation for the terminal and as JSON: the metrics that are quoted most first, those over batches last."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segmenter.configuration import Configuration
from segmenter.configuration.objectives import class_metrics
from segmenter.evaluation import read_summary
from segmenter.evaluation.cross_validation import align_columns
from segmenter.evaluation.formatting import NONE, counted, format_interval, format_number
from segmenter.evaluation.metrics import metric_of

_FIRST = (("dice", "mean"), ("dice", "median"))
_THEN = (("detection_rate", "mean"), ("false_positives_per_image", "mean"), ("nsd", "mean"), ("hd95_px", "median"))
_WITHOUT_LESION = (("share_without_false_positive", "mean"), ("false_positives", "mean"))


def collect_evaluation(folder: Path, configuration: Configuration | None) -> dict[str, Any]:
    """The metrics of an evaluation that are quoted most, and the values over batches.

    Args:
      folder: the folder of the evaluation.
      configuration: the configuration that it was made with; None for masks of another program.

    Returns:
      `originals` and `images`: how many were evaluated; `metrics` and `metrics_without_lesion`: rows with `metric`, `label`,
      `average` (mean or median), `value`, `low` and `high` of the 95 % interval, `images` and `patients`; `with_variants`:
      mean `dice` and `images` with turned and flipped ones, or None; `threshold`, or None; `batches`: their `batch_size`
      and the `values` over them, or None without a model; `missing`: how many images had no mask; `with_partner`: how many
      originals (without originals, images) were given with the other image of their view, or None. What is not defined is NaN.

    Raises:
      InputError: the tables of the evaluation cannot be read.
    """
    from segmenter.evaluation.aggregation import read_table

    metrics, images = read_table(folder / "metrics.csv"), read_table(folder / "per_image.csv")
    rows = {(row["group"], row["metric"]): row for row in metrics.to_dict("records") if row["group"] in ("all", "without lesion")}
    of_classes = [(metric, "mean") for group, metric in rows if group == "all" and metric.startswith("dice_")]
    without = _WITHOUT_LESION if ("without lesion", "share_without_false_positive") in rows else ()
    summary = read_summary(folder)
    values = summary["metrics"]
    has_variants = values.get("dice_count", 0) > values.get("dice_count_originals", 0) > 0
    return {
        "originals": int((images["variant"] == "original").sum()),
        "images": len(images),
        "metrics": _metric_rows(rows, "all", (*_FIRST, *of_classes, *_THEN)),
        "metrics_without_lesion": _metric_rows(rows, "without lesion", without),
        "with_variants": {"dice": values["dice_mean"], "images": int(values["dice_count"])} if has_variants else None,
        "threshold": values.get("threshold"),
        "batches": _over_batches(values, configuration) if configuration else None,
        "missing": len(summary.get("scored", {}).get("missing", ())),
        "with_partner": summary.get("with_partner"),
    }


def _over_batches(values: Mapping[str, Any], configuration: Configuration) -> dict[str, Any]:
    names = list(configuration.model.metrics)
    names += [title for title, *_ in class_metrics(names, configuration.class_names)]
    return {"batch_size": configuration.eval.batch_size, "values": {name: values[name] for name in ("loss", *names)}}


def _metric_rows(rows: Mapping, group: str, chosen: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
    return [
        {
            "metric": name,
            "label": metric_of(name).label if math.isnan(row["median"]) else f"{metric_of(name).label}, {average}",
            "average": average,
            "value": float(row[average]),
            "low": float(row[f"{average}_low"]),
            "high": float(row[f"{average}_high"]),
            "images": row["images"],
            "patients": row["patients"],
        }
        for name, average in chosen
        if (row := rows.get((group, name)))
    ]


def describe_evaluation(evaluation: Mapping[str, Any]) -> list[str]:
    """The lines for the terminal, of what `collect_evaluation` returns."""
    originals, images = evaluation["originals"], evaluation["images"]
    title = f"over {counted(originals, 'original')}" if originals else f"over {counted(images, 'image')}, no originals"
    table = [[title, "", "95 % interval", "images", "patients"], *map(_cells, evaluation["metrics"])]
    if without := evaluation["metrics_without_lesion"]:
        table += [["images without lesion", *[""] * 4], *map(_cells, without)]
    lines = align_columns(table)
    if variants := evaluation["with_variants"]:
        count = counted(variants["images"], "image")
        lines.append(f"with turned and flipped images: mean Dice {format_number(variants['dice'])} over {count}")
    if evaluation["threshold"] is not None:
        lines.append(f"a pixel is lesion where its probability is at least {evaluation['threshold']:g}")
    if evaluation["with_partner"] is not None:
        lines.append(f"{evaluation['with_partner']} of {counted(originals or images, 'image')} with both images of their view")
    if evaluation["missing"]:
        lines.append(f"{counted(evaluation['missing'], 'image')} without a mask, scored as empty")
    if batches := evaluation["batches"]:
        lines.append(f"over batches of {batches['batch_size']}, as Keras reports them")
        lines += align_columns([[f"  {name}", f"{value:.4f}"] for name, value in batches["values"].items()])
    return [f"  {line}" for line in lines]


def _cells(row: Mapping[str, Any]) -> list[str]:
    digits = metric_of(row["metric"]).digits
    interval = format_interval(row["low"], row["high"], digits) or NONE
    return [f"  {row['label']}", format_number(row["value"], digits), interval, f"{row['images']}", f"{row['patients']}"]
