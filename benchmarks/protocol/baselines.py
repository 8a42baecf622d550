"""Entries that learn nothing, to compare scores with."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.files import clear_folder
from pipeline.geometry import find_breast
from segmenter.configuration import Configuration
from segmenter.data.dataset import DataSet, Sample
from segmenter.data.ground_truth import read_gray, read_ground_truth
from segmenter.evaluation import write_evaluation
from segmenter.evaluation.measuring import Batch, measure_batches
from segmenter.evaluation.sizes import train_cuts

Baseline = Callable[[Sample], np.ndarray]


def evaluate_baseline(name: str, data: DataSet, split: str, folder: Path) -> Path:
    """Evaluates `empty` or `whole-breast` on a split as a network's predictions are, and returns the folder."""
    configuration = Configuration()
    predict = {"empty": _empty, "whole-breast": _whole_breast}[name]
    clear_folder(folder)
    cuts = train_cuts(data.split("train"), configuration)
    tables = measure_batches(_batches(data.split(split), configuration, predict), configuration, cuts)
    summary = {"identity": {"baseline": name}, "trained_on_too": [], "size_cuts_px": cuts, "threshold": 0.5}
    summary |= {"tolerance_px": configuration.eval.nsd_tolerance_px, "class_names": list(configuration.class_names)}
    write_evaluation(folder, tables, summary, {})
    return folder


def _batches(samples: Sequence[Sample], configuration: Configuration, predict: Baseline) -> Iterator[Batch]:
    for sample in samples:
        ground_truth = read_ground_truth(sample.mask, configuration)
        yield [sample], ground_truth[None], predict(sample).astype(np.float32)[None, ..., None]


def _empty(sample: Sample) -> np.ndarray:
    return np.zeros(read_gray(sample.image).shape, bool)


def _whole_breast(sample: Sample) -> np.ndarray:
    return find_breast(read_gray(sample.image)).mask
