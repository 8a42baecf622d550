"""The networks by name, and what all of them share: input, scaling, head.

Knows the [model] section, no folder and no training. Keras is imported only when a model is built, so that names can
be checked without it.
"""

import importlib
from typing import TYPE_CHECKING

from segmenter.configuration import ModelSettings

if TYPE_CHECKING:
    import keras

# Each module has `extract_features(x, settings)`: from scaled pixels to features of the same height and width.
MODELS = {"SlightlyFlexibleUNet": "segmenter.models.slightly_flexible_unet"}


def build_model(settings: ModelSettings) -> "keras.Model":
    """Builds a network with its preprocessing inside.

    Returns:
      A model from raw pixels 0..255, (batch, height, width, channels), to probabilities, (batch, height, width, 1),
      float32.
    """
    import keras
    from keras import layers

    module = importlib.import_module(MODELS[settings.model])
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if settings.mixed_precision else "float32")
    try:
        shape = (settings.image_height, settings.image_width, settings.image_channels)
        pixels = keras.Input(shape, name="image", dtype="float32")
        scaled = layers.Rescaling(1 / 255, name="scale", dtype="float32")(pixels) if settings.input_normalize else pixels
        features = module.extract_features(scaled, settings)
        # In bfloat16 a probability would have 8 bits, too coarse for the loss near 0 and 1.
        head = layers.Conv2D(settings.num_classes, 1, activation=settings.final_activation, dtype="float32", name="lesion")
        return keras.Model(pixels, head(features), name=settings.model)
    finally:
        keras.config.set_dtype_policy(policy)
