"""The networks by name, and what all of them share: input, image options, scaling, head, deep supervision.

This module uses [model] and [image] only, and neither folders nor training. Keras is imported only when a model is built,
so that names can be checked without it.
"""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from segmenter.configuration import ImageSettings, ModelSettings
from segmenter.configuration.networks import BackboneSettings
from segmenter.models.input_names import input_name

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Entry:
    """A network's module and its number of parameters with the default settings.

    The module has `extract_features(x, settings) -> Branches`, from scaled pixels, (batch, side, side, channels).
    """

    module: str
    parameters: int


MODELS = {
    "SlightlyFlexibleUNet": Entry("segmenter.models.slightly_flexible_unet", 1_940_817),
    "AttentionUNet": Entry("segmenter.models.attention_unet", 2_027_861),
    "MultiResUNet": Entry("segmenter.models.multires_unet", 1_817_009),
    "SwinUNet": Entry("segmenter.models.swin_unet", 27_149_221),
    "EfficientUNet": Entry("segmenter.models.efficient_unet", 10_115_380),
    "UNet3Plus": Entry("segmenter.models.unet3_plus", 1_691_617),
    "DeepLabV3Plus": Entry("segmenter.models.deeplab_v3_plus", 40_430_913),
    "TransUNet": Entry("segmenter.models.trans_unet", 105_171_025),
    "U2Net": Entry("segmenter.models.u2net", 11_023_789),
    "SharpUNet": Entry("segmenter.models.sharp_unet", 1_940_817),
}


def register_layers() -> None:
    """Imports every network's module, so that Keras finds the layers that a saved model names."""
    importlib.import_module("segmenter.models.supervision")
    for entry in MODELS.values():
        importlib.import_module(entry.module)


def build_model(
    settings: ModelSettings,
    image: ImageSettings = ImageSettings(),  # noqa: B008 (frozen)
    *,
    crop: Literal["none", "breast"] = "none",
    partner: bool = False,
    allow_download: bool = False,
) -> "keras.Model":
    """Builds a network with its preprocessing inside.

    Args:
      crop, partner: as in [dataset]; the name of the input states them, to whoever loads the model.
      allow_download: let Keras fetch the weights of a backbone that `weights = "imagenet"` asks for.

    Returns:
      A model from raw pixels 0..255, (batch, height, width, channels), to probabilities, (batch, height, width,
      num_classes), float32. With side branches it is a `supervision.Supervised`, a model with several outputs; the
      first is the prediction.

    Raises:
      InputError: a backbone's weights are missing, or belong to another one.
    """
    from segmenter.backend import pin_keras

    pin_keras()
    import keras
    from keras import layers

    from segmenter.models.preprocessing import preprocess
    from segmenter.models.supervision import connect_heads

    module = importlib.import_module(MODELS[settings.model].module)
    if isinstance(settings, BackboneSettings):
        from segmenter.models.backbones import provide_weights

        provide_weights(settings, allow_download=allow_download)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if settings.mixed_precision else "float32")
    try:
        shape = (settings.image_height, settings.image_width, settings.image_channels)
        pixels = keras.Input(shape, name=input_name(crop=crop, partner=partner), dtype="float32")
        x = preprocess(pixels, image)
        if settings.input_normalize:
            x = layers.Rescaling(1 / 255, name="scale", dtype="float32")(x)
        return connect_heads(pixels, module.extract_features(x, settings), settings)
    finally:
        keras.config.set_dtype_policy(policy)
