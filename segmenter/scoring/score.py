"""Measures the masks of another program on a split, as the evaluation of a run."""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.contract import LESION_CLASSES
from pipeline.files import InputError, clear_folder, locked, progress
from segmenter.configuration import Configuration
from segmenter.data.dataset import DataSet, Sample
from segmenter.data.ground_truth import read_ground_truth, read_mask_file
from segmenter.data.originals import originals_or_all
from segmenter.evaluation.evaluator import write_evaluation, write_mask
from segmenter.evaluation.extremes import mask_file, write_extremes
from segmenter.evaluation.measuring import Batch, Tables, measure_batches, measure_mask
from segmenter.evaluation.sizes import Cuts, train_cuts
from segmenter.evaluation.state import SCHEMA, read_summary
from segmenter.runs import Run, begin_scored, is_scored, read_configuration
from segmenter.scoring.source import Masks

ALL = "all"
_BATCH = 16  # images that are in memory together
_RULES = 2  # of which masks are accepted, and how they are read; masks that were scored by others are scored again
Round = tuple[list[Sample], Sequence[Sample]]
Read = Callable[[Sample, int], tuple[np.ndarray, np.ndarray]]  # as Masks.read, for a sample and a side


def score_masks(run: Run, data: DataSet, masks: Masks, split: str = "test", *, fold: int | Literal["all"] | None = None) -> bool:
    """Scores masks on the originals of a split, unless that was done already; writes the files of an evaluation.

    Args:
      run: that gets the evaluation; it has no model.
      data: the data set, with the folder's own splits.
      fold: score on the splits of this fold; `all` takes the images of each fold together as test, as a cross-validation
        does.

    Returns:
      Whether there was anything to do.

    Raises:
      InputError: a mask is missing or does not fit, the run is another one, or the data set has no such fold or split.
    """
    pooled = fold == ALL
    if pooled and split != "test":
        raise InputError(f"--split {split}: with --fold all each image is scored once, as test; leave --split out")
    if isinstance(fold, int):
        data = data.in_fold(fold)
    folds = [data.in_fold(number) for number in range(data.folds)] if pooled else [data]
    rounds = [(originals_or_all(seen.split(split)), [one for one in seen.samples if one.split == "train"]) for seen in folds]
    samples = [sample for chosen, _ in rounds for sample in chosen]
    missing = masks.missing(samples)
    if is_scored(run) and run.config.is_file():
        configuration = read_configuration(run)
    else:
        configuration = Configuration.model_validate({"model": {"num_classes": count_classes(data.samples)}})
    begin_scored(run, data, configuration.model.num_classes, pooled=pooled)
    folder = run.evaluation(split)
    identity = _identity(masks, samples, data, configuration, split)
    if read_summary(folder).get("identity") == identity:
        return False
    with locked(folder, "segmenter evaluate"):
        clear_folder(folder)
        read = partial(masks.read, classes=configuration.model.num_classes, names=_category_names(data, configuration))
        tables, cuts = _measure_rounds(rounds, read, configuration, folder)
        masks.check_order()
        if warning := masks.describe_inverted():
            print(f"warning: {warning}", file=sys.stderr)
        write_extremes(samples, tables.images, configuration, folder)
        summary = {
            "identity": identity,
            "trained_on_too": identity["trained_on_too"],
            "size_cuts_px": None if pooled else cuts,
            "tolerance_px": configuration.eval.nsd_tolerance_px,
            "class_names": list(configuration.class_names),
            "threshold": None,
            "scored": masks.facts(samples, missing) | {"pooled": pooled},
        }
        write_evaluation(folder, tables, summary, {})
    return True


def count_classes(samples: Sequence[Sample]) -> int:
    """The number of classes in the masks of a data set, as [model] num_classes counts: 1 for lesion or not."""
    settings = Configuration().mask
    highest = max(int(read_mask_file(sample.mask, None, settings).max(initial=0)) for sample in originals_or_all(samples))
    return highest + 1 if highest > 1 else 1


def _category_names(data: DataSet, configuration: Configuration) -> list[str]:
    """The names that COCO's categories may have: of classes, or where all lesions are one class also the labels of the images."""
    if configuration.model.num_classes > 1:
        return list(configuration.class_names)
    labels = {sample.label for sample in data.samples}
    return [*configuration.class_names, *(label for label in LESION_CLASSES if label in labels)]


def _identity(masks: Masks, samples: Sequence[Sample], data: DataSet, configuration: Configuration, split: str) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "rules": _RULES,
        "masks_sha256": masks.digest(samples),
        "trained_on_too": masks.trained_on_too(samples, data.samples),
        "data_identity": data.identity,
        "split": split,
        "class_names": list(configuration.class_names),
        "mask": configuration.mask.model_dump(mode="json"),
        "nsd_tolerance_px": configuration.eval.nsd_tolerance_px,
    }


def _measure_rounds(
    rounds: Sequence[Round], read: Read, configuration: Configuration, folder: Path
) -> tuple[Tables, Cuts | None]:
    """Measures the images of each round by the lesion sizes of its own training; several get the column `fold`."""
    tables, cuts = Tables(), None
    for number, (samples, train) in enumerate(rounds):
        cuts = train_cuts(train, configuration)
        measured = _measure(samples, read, configuration, cuts, folder)
        tables.images.extend({**row, "fold": number} if len(rounds) > 1 else row for row in measured.images)
        tables.lesions.extend(measured.lesions)
        tables.candidates.extend(measured.candidates)
    return tables, cuts


def _measure(samples: Sequence[Sample], read: Read, configuration: Configuration, cuts: Cuts | None, folder: Path) -> Tables:
    """Measures masks, and writes them as `evaluate` does."""

    def batches() -> Iterator[Batch]:
        starts = range(0, len(samples), _BATCH)
        for start in progress(starts, len(starts), f"scoring {samples[0].split}", "batches"):
            batch, ground_truths, predicted = samples[start : start + _BATCH], [], []
            for sample in batch:
                ground_truth = read_ground_truth(sample.mask, configuration)
                if ground_truth.shape[0] != ground_truth.shape[1]:
                    raise InputError(
                        f"{sample.mask}: has {ground_truth.shape[1]} x {ground_truth.shape[0]} pixels; expected a square"
                    )
                predicted.append(read(sample, len(ground_truth)))
                write_mask(mask_file(folder, sample), predicted[-1][0], configuration)
                ground_truths.append(ground_truth)
            yield batch, ground_truths, predicted

    return measure_batches(batches(), configuration, cuts, measure_mask)
