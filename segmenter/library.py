"""What `import segmenter` offers for training and evaluation, by the functions that the command line calls.

A data set is given as the path of its folder, or as anything with an attribute `folder`, such as `pipeline.Dataset`. Changed
settings are given as `settings`, nested as the tables of a configuration are: `{"train": {"epochs": 2}}`. Keras and
its backend are imported by the functions that need them, without their start-up messages.
"""

import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from pipeline.files import InputError, check_settings
from segmenter import runs
from segmenter.backend import load_backend
from segmenter.configuration import Configuration, load_configuration
from segmenter.configuration.networks import MODEL_SETTINGS, describe_sides
from segmenter.data.dataset import DataSet, folder_of, read_data_set
from segmenter.data.stacks import check_partners
from segmenter.models import MODELS
from segmenter.runs import Run

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

AnyPath = str | PathLike[str]
# What `augment=True` turns on: what keeps a mammogram one.
AUGMENTATION: Mapping[str, Any] = {
    "augmentor": {"hflip": True, "vflip": True, "rotation": True, "angle_range": [-15.0, 15.0], "brightening": True}
}


def list_models() -> pd.DataFrame:
    """The networks, one row per name, with `parameters` (of the default settings), `sides` that they take, and `paper`.

    Example:
      >>> list_models().loc["AttentionUNet", "sides"]
      'multiples of 16'
    """
    rows = {
        name: {"parameters": MODELS[name].parameters, "sides": describe_sides(settings), "paper": settings.paper}
        for name, settings in MODEL_SETTINGS.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def build_model(
    model: str = "SlightlyFlexibleUNet",
    *,
    side: int = 128,
    channels: int = 1,
    classes: int = 1,
    partner: bool = False,
    allow_download: bool = False,
    **keys: Any,
) -> "keras.Model":
    """Builds a network and compiles it with the loss, metrics and optimizer of its keys; `compile` again for your own.

    Args:
      model: one of `list_models()`.
      side, channels: of the images, which are raw: the network scales 0 to 255 itself.
      classes: 1 for lesion or not; more for masks of class indices, of which 0 is the background.
      partner: whether it takes both images of a view, which needs 3 channels; as in [dataset].
      allow_download: let Keras fetch pretrained weights, where `weights` asks for them.
      keys: those of [model] in a configuration, such as base_filters=16, loss="dice_loss", learning_rate=0.0003.

    Returns:
      A model from (batch, side, side, channels), raw pixels, to (batch, side, side, classes) float32 probabilities.

    Raises:
      InputError: there is no such network or key, or its value does not fit; or pretrained weights are missing.

    Example:
      >>> model = build_model("AttentionUNet", side=64, base_filters=4)  # doctest: +SKIP
      >>> model.fit(batches(data, "train", side=64), epochs=3)  # doctest: +SKIP
    """
    size = {"image_width": side, "image_height": side, "image_channels": channels, "num_classes": classes}
    settings = {"model": {"model": model, **size, **keys}, "dataset": {"partner": partner}}
    configuration = check_settings(Configuration, settings, "build_model")
    load_backend()
    from segmenter.training.compilation import compile_model

    return compile_model(configuration, allow_download=allow_download)


def batches(
    data: Any,
    split: str,
    *,
    side: int = 128,
    batch_size: int = 8,
    channels: int = 1,
    classes: int = 1,
    partner: bool = False,
    partner_dropout: float = 0.0,
    augment: bool | Mapping[str, Any] = False,
    shuffle: bool | None = None,
    seed: int = 1,
    fold: int | None = None,
) -> "tf.data.Dataset | keras.utils.PyDataset":
    """Batches of a split, once through its samples in each epoch, for `model.fit` of any Keras model.

    Args:
      data: a data set.
      split: train, valid or test.
      side: to which images and masks are averaged down; not more than the files have.
      batch_size: of all batches but the last, which may be smaller.
      channels: 1, or 3 equal ones; or 3 of both images of a view.
      classes: 1 for lesion or not; more for masks of class indices.
      partner, partner_dropout: as in [dataset], to give both images of a view, which needs 3 channels.
      augment: vary pairs, differently in each epoch: True for flips, small turns and brightness; or settings of [augmentor] and
        its parts.
      shuffle: another order in each epoch; True for train where it is left out.
      seed: of order and variation. The same seed gives the same sequence of epochs.
      fold: the splits of this fold in place of the data set's own.

    Returns:
      A `tf.data.Dataset`, or where Keras runs on another backend a `keras.utils.PyDataset` of the same batches: of images,
      (batch, side, side, channels) uint8, 0 to 255, and masks, (batch, side, side, 1) uint8 of 0 and 1 or of class indices.

    Raises:
      InputError: the data set cannot be read, the split is empty, or a setting is wrong.

    Example:
      >>> images, masks = next(iter(batches("data_processed/demo", "train", side=64)))  # doctest: +SKIP
      >>> images.shape, masks.shape  # doctest: +SKIP
      (TensorShape([8, 64, 64, 1]), TensorShape([8, 64, 64, 1]))
    """
    samples = _read(data, fold).split(split)
    size = {"image_width": side, "image_height": side, "image_channels": channels, "num_classes": classes}
    variation = AUGMENTATION if augment is True else augment or {}
    settings = {"model": size | {"num_layers": 1}, "dataset": {"partner": partner, "partner_dropout": partner_dropout}}
    configuration = check_settings(Configuration, {**settings, **variation}, "batches")
    if partner:
        check_partners(folder_of(data), samples)
    load_backend()
    from segmenter.augmentation import make_variation
    from segmenter.data.batches import fits_cache
    from segmenter.data.input_pipeline import epoch_batches
    from segmenter.data.pairs import PairFormat, check_pair

    pair_format = PairFormat.of(configuration)
    check_pair(samples[0], pair_format)
    return epoch_batches(
        samples,
        pair_format,
        batch_size,
        cache=fits_cache(len(samples), pair_format),
        shuffle=split == "train" if shuffle is None else shuffle,
        seed=seed,
        variation=make_variation(configuration, seed) if variation else None,
        partner_dropout=partner_dropout,
    )


def train(
    data: Any,
    configuration: str | PathLike[str] | Configuration = "quick",
    name: str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    fold: int | None = None,
    resume: bool = False,
    restart: bool = False,
    allow_download: bool = False,
) -> Run:
    """Trains a run, resumes one that was interrupted, or finds it finished, as `cesm-segmenter train` does.

    Args:
      data: a data set; the run is written to its runs/NAME.
      configuration: `quick` or another of the package's, the path of a file, or what `load_configuration` gave.
      name: of the run; the configuration's name where it is left out.
      settings: values in place of the configuration's, such as `{"train": {"epochs": 2}}`.
      fold: train on the splits of this fold.
      resume: there must be something to resume; [train] epochs and patience may have changed.
      restart: delete what the run has.
      allow_download: let Keras fetch pretrained weights, where `weights` asks for them.

    Returns:
      The run: `.folder`, `.best_model`, `.config` and others are paths.

    Raises:
      InputError: data or settings cannot be used, or the run was trained with others.

    Example:
      >>> run = train("data_processed/demo", "quick", "first", settings={"train": {"epochs": 2}})  # doctest: +SKIP
      >>> run.best_model.name  # doctest: +SKIP
      'best_model.keras'
    """
    loaded = configuration if isinstance(configuration, Configuration) else load_configuration(configuration, settings)
    if loaded is configuration:
        if settings:
            raise InputError(f"settings {dict(settings)}: give them to load_configuration, because it is loaded already")
        if name is None:
            raise InputError("name is missing: a configuration that is loaded already gives the run none")
    from segmenter.training.start import train_run

    samples = _read(data, fold)
    for split in ("train", "valid"):
        samples.split(split)  # refuses an empty one before anything is written
    usual = Path(str(configuration)).stem + ("" if fold is None else f"-fold{fold}")
    run = runs.open_run(samples.folder, name or usual)
    train_run(run, loaded, samples, resume=resume, restart=restart, allow_download=allow_download)
    return run


def evaluate(
    run: Run | AnyPath, split: str = "test", *, settings: Mapping[str, Any] | None = None, single: bool = False
) -> pd.DataFrame:
    """Evaluates a run's best model on a split of its data set, as `cesm-segmenter evaluate` does.

    Args:
      run: as `train` and `open_run` give it, or its folder, which also gets the tables and pictures.
      split: train, valid or test, as the run's fold sees it.
      settings: values in place of the run's [eval] and [infer], such as `{"infer": {"threshold": 0.3}}`.
      single: withhold the other image of each view, from a network that takes both.

    Returns:
      The metrics: one row per `group`, `value` and `metric`, with `images`, `patients`, `mean` and `median` and the ends of
      their 95 % intervals over patients: `mean_low`, `mean_high`, `median_low`, `median_high`. docs/metrics.md describes them.

    Raises:
      InputError: the run has no model, the split is empty, or settings cannot be used.

    Example:
      >>> metrics = evaluate("data_processed/demo/runs/first")  # doctest: +SKIP
      >>> metrics.query("group == 'all' and metric == 'dice'")[["images", "mean"]]  # doctest: +SKIP
    """
    from segmenter import evaluation
    from segmenter.evaluation.aggregation import read_table

    trained = runs.require_trained(runs.as_run(run))
    data = runs.data_of(trained, read_data_set(trained.data_folder))
    evaluation.evaluate_run(trained, data, runs.read_configuration(trained, settings), split, single=single)
    return read_table(trained.evaluation(split, single=single) / "metrics.csv")


def evaluate_masks(
    data: Any,
    masks: AnyPath | Sequence[AnyPath],
    name: str,
    split: str = "test",
    *,
    probabilities: AnyPath | Sequence[AnyPath] = (),
    fold: int | Literal["all"] | None = None,
    threshold: float = 0.5,
    missing: Literal["error", "empty"] = "error",
) -> pd.DataFrame:
    """Scores masks of another program, as `cesm-segmenter evaluate --masks` does, without Keras.

    Args:
      data: a data set; the run is written to its runs/NAME.
      masks: one or more folders with a mask per image, named like it, or .json files of COCO annotations or results.
      name: of the run.
      split: train, valid or test.
      probabilities: folders with the probabilities of a lesion, which a FROC curve needs.
      fold: score on the splits of this fold; `all` takes the test images of all folds together.
      threshold: the lowest score of COCO results that are in a mask.
      missing: `empty` takes images without a mask as empty.

    Returns:
      The metrics, as from `evaluate`.

    Raises:
      InputError: a mask is missing or does not fit, the name is that of another run, or there is no such split or fold.

    Example:
      >>> evaluate_masks("data_processed/demo", "nnunet/predictions", "nnunet")  # doctest: +SKIP
    """
    from segmenter.evaluation.aggregation import read_table
    from segmenter.scoring import Masks, score_masks

    data_set = read_data_set(folder_of(data))
    run = runs.open_run(data_set.folder, name)
    source = Masks(_paths(masks), _paths(probabilities), threshold, missing_as_empty=missing == "empty")
    if surplus := source.describe_surplus(data_set):
        warnings.warn(surplus, stacklevel=2)
    score_masks(run, data_set, source, split, fold=fold)
    return read_table(run.evaluation(split) / "metrics.csv")


def _paths(paths: AnyPath | Sequence[AnyPath]) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str | PathLike) else [Path(path) for path in paths]


def open_run(data: Any, name: str) -> Run:
    """Opens a run that was trained before.

    Raises:
      InputError: the data set has no such run, or one without a model; the message names those that have one.

    Example:
      >>> open_run("data_processed/demo", "first").name  # doctest: +SKIP
      'first'
    """
    return runs.find_trained(folder_of(data), name)


def _read(data: Any, fold: int | None) -> DataSet:
    data_set = read_data_set(folder_of(data))
    return data_set if fold is None else data_set.in_fold(fold)
