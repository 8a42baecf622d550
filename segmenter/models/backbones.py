"""Encoders built into a network's own graph, with random or with trained weights.

They come from `keras.applications`, and trained weights are those of the network without its top. Nothing is downloaded unless
it is allowed, and a saved model contains its weights. EfficientNet-Lite0 is this package's, with a file of ImageNet weights
that travels with it (`weights/NOTICE` describes its origin; `benchmarks/encoder_weights.py` writes it).
"""

import os
from collections.abc import Callable
from pathlib import Path

import keras
from keras import layers, ops

from pipeline.files import InputError, sha256
from segmenter.configuration.networks import BackboneSettings as Settings
from segmenter.models.blocks import MOMENTUM
from segmenter.models.efficientnet_lite import build_efficientnet_lite0

LITE = "EfficientNetLite0"
LITE_WEIGHTS = Path(__file__).with_name("weights") / "efficientnet_lite0_imagenet.weights.h5"
LITE_SHA256 = "cc4e01e3b60875e2207f6b1ee89545db2eed009c011ba42ab3fe0b147debcbf6"

# Of ImageNet: means of blue, green and red in gray levels, and deviations of red, green and blue as fractions of 255.
_MEANS_BGR = (103.939, 116.779, 123.68)
_DEVIATIONS_RGB = (0.229, 0.224, 0.225)


def provide_weights(settings: Settings, *, allow_download: bool) -> None:
    """Makes sure that the weights that the settings name are on the disk.

    Args:
      allow_download: let Keras fetch ImageNet weights that it does not have yet.

    Raises:
      InputError: they are missing.
    """
    if settings.weights == "none":
        return
    if (file := weights_file(settings)) == LITE_WEIGHTS:
        _check_lite_weights()
    if file.is_file():
        return
    if settings.weights != "imagenet":
        raise InputError(f'[model] weights {settings.weights}: there is no such file; give its path, or weights = "none"')
    if not allow_download:
        raise InputError(
            f"[model] weights imagenet: {file} does not exist, and nothing is downloaded without permission; "
            'train with --allow-download, put the file there, or give weights = "none"'
        )
    _application(settings.backbone, weights="imagenet")


def weights_file(settings: Settings) -> Path:
    """The path of trained weights: the file that the settings name, this package's, or where Keras keeps its downloads."""
    if settings.weights != "imagenet":
        return Path(settings.weights)
    if settings.backbone == LITE:
        return LITE_WEIGHTS
    name = settings.backbone.lower()
    files = {
        "efficientnet": f"{name}_notop.h5",
        "resnet": f"{name}_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "mobilenetv2": "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
    }
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    return home / "models" / next(file for family, file in files.items() if name.startswith(family))


def _check_lite_weights() -> None:
    """Refuses a file of this package that did not arrive whole."""
    if LITE_WEIGHTS.is_file() and sha256(LITE_WEIGHTS) == LITE_SHA256:
        return
    problem = "is damaged" if LITE_WEIGHTS.is_file() else "does not exist"
    raise InputError(f"[model] weights imagenet: {LITE_WEIGHTS} {problem}, but belongs to this package; install it again")


def connect_backbone(
    x, settings: Settings, change: Callable[[layers.Layer], dict[str, object]] = lambda layer: {}
) -> dict[str, "keras.KerasTensor"]:
    """Builds a backbone on top of a tensor. Its layers become the network's own, so that dropout is found among them.

    Args:
      x: (batch, side, side, 1 or 3), 0 to 1 where `input_normalize` is on, else 0 to 255.
      change: returns the settings of a layer that replace those in `keras.applications`. Its weights must keep their shapes.

    Returns:
      The output of each layer by its name in `keras.applications`, the last layer's last.

    Raises:
      InputError: the weights file does not contain weights of the backbone.
    """
    original = _application(settings.backbone, weights=None)
    if settings.weights != "none":
        _load_weights(original, settings)
    outputs = {id(original.input): prepare_pixels(x, settings)}
    for layer in original.layers[1:]:
        momentum = {"momentum": MOMENTUM} if isinstance(layer, layers.BatchNormalization) else {}
        copy = type(layer).from_config(layer.get_config() | momentum | change(layer))
        original_input = layer.input
        if isinstance(original_input, list):
            output = copy([outputs[id(tensor)] for tensor in original_input])
        else:
            output = copy(outputs[id(original_input)])
        if settings.weights != "none":
            copy.set_weights(layer.get_weights())
            if isinstance(copy, layers.Normalization):
                copy.finalize_state()  # else it uses mean 0 and variance 1 until it is loaded from a file
        if isinstance(layer, layers.Normalization):
            # EfficientNet was trained on pixels divided by their variance, but in Keras it divides by the deviation; Keras
            # adds this layer only if it loads ImageNet weights. Here it is always added, so that all weights get the same.
            output = layers.Rescaling([deviation**-0.5 for deviation in _DEVIATIONS_RGB], name="backbone_variance")(output)
        outputs[id(layer.output)] = output
    return {layer.name: outputs[id(layer.output)] for layer in original.layers[1:]}


def prepare_pixels(x, settings: Settings):
    """Converts pixels to what a backbone expects: three channels, in the range that its ImageNet weights were trained on.

    EfficientNet takes raw 0 to 255 and scales it itself, EfficientNet-Lite takes -127/128 to 1, MobileNetV2 -1 to 1, and ResNet
    raw blue, green and red less their means. So `input_normalize`, which has scaled `x`, is undone first.

    Returns:
      (batch, side, side, 3) float32; one channel is repeated.
    """
    if settings.input_normalize:
        x = layers.Rescaling(255.0, dtype="float32", name="backbone_pixels")(x)
    if settings.image_channels == 1:
        x = layers.Concatenate(dtype="float32", name="backbone_channels")([x, x, x])
    if settings.backbone.startswith("ResNet"):
        offset = [-mean for mean in _MEANS_BGR]
        x = layers.Rescaling(1.0, offset, dtype="float32", name="backbone_range")(ops.flip(x, axis=-1))
    elif settings.backbone == LITE:
        x = layers.Rescaling(1 / 128, -127 / 128, dtype="float32", name="backbone_range")(x)
    elif settings.backbone.startswith("MobileNet"):
        x = layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="backbone_range")(x)
    return x


def _application(name: str, weights: str | None) -> keras.Model:
    if name == LITE:
        return build_efficientnet_lite0()
    return getattr(keras.applications, name)(include_top=False, weights=weights, input_shape=(None, None, 3))


def _load_weights(model: keras.Model, settings: Settings) -> None:
    file = weights_file(settings)
    try:
        model.load_weights(file)
    except Exception as error:  # Keras and h5py raise many types of them
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        program = f"keras.applications.{settings.backbone}(include_top=False)"
        if settings.backbone == LITE:
            program = "segmenter.models.efficientnet_lite.build_efficientnet_lite0()"
        raise InputError(
            f"[model] weights {file}: do not fit backbone {settings.backbone} ({reason}); give a file that save or "
            f"save_weights of {program} wrote"
        ) from error
