"""Evaluates a model on a split: metrics over batches, as Keras computes them, metrics per image, and metrics per lesion.

All metrics are on the data set's own grid: a smaller model's probabilities are resized up to it, then thresholded. An
image without lesion has no Dice; such images are counted separately, by what is predicted in them.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.files import InputError, clear_folder, locked, sync, write_csv, write_text
from segmenter.configuration import Configuration
from segmenter.data.dataset import DataSet, Sample
from segmenter.data.originals import originals_or_all
from segmenter.data.stacks import check_partners, count_partners
from segmenter.evaluation.extremes import mask_file, write_extremes
from segmenter.evaluation.formatting import rounded
from segmenter.evaluation.measuring import FROC_COLUMNS, LESION_COLUMNS, Batch, Tables, measure_batches
from segmenter.evaluation.predictions import load, predict_batches
from segmenter.evaluation.sizes import train_cuts
from segmenter.evaluation.state import evaluation_identity, read_summary
from segmenter.inference.thresholding import threshold_mask
from segmenter.pictures import write_png
from segmenter.runs import Run, trained_on


def evaluate_run(run: Run, data: DataSet, configuration: Configuration, split: str, *, single: bool = False) -> bool:
    """Evaluates a run's best model on a split, unless that was done already.

    Args:
      single: withhold the other image of each view, from a network that takes it.

    Returns:
      Whether there was anything to do.

    Raises:
      InputError: the split is empty, or [dataset] partner and the data set or `single` do not fit.
    """
    if single:
        require_partner(run, configuration)
        data = data.without_partners()
    samples, folder = data.split(split), run.evaluation(split, single=single)
    if configuration.dataset.partner:
        check_partners(data.folder, samples, single=single)
    identity = evaluation_identity(run.best_model, data, configuration, split, single=single)
    if read_summary(folder).get("identity") == identity:
        return False
    from segmenter.backend import load_backend

    load_backend()
    with locked(folder, "segmenter evaluate"):
        train = [sample for sample in data.samples if sample.split == "train"]
        evaluate(run.best_model, samples, configuration, folder, identity, train=train, trained_on=trained_on(run))
    return True


def require_partner(run: Run, configuration: Configuration) -> None:
    """Checks that a run's network takes pairs.

    Raises:
      InputError: it takes single images anyway.
    """
    if not configuration.dataset.partner:
        raise InputError(f"{run.config}: has [dataset] partner = false, so the network takes single images; leave --single out")


def evaluate(
    model_file: Path,
    samples: Sequence[Sample],
    configuration: Configuration,
    folder: Path,
    identity: dict[str, object],
    *,
    train: Sequence[Sample],
    trained_on: Collection[str] | None,
) -> dict[str, float]:
    """Evaluates a model on samples of one split; writes masks, pictures and the files of `write_evaluation`.

    Args:
      identity: kept in `summary.json`, so that the next call can compare it.
      train: the training samples, whose lesions define which sizes are small, medium and large.
      trained_on: `Sample.owner` of the samples that the model was trained on; None where they are unknown.

    Returns:
      The metrics of `evaluation.csv` by name.
    """
    from segmenter.evaluation.batch_metrics import BatchMetrics

    clear_folder(folder)
    batch_metrics, cuts = BatchMetrics(configuration), train_cuts(train, configuration)
    originals = {sample.name for sample in originals_or_all(samples)}

    def batches() -> Iterator[Batch]:
        for batch, ground_truth, probabilities in predict_batches(load(model_file, configuration), samples, configuration):
            batch_metrics.add(ground_truth, probabilities)
            for sample, predicted in zip(batch, probabilities, strict=True):
                if sample.name in originals:
                    write_mask(mask_file(folder, sample), threshold_mask(predicted, configuration.infer), configuration)
            yield batch, ground_truth[..., 0], probabilities

    tables = measure_batches(batches(), configuration, cuts)
    write_extremes([sample for sample in samples if sample.name in originals], tables.images, configuration, folder)
    summary = {
        "identity": identity,
        "trained_on_too": find_trained_on_too(samples, trained_on),
        "size_cuts_px": cuts,
        "tolerance_px": configuration.eval.nsd_tolerance_px,
        "class_names": list(configuration.class_names),
        "threshold": configuration.infer.threshold if _has_threshold(configuration) else None,
        "with_partner": count_partners(originals_or_all(samples)) if configuration.dataset.partner else None,
    }
    return write_evaluation(folder, tables, summary, batch_metrics.values())


def find_trained_on_too(samples: Sequence[Sample], trained_on: Collection[str] | None) -> list[str] | None:
    """The owners of samples that were trained on; None where none is found, but patients are unknown."""
    shared = sorted({sample.owner for sample in samples} & set(trained_on or ()))
    unknown = trained_on is None or (trained_on and not all(sample.patient for sample in samples))
    return None if unknown and not shared else shared


def write_mask(file: Path, predicted: np.ndarray, configuration: Configuration) -> None:
    """Writes a predicted class map, (height, width) uint8: as 0 and 255, or with several classes as it is."""
    write_png(file, predicted if configuration.model.num_classes > 1 else predicted * 255)


def _has_threshold(configuration: Configuration) -> bool:
    return configuration.model.num_classes == 1 and not configuration.infer.algorithm


def write_evaluation(folder: Path, tables: Tables, summary: dict[str, Any], batch_metrics: dict[str, float]) -> dict[str, float]:
    """Writes the tables of an evaluation, the metrics computed from them, and last `summary.json`.

    Args:
      summary: the contents of summary.json in addition to the metrics. The next call compares `identity`, to see whether
        there is anything to do; `trained_on_too` are the patients that were trained on, None where they are unknown;
        `with_partner` is the number of images given with the other image of their view, None for networks of single images.
      batch_metrics: loss and metrics over batches, which cannot be computed from the tables.

    Returns:
      The metrics of `evaluation.csv` by name.
    """
    from segmenter.evaluation.aggregation import read_table, summarise_metrics, write_metrics
    from segmenter.evaluation.headline import headline

    write_csv(folder / "per_image.csv", list(tables.images[0]), map(rounded, tables.images))
    write_csv(folder / "per_lesion.csv", LESION_COLUMNS, map(rounded, tables.lesions))
    write_csv(folder / "froc.csv", FROC_COLUMNS, map(rounded, tables.candidates))
    images, lesions, candidates = (read_table(folder / name) for name in ("per_image.csv", "per_lesion.csv", "froc.csv"))
    metric_tables = summarise_metrics(images, lesions, candidates)
    write_metrics(folder, metric_tables)
    threshold = summary.get("threshold")
    metrics = batch_metrics | headline(images, metric_tables.metrics) | ({"threshold": threshold} if threshold else {})
    patients = len({row["patient"] or row["image_id"] for row in tables.images})
    leak = summary["trained_on_too"]
    # Lines like `loss,0.2716` without a header, as the published project writes them.
    write_text(folder / "evaluation.csv", "".join(f"{name},{value}\n" for name, value in rounded(metrics).items()))
    counts = {"patients": patients, "patients_in_train": None if leak is None else len(leak)}
    contents = {"identity": summary["identity"], "metrics": metrics} | counts | summary
    sync()
    write_text(folder / "summary.json", json.dumps(contents, indent=1) + "\n")
    return metrics
