"""Lets plain Keras open the models that `train` saves.

SwinUNet, TransUNet, SharpUNet, and UNet3Plus with `classification_guided`, have layers that Keras does not:

    import keras
    import segmenter.layers
    model = keras.saving.load_model("best_model.keras")

The other networks need no import.
"""

from segmenter.models.registry import register_layers

register_layers()
