"""Trains one run: model, data, callbacks, and `fit`. The state to resume from comes from `segmenter.runs`."""

import platform
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import cv2
import keras
import numpy as np
import tensorflow as tf

from pipeline.files import InputError, sha256
from segmenter.augmentation import make_augmentation
from segmenter.backend import describe_device
from segmenter.configuration import Configuration, ModelSettings
from segmenter.configuration.networks import BackboneSettings
from segmenter.data.dataset import DataSet, Sample, describe_counts
from segmenter.data.input_pipeline import fits_cache, read_all, training_batches, validation_batches
from segmenter.data.originals import originals_or_all
from segmenter.data.pairs import PairFormat, check_lesions, check_pair, explained
from segmenter.models.backbones import weights_file
from segmenter.models.saved_models import load_whole
from segmenter.runs import TRAINED_ON, Run, State, record_start
from segmenter.training import callbacks
from segmenter.training.compilation import compile_model
from segmenter.training.progress import Progress


def train(run: Run, configuration: Configuration, data: DataSet, state: State | None, *, allow_download: bool = False) -> State:
    """Trains until all epochs are trained or patience runs out.

    Args:
      run: where everything is written.
      configuration, data: what to train, and on which data.
      state: where an earlier training stopped, or None to begin.
      allow_download: let Keras fetch weights of a backbone.

    Raises:
      InputError: a file of the data set is damaged, memory is too small, or the loss is no longer a number.
      KeyboardInterrupt: Ctrl-C; the last whole epoch is kept.
    """
    train_samples, valid_samples = data.split("train"), data.split("valid")
    check_lesions(train_samples, PairFormat.of(configuration))
    facts = _versions(configuration, data) | {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": describe_device(),
    }
    record_start(run, configuration, facts)
    keras.utils.clear_session()  # of what an earlier fold left in this process
    keras.utils.set_random_seed(configuration.train.seed)
    if configuration.train.deterministic:
        tf.config.experimental.enable_op_determinism()
    if state:
        callbacks.write_history(run, state)  # an interruption may have left it an epoch behind
    model = load_whole(run.folder / state.checkpoint) if state else compile_model(configuration, allow_download=allow_download)
    record_start(run, configuration, facts | {"parameters": model.count_params()})
    print(f"{run.name}: {model.count_params():,} parameters; {describe_counts(data)}", flush=True)
    precision = "bfloat16, weights in float32" if configuration.model.mixed_precision else "float32"
    print(f"device: {facts['device']}; precision: {precision}", flush=True)
    with explained(train_samples + valid_samples, PairFormat.of(configuration)):
        try:
            return _fit(run, configuration, model, train_samples, valid_samples, state)
        except tf.errors.ResourceExhaustedError as error:
            raise InputError(
                f"{run.config}: a step with [train] batch_size {configuration.train.batch_size} does not fit "
                "into memory; lower it, or image_width and image_height"
            ) from error


def _fit(
    run: Run,
    configuration: Configuration,
    model: keras.Model,
    train_samples: Sequence[Sample],
    valid_samples: Sequence[Sample],
    state: State | None,
) -> State:
    settings, pair_format = configuration.train, PairFormat.of(configuration)
    cache = fits_cache(len(train_samples) + len(valid_samples), pair_format.side, pair_format.channels)
    print("pairs are held in memory" if cache else "pairs do not fit into memory and are read in each epoch", flush=True)
    first_epoch = state.epoch if state else 0
    steps = settings.steps_per_epoch or -(-len(train_samples) // settings.batch_size)
    batches = training_batches(
        train_samples,
        pair_format,
        settings.batch_size,
        cache=cache,
        seed=settings.seed,
        shuffle=configuration.dataset.shuffle,
        first_step=first_epoch * steps,
        augment=make_augmentation(configuration) if configuration.model.generator else None,
    )
    validation = validation_batches(valid_samples, pair_format, settings.batch_size, cache=cache)
    if settings.validation_steps:
        validation = validation.take(settings.validation_steps)
    recorder = _recorder(run, configuration, state)
    with (
        callbacks.Interruption() as interruption,
        Progress(settings, steps, int(validation.cardinality()), configuration.model.metrics[0]) as progress,
    ):
        model.fit(
            batches,
            validation_data=validation,
            shuffle=False,
            epochs=settings.epochs,
            initial_epoch=first_epoch,
            steps_per_epoch=steps,
            verbose=0,
            callbacks=[
                callbacks.StopAfterStep(interruption),
                progress,
                callbacks.RefuseNan(),
                callbacks.ReseedDropout(settings.seed),
                callbacks.Schedule(settings, configuration.model.learning_rate, steps),
                callbacks.ValidateAveragedWeights(),
                recorder.early_stopping,
                *([recorder.reducer] if settings.learning_rate_reducer else []),
                *_epoch_pictures(run, configuration, valid_samples),
                *callbacks.tensorboard(run),
                recorder,
            ],
        )
    assert recorder.state is not None  # at least one epoch was to be trained
    return recorder.state


def _recorder(run: Run, configuration: Configuration, state: State | None) -> callbacks.RunRecorder:
    settings = configuration.train
    return callbacks.RunRecorder(
        run,
        state,
        keras.callbacks.EarlyStopping("val_loss", patience=settings.patience),
        keras.callbacks.ReduceLROnPlateau("val_loss", settings.reducer_factor, settings.reducer_patience),
    )


def _epoch_pictures(run: Run, configuration: Configuration, valid_samples: Sequence[Sample]) -> list:
    settings, pair_format = configuration.train, PairFormat.of(configuration)
    chosen = choose_evenly(valid_samples, settings.num_infer_images)
    names = [sample.name for sample in chosen]
    pictures = []
    if settings.epoch_change_infer:
        images, masks = read_all(chosen, pair_format)
        pictures.append(callbacks.EpochPictures(run, configuration, names, images.numpy(), masks.numpy()))
    if settings.epoch_change_tiledinfer:
        images, masks = read_all(chosen, replace(pair_format, side=check_pair(chosen[0], pair_format)))
        pictures.append(callbacks.TiledEpochPictures(run, configuration, names, images.numpy(), masks.numpy()))
    return pictures


def choose_evenly(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Picks `count` originals, spread over the list and so over the patients; variants where there is no original."""
    candidates = originals_or_all(samples)
    indices = np.linspace(0, len(candidates) - 1, min(count, len(candidates))).round().astype(int)
    return [candidates[index] for index in indices]


def _versions(configuration: Configuration, data: DataSet) -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "seed": configuration.train.seed,
        "samples": describe_counts(data),
        "data_identity": data.identity,
        "fold": data.fold,
        TRAINED_ON: sorted({sample.owner for sample in data.split("train")}),
    } | _weights(configuration.model)


def _weights(settings: ModelSettings) -> dict[str, str]:
    """The hash of a backbone's initial weights."""
    if not isinstance(settings, BackboneSettings) or settings.weights == "none":
        return {}
    return {"weights_sha256": sha256(file)} if (file := weights_file(settings)).is_file() else {}
