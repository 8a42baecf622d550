"""Varies one pair of image and mask, as drawn."""

from collections.abc import Callable

import tensorflow as tf

from segmenter.augmentation.drawing import Draw, draw
from segmenter.augmentation.geometry import move
from segmenter.augmentation.intensity import change_intensity
from segmenter.configuration import Configuration
from segmenter.data.batches import Variation

# Maps image, mask and a seed of two int64 to image and mask.
Augmentation = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def make_augmentation(configuration: Configuration) -> Augmentation:
    """Returns the function that varies one pair as set in [augmentor], for use inside `Dataset.map`.

    Returns:
      A function of an image, (side, side, channels) uint8 raw, a mask, (side, side, 1) uint8 of class indices, and a
      seed, (2,) int64. It returns image and mask in the same shapes and types; the same seed gives the same pair.
    """

    # Nothing here needs AutoGraph to rewrite Python code, which would take seconds at each start.
    @tf.autograph.experimental.do_not_convert
    def augment(image: tf.Tensor, mask: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return apply(configuration, draw(configuration, seed), image, mask)

    return augment


def make_variation(configuration: Configuration, seed: int) -> Variation:
    """How a loader varies the pairs of a batch: as `make_augmentation` does, each with its number behind the seed."""
    augment = make_augmentation(configuration)

    @tf.autograph.experimental.do_not_convert
    def vary(pair: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        image, mask, number = pair
        return augment(image, mask, tf.stack([tf.constant(seed, tf.int64), number]))

    return Variation(
        lambda numbers: numbers,
        lambda numbers, images, masks: tf.map_fn(vary, (images, masks, numbers), fn_output_signature=(tf.uint8, tf.uint8)),
    )


def apply(configuration: Configuration, drawn: Draw, image: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Varies a pair as drawn; shapes and types as for `make_augmentation`."""
    image, mask = move(configuration, drawn, image, mask)
    return change_intensity(configuration, drawn, image), mask
