"""Registers layers with Keras, so that a saved model can name them."""

import keras

# Keras prints it before the class that it does not know: importing this module makes Keras know all of them.
PACKAGE = "segmenter.layers"
_FORMER_PACKAGE = "cesm"


def registered(layer: type) -> type:
    """Registers a class of layers or models under its name, also for files that were saved under the former package."""
    keras.saving.get_custom_objects()[f"{_FORMER_PACKAGE}>{layer.__name__}"] = layer
    return keras.saving.register_keras_serializable(package=PACKAGE)(layer)
