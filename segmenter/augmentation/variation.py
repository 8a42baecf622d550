"""Varies pairs of image and mask, as drawn."""

from functools import partial
from typing import Any

import keras
from keras import ops

from segmenter.augmentation.drawing import Draw, draw
from segmenter.augmentation.geometry import move
from segmenter.augmentation.intensity import change_intensity
from segmenter.configuration import Configuration
from segmenter.data.batches import Variation


def make_variation(configuration: Configuration, seed: int) -> Variation:
    """How a loader varies the pairs of its batches as set in [augmentor]: the same seed and number give the same pair."""
    return Variation(partial(draw, configuration, seed), partial(apply, configuration))


def apply(configuration: Configuration, drawn: Draw, images: Any, masks: Any) -> tuple[Any, Any]:
    """Varies pairs as drawn, by operations of Keras: the same on every backend, called directly or compiled.

    Args:
      images: (batch, height, width, channels) uint8, raw.
      masks: (batch, height, width, 1) uint8 of class indices.

    Returns:
      Images and masks in the same shapes and types.
    """
    drawn, images, masks = keras.tree.map_structure(ops.convert_to_tensor, (drawn, images, masks))
    images, masks = move(configuration, drawn, images, masks)
    return change_intensity(configuration, drawn, images), masks
