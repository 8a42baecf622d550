"""Trains one run: model, data, callbacks, and `fit`. The state to resume from comes from `segmenter.runs`."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime

import cv2
import keras
import numpy as np

from pipeline.files import sha256
from segmenter.backend import backend_versions, describe_device, explained_memory, make_deterministic
from segmenter.configuration import Configuration, ModelSettings
from segmenter.configuration.networks import BackboneSettings
from segmenter.data.batches import Variation, fits_cache
from segmenter.data.dataset import DataSet, Sample, describe_counts
from segmenter.data.input_pipeline import AnyBatches, explained, training_batches, validation_batches
from segmenter.data.pairs import PairFormat, check_lesions
from segmenter.data.stacks import check_partners
from segmenter.models.backbones import weights_file
from segmenter.models.saved_models import load_whole
from segmenter.runs import TRAINED_ON, Run, State, record_start
from segmenter.training import callbacks
from segmenter.training.compilation import compile_model
from segmenter.training.devices import Devices, find_devices
from segmenter.training.epoch_pictures import epoch_pictures
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
    if configuration.dataset.partner:
        check_partners(data.folder, train_samples)
    if configuration.train.deterministic:
        make_deterministic()  # before the device is asked for anything
    devices = find_devices(configuration.train.batch_size)
    facts = _versions(configuration, data) | {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": describe_device(devices.count),
    }
    record_start(run, configuration, facts)
    keras.utils.clear_session()  # of what an earlier fold left in this process
    keras.utils.set_random_seed(configuration.train.seed)
    if state:
        callbacks.write_history(run, state)  # an interruption may have left it an epoch behind
    with devices.shared():
        checkpoint = run.folder / state.checkpoint if state else None
        model = load_whole(checkpoint) if checkpoint else compile_model(configuration, allow_download=allow_download)
        devices.prepare(model)
    record_start(run, configuration, facts | {"parameters": model.count_params()})
    print(f"{run.name}: {model.count_params():,} parameters; {describe_counts(data)}", flush=True)
    precision = "bfloat16, weights in float32" if configuration.model.mixed_precision else "float32"
    backend = "{} {}".format(facts["backend"], facts[str(facts["backend"])])
    print(f"device: {facts['device']}; backend: {backend}; precision: {precision}", flush=True)
    too_large = (
        f"{run.config}: a step with [train] batch_size {configuration.train.batch_size} does not fit "
        "into memory; lower it, or image_width and image_height"
    )
    with explained_memory(too_large), explained(), devices.shared():
        return _fit(run, configuration, model, devices, train_samples, valid_samples, state)


def _fit(
    run: Run,
    configuration: Configuration,
    model: keras.Model,
    devices: Devices,
    train_samples: Sequence[Sample],
    valid_samples: Sequence[Sample],
    state: State | None,
) -> State:
    settings = configuration.train
    first_epoch = state.epoch if state else 0
    steps = settings.steps_per_epoch or -(-len(train_samples) // settings.batch_size)
    validated = valid_samples
    if settings.validation_steps:
        validated = valid_samples[: settings.validation_steps * settings.batch_size]
    validation_steps = -(-len(validated) // settings.batch_size)
    batches, validation = _make_batches(configuration, train_samples, validated, first_epoch * steps)
    recorder = _recorder(run, configuration, state)
    with (
        callbacks.Interruption() as interruption,
        Progress(settings, steps, validation_steps, configuration.model.metrics[0]) as progress,
    ):
        model.fit(
            devices.divide(batches),
            validation_data=devices.divide(validation),
            validation_steps=validation_steps if devices.count > 1 else None,
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
                *epoch_pictures(run, configuration, valid_samples),
                *callbacks.tensorboard(run),
                recorder,
            ],
        )
    assert recorder.state is not None  # at least one epoch was to be trained
    return recorder.state


def _make_batches(
    configuration: Configuration, train_samples: Sequence[Sample], validated: Sequence[Sample], first_step: int
) -> tuple[AnyBatches, AnyBatches]:
    """The batches to train on, from a step on, and those to validate on; prints whether they are held in memory."""
    settings, pair_format = configuration.train, PairFormat.of(configuration)
    count = len(train_samples) + len(validated)
    cache = fits_cache(count, pair_format, settings.cache_limit_mb)
    print("pairs are held in memory" if cache else "pairs are not held in memory, but read in each epoch", flush=True)
    batches = training_batches(
        train_samples,
        pair_format,
        settings.batch_size,
        cache=cache,
        seed=settings.seed,
        shuffle=configuration.dataset.shuffle,
        first_step=first_step,
        variation=_variation(configuration),
        partner_dropout=configuration.dataset.partner_dropout,
    )
    return batches, validation_batches(validated, pair_format, settings.batch_size, cache=cache)


def _variation(configuration: Configuration) -> Variation | None:
    if not configuration.model.generator:
        return None
    from segmenter.augmentation import make_variation

    return make_variation(configuration, configuration.train.seed)


def _recorder(run: Run, configuration: Configuration, state: State | None) -> callbacks.RunRecorder:
    settings = configuration.train
    return callbacks.RunRecorder(
        run,
        state,
        keras.callbacks.EarlyStopping("val_loss", patience=settings.patience),
        keras.callbacks.ReduceLROnPlateau("val_loss", settings.reducer_factor, settings.reducer_patience),
    )


def _versions(configuration: Configuration, data: DataSet) -> dict[str, object]:
    versions: dict[str, object] = {
        "python": platform.python_version(),
        **backend_versions(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "seed": configuration.train.seed,
        "samples": describe_counts(data),
        "data_identity": data.identity,
        "fold": data.fold,
        TRAINED_ON: sorted({sample.owner for sample in data.split("train")}),
    }
    return versions | _weights(configuration.model)


def _weights(settings: ModelSettings) -> dict[str, str]:
    """The hash of a backbone's initial weights."""
    if not isinstance(settings, BackboneSettings) or settings.weights == "none":
        return {}
    return {"weights_sha256": sha256(file)} if (file := weights_file(settings)).is_file() else {}
