"""Compiles the network of a configuration: its loss, its metrics and a new optimizer. Any backend of Keras can run it."""

import keras

from segmenter.backend import jit_compiles
from segmenter.configuration import Configuration, ModelSettings
from segmenter.models import build_model
from segmenter.training.losses import make_loss
from segmenter.training.metrics import keras_metrics


def compile_model(configuration: Configuration, *, allow_download: bool = False) -> keras.Model:
    """Builds the model of a configuration, with its loss, its metrics and a new optimizer."""
    settings = configuration.model
    data = configuration.dataset
    model = build_model(settings, configuration.image, crop=data.crop, partner=data.partner, allow_download=allow_download)
    metrics = keras_metrics(settings.metrics, configuration.class_names)
    optimizer = _optimizer(settings, configuration.train.gradient_accumulation_steps)
    model.compile(optimizer, make_loss(settings), metrics=metrics, jit_compile=jit_compiles(settings.jit_compile))
    return model


def _optimizer(settings: ModelSettings, accumulation_steps: int) -> keras.optimizers.Optimizer:
    options: dict[str, object] = {"clipvalue": settings.clipvalue, "clipnorm": settings.clipnorm}
    if settings.ema_momentum:
        options |= {"use_ema": True, "ema_momentum": settings.ema_momentum}
    if accumulation_steps > 1:
        options["gradient_accumulation_steps"] = accumulation_steps
    if settings.weight_decay:
        options["weight_decay"] = settings.weight_decay
    return getattr(keras.optimizers, settings.optimizer)(settings.learning_rate, **options)
