"""Evaluated runs with predictions that are made here, so that each case is known beforehand; no network is trained."""

import json

import numpy as np

from pipeline.files import sha256, write_text
from segmenter.data.ground_truth import read_ground_truth
from segmenter.evaluation import write_evaluation
from segmenter.evaluation.measuring import measure_batches
from segmenter.pictures import write_png
from segmenter.runs import record_start

MISSED, CLEAN, ALARM = "P4_R_DM_MLO", "P5_L_CM_CC", "P5_R_DM_MLO"


def describe(folder, **facts):
    """Writes dataset.json."""
    description = {"manifest_sha256": sha256(folder / "manifest.csv"), "licence": "Free <for all>, but cite:"}
    description["citations"] = ["Somebody A.: Of squares. https://doi.org/10.1/square"]
    write_text(folder / "dataset.json", json.dumps(description | facts))


def predict(sample, ground_truth):
    """The ground truth, moved right by one pixel per patient number; MISSED has no prediction, ALARM one too many."""
    predicted = np.roll(ground_truth, int(sample.patient[1:]) - 1, axis=1)
    if sample.name == MISSED:
        predicted[:] = 0
    if sample.name == ALARM:
        predicted[20:24, 20:26] = 1
    return predicted


def evaluate(run, data, configuration, shared=0, predict=predict):
    """Writes the files of `segmenter.evaluation.evaluate` for an invented model."""
    write_text(run.best_model, f"model of {run.name}")
    record_start(run, configuration, {"python": "3.11", "data_identity": data.identity, "fold": data.fold})
    classes, samples, evaluation = configuration.model.num_classes, data.split("test"), run.evaluation("test")
    masks = [read_ground_truth(sample.mask, configuration) for sample in samples]
    predicted = [predict(sample, mask) for sample, mask in zip(samples, masks, strict=True)]
    for sample, mask in zip(samples, predicted, strict=True):
        write_png(evaluation / "masks" / f"{sample.name}.png", mask if classes > 1 else mask * 255)
    likely = np.stack([mask == index for mask in predicted for index in range(classes)] if classes > 1 else predicted)
    likely = np.moveaxis(likely.reshape(len(samples), -1, *masks[0].shape), 1, -1) * np.float32(0.8) + np.float32(0.1)
    tables = measure_batches([(samples, np.stack(masks), likely)], configuration, (100, 140))
    summary = {
        "identity": {"model_sha256": sha256(run.best_model), "data_identity": data.identity, "split": "test"}
        | {"infer": configuration.infer.model_dump(mode="json")},
        "trained_on_too": None if shared is None else [f"P{number + 1}" for number in range(shared)],
        "size_cuts_px": [100, 140],
        "tolerance_px": 2.0,
        "class_names": list(configuration.class_names),
        "threshold": 0.5 if classes == 1 else None,
    }
    write_evaluation(evaluation, tables, summary, {"loss": 0.5})
