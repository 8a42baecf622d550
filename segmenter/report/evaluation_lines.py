"""An evaluation as lines for the terminal: the metrics that are quoted most first, those over batches last."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from segmenter.configuration import Configuration
from segmenter.configuration.objectives import class_metrics
from segmenter.evaluation import read_summary
from segmenter.evaluation.cross_validation import align_columns
from segmenter.evaluation.formatting import NONE, counted, format_number, row_interval
from segmenter.evaluation.metrics import metric_of

_FIRST = (("dice", "mean"), ("dice", "median"))
_THEN = (("detection_rate", "mean"), ("false_positives_per_image", "mean"), ("nsd", "mean"), ("hd95_px", "median"))
_WITHOUT_LESION = (("share_without_false_positive", "mean"), ("false_positives", "mean"))


def describe_evaluation(folder: Path, configuration: Configuration) -> list[str]:
    """The metrics of an evaluation with 95 % intervals, images and patients, then the values over batches.

    Args:
      folder: the folder of the evaluation.
      configuration: the configuration that it was made with.

    Raises:
      InputError: the tables of the evaluation cannot be read.
    """
    from segmenter.evaluation.aggregation import read_table

    metrics, images = read_table(folder / "metrics.csv"), read_table(folder / "per_image.csv")
    rows = {(row["group"], row["metric"]): row for row in metrics.to_dict("records") if row["group"] in ("all", "without lesion")}
    class_metrics = [(metric, "mean") for group, metric in rows if group == "all" and metric.startswith("dice_")]
    originals = int((images["variant"] == "original").sum())
    title = f"over {counted(originals, 'original')}" if originals else f"over {counted(len(images), 'image')}, no originals"
    lines = [[title, "", "95 % interval", "images", "patients"]]
    lines += _metric_lines(rows, "all", (*_FIRST, *class_metrics, *_THEN))
    if ("without lesion", "share_without_false_positive") in rows:
        lines.append(["images without lesion", *[""] * 4])
        lines += _metric_lines(rows, "without lesion", _WITHOUT_LESION)
    return [f"  {line}" for line in [*align_columns(lines), *_other_lines(read_summary(folder)["metrics"], configuration)]]


def _metric_lines(rows: Mapping, group: str, chosen: tuple[tuple[str, str], ...]) -> Iterator[list[str]]:
    for name, average in chosen:
        if row := rows.get((group, name)):
            metric = metric_of(name)
            label = metric.label if math.isnan(row["median"]) else f"{metric.label}, {average}"
            values = format_number(row[average], metric.digits), row_interval(row, average, metric.digits) or NONE
            yield [f"  {label}", *values, f"{row['images']}", f"{row['patients']}"]


def _other_lines(values: Mapping[str, float], configuration: Configuration) -> list[str]:
    """Dice with turned and flipped images, the threshold, and the metrics over batches, named as in evaluation.csv."""
    names = list(configuration.model.metrics)
    names += [title for title, *_ in class_metrics(names, configuration.class_names)]
    batches = [[f"  {name}", f"{values[name]:.4f}"] for name in ("loss", *names)]
    lines = []
    if values.get("dice_count", 0) > values.get("dice_count_originals", 0) > 0:
        count = counted(int(values["dice_count"]), "image")
        lines.append(f"with turned and flipped images: mean Dice {format_number(values['dice_mean'])} over {count}")
    if "threshold" in values:
        lines.append(f"a pixel is lesion where its probability is at least {values['threshold']:g}")
    return [*lines, f"over batches of {configuration.eval.batch_size}, as Keras reports them", *align_columns(batches)]
