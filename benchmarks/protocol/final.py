"""The final training: on all images of all folds, and the files of the model that comes with the package.

No image is held out, so nothing is chosen by validation: the number of epochs is the configuration's, the weights are those
after the last one (averaged, where the configuration averages them), and the threshold comes from the folds.
"""

import json
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from pipeline.files import InputError, read_json, replacing, sha256, write_text
from protocol import records
from protocol.card import write_card
from protocol.entries import Entry
from protocol.running import PAIR, SINGLE, modes_of, train_and_count
from segmenter.configuration import Configuration
from segmenter.data.dataset import DataSet, Sample, count_patients
from segmenter.pretrained import packaged
from segmenter.pretrained.packaged import CrossValidation, Facts
from segmenter.runs import Run, open_run, read_state

RUN = "benchmark-final"
SUFFIXES = (".keras", ".onnx")
MOST_BYTES = 25_000_000  # of both files together
_COMPARED = 8  # images on which the files are compared with the trained network


def train_final(data: DataSet, entry: Entry, *, restart: bool = False) -> Run:
    """Trains the run `benchmark-final` on every image of the data set, resumes it, or finds it trained.

    Args:
      restart: train it again, whatever is there.

    Raises:
      InputError: the configuration changes the learning rate by validation.
    """
    run, configuration = open_run(data.folder, RUN), _without_choices(entry.configuration())
    if restart:
        shutil.rmtree(run.folder, ignore_errors=True)
    train_and_count(run, configuration, _all_in_train(data, configuration.train.batch_size))
    return run


def _without_choices(configuration: Configuration) -> Configuration:
    """The configuration, with nothing that depends on validation."""
    if configuration.train.learning_rate_reducer:
        raise InputError(
            "[train] learning_rate_reducer is on, which lowers the rate by validation, but the final training holds no image "
            "out; choose a configuration with cosine_decay"
        )
    changes = {"patience": configuration.train.epochs, "validation_steps": 1}
    return configuration.model_copy(update={"train": configuration.train.model_copy(update=changes)})


def _all_in_train(data: DataSet, watched: int) -> DataSet:
    """The data set with all samples in train, and the first ones in valid too, because a training validates on some."""
    print(f"no image is held out: validation is on {watched} images that are trained on, and measures nothing", flush=True)
    train = tuple(replace(sample, split="train") for sample in data.samples)
    valid = tuple(replace(sample, split="valid") for sample in data.samples[:watched])
    return DataSet(data.folder, (*train, *valid), f"{data.identity}, all in train")


def write_package(run: Run, data: DataSet, name: str, configuration: Configuration, folds_sha256: str) -> Facts:
    """Writes both files of the trained network, its facts and its card to the package, and to the run's folder `package`.

    Args:
      name: of the benchmark's entry, whose folds give the threshold and the results.
      configuration: that it was trained with.
      folds_sha256: the digest of these folds.

    Raises:
      InputError: packing changes the probabilities, or the files are too large; the package stays as it was.
    """
    folder = run.folder / "package"
    folder.mkdir(exist_ok=True)
    infer = settings_of(name, configuration)
    _write_networks(run, data, configuration, infer, folder)
    files = [folder / f"{packaged.NAME}{suffix}" for suffix in SUFFIXES]
    if (size := sum(file.stat().st_size for file in files)) > MOST_BYTES:
        raise InputError(f"{folder}: both files have {size:,} bytes; expected at most {MOST_BYTES:,}; train a smaller network")
    facts = Facts(
        images=len(data.samples),
        patients=count_patients(data.samples),
        infer=infer,
        sha256={file.name: sha256(file) for file in files},
        folds_sha256=folds_sha256,
        cross_validation=read_cross_validation(name),
    )
    write_card(folder / packaged.CARD, run, data, configuration, facts)
    write_text(folder / f"{packaged.NAME}.json", json.dumps(asdict(facts), indent=1) + "\n")
    for file in (*files, folder / packaged.CARD, folder / f"{packaged.NAME}.json"):
        with replacing(packaged.FOLDER / file.name) as temporary:
            shutil.copyfile(file, temporary)
    return facts


def settings_of(name: str, configuration: Configuration) -> dict[str, object]:
    """The settings of [infer] that the model is applied with: thresholds are the medians of those that the folds chose."""
    infer, modes = configuration.infer, modes_of(configuration)
    return {
        "threshold": _median_threshold(name, modes[0]) or infer.threshold,
        "threshold_single": _median_threshold(name, modes[1]) if len(modes) > 1 else None,
        "smallest_lesion_px": infer.smallest_lesion_px,
        "augmentation": infer.augmentation,
    }


def _median_threshold(name: str, mode: str) -> float | None:
    chosen = [fold[f"threshold_{mode}"] for fold in records.read_folds(name).values() if f"threshold_{mode}" in fold]
    return round(statistics.median(chosen), 3) if chosen else None


def read_cross_validation(name: str) -> dict[str, CrossValidation]:
    """What `quality.py run` has measured for an entry, by input; empty where it has not run."""
    results = {}
    for mode in (PAIR, SINGLE):
        path = records.FOLDER / f"{name}-{mode}.json"
        if path.is_file():
            row = read_json(path, dict, "run `python benchmarks/quality.py page`")["row"]
            keys = (*("folds", "images", "patients"), *("dice_mean", "dice_mean_low", "dice_mean_high", "dice_median"))
            results[mode] = CrossValidation(*(row[key] for key in keys))
    return results


def _write_networks(run: Run, data: DataSet, configuration: Configuration, infer: dict[str, object], folder: Path) -> None:
    """Writes the network after the last epoch as .keras and .onnx, and compares both with it on some of its images."""
    from segmenter.inference.plan import describe_plan, plan_of
    from segmenter.models.exporting import export_model
    from segmenter.models.onnx_models import load_onnx_predictor
    from segmenter.models.packing import MOST_DIFFERENCE, check_difference, pack
    from segmenter.models.saved_models import load_predictor

    whole, (keras_file, onnx_file) = folder / "whole.keras", (folder / f"{packaged.NAME}{suffix}" for suffix in SUFFIXES)
    save_last(run, whole)
    pack(whole, keras_file)
    predictor = load_predictor(keras_file)
    plan = plan_of(keras_file, tiled=True, settings={"infer": infer}, data=data)
    plan = replace(plan, class_names=configuration.class_names)
    export_model(predictor, "onnx", onnx_file, describe_plan(plan, predictor), MOST_DIFFERENCE)
    pack(onnx_file, onnx_file)
    samples = data.samples[:_COMPARED]
    expected = _predict(load_predictor(whole), samples, configuration)
    for file, packed in ((keras_file, predictor), (onnx_file, load_onnx_predictor(onnx_file))):
        difference = check_difference(whole, file, _predict(packed, samples, configuration), expected)
        print(f"{file.name}: {file.stat().st_size:,} bytes; probabilities differ by at most {difference:.2g}", flush=True)
    whole.unlink()


def save_last(run: Run, path: Path) -> None:
    """Writes the network after the last epoch for prediction, with averaged weights where the optimizer keeps them."""
    from segmenter.models.saved_models import load_whole, save_for_prediction
    from segmenter.training.callbacks import averaged

    state = read_state(run)
    assert state is not None  # it is trained
    model = load_whole(run.folder / state.checkpoint)
    with averaged(model):
        save_for_prediction(model, path)


def _predict(predictor, samples: Sequence[Sample], configuration: Configuration) -> np.ndarray:
    from segmenter.evaluation.predictions import predict_batches

    return np.concatenate([probabilities for *_, probabilities in predict_batches(predictor, samples, configuration)])
