"""Changes the gray levels of an image, as drawn. Masks are not changed."""

import math
from collections.abc import Callable

import tensorflow as tf

from segmenter.augmentation.drawing import Draw
from segmenter.configuration import Configuration

# From black to this level, changes fade in. A network is always applied to images that are black around the breast, so
# black stays black; and the faint gray levels that JPEG leaves next to the breast are not brightened.
_DARK = 16.0


def change_intensity(configuration: Configuration, drawn: Draw, image: tf.Tensor) -> tf.Tensor:
    """Applies brightening, contrast, gamma, sharpening, blur, noise, in this order: noise comes last, as in a detector.

    Args:
      image: (side, side, channels) uint8.
    """
    changes = [name for name in _CHANGES if name in drawn.happens]
    if not changes:
        return image
    pixels = tf.cast(image, tf.float32)
    for name in changes:
        pixels = tf.cond(drawn.happens[name], _changed(name, configuration, drawn, pixels), lambda same=pixels: same)
    return tf.cast(tf.round(pixels), tf.uint8)


def _changed(name: str, configuration: Configuration, drawn: Draw, pixels: tf.Tensor) -> Callable[[], tf.Tensor]:
    return lambda: tf.clip_by_value(_CHANGES[name](configuration, drawn, pixels), 0.0, 255.0)


def _brighten(configuration: Configuration, drawn: Draw, pixels: tf.Tensor) -> tf.Tensor:
    settings = configuration.brightening
    return pixels + _weight(pixels) * (pixels * (settings.alpha - 1.0) + settings.beta)


def _spread(configuration: Configuration, drawn: Draw, pixels: tf.Tensor) -> tf.Tensor:
    """Changes the contrast about the mean of the pixels that are not black, so that the breast's size does not matter."""
    mean = tf.math.divide_no_nan(tf.reduce_sum(pixels), tf.reduce_sum(tf.cast(pixels > 0, tf.float32)))
    return pixels + _weight(pixels) * (drawn.values["contrast"] - 1.0) * (pixels - mean)


def _raise(configuration: Configuration, drawn: Draw, pixels: tf.Tensor) -> tf.Tensor:
    return 255.0 * tf.pow(pixels / 255.0, drawn.values["gamma"])


def _sharpen(configuration: Configuration, drawn: Draw, pixels: tf.Tensor) -> tf.Tensor:
    """Unsharp masking with a sigma of one pixel."""
    return pixels + configuration.sharpening.k * (pixels - _smooth(pixels, tf.constant(1.0), radius=2))


def _blur(configuration: Configuration, drawn: Draw, pixels: tf.Tensor) -> tf.Tensor:
    radius = math.ceil(3 * configuration.blur.sigmas[1])
    return _smooth(pixels, drawn.values["blur"], min(radius, pixels.shape[0]))


def _add_noise(configuration: Configuration, drawn: Draw, pixels: tf.Tensor) -> tf.Tensor:
    # The same in all channels: a gray image stays gray.
    noise = tf.random.stateless_normal((*pixels.shape[:2], 1), drawn.seed_for("noise"), alg="philox")
    return pixels + _weight(pixels) * drawn.values["noise"] * noise


def _weight(pixels: tf.Tensor) -> tf.Tensor:
    return tf.minimum(pixels / _DARK, 1.0)


def _smooth(pixels: tf.Tensor, sigma: tf.Tensor, radius: int) -> tf.Tensor:
    """Gaussian smoothing of (height, width, channels) float32; the image is mirrored at the border, which keeps the sum.

    It adds shifted images along each axis: `keras.ops.image.gaussian_blur` takes ten times as long on a CPU, and darkens the
    border.
    """
    weights = tf.exp(-0.5 * (tf.range(-radius, radius + 1, dtype=tf.float32) / sigma) ** 2)
    weights = tf.unstack(weights / tf.reduce_sum(weights))
    height, width = pixels.shape[:2]
    tall = tf.pad(pixels, ((radius, radius), (0, 0), (0, 0)), "SYMMETRIC")
    pixels = tf.add_n([weight * tall[start : start + height] for start, weight in enumerate(weights)])
    wide = tf.pad(pixels, ((0, 0), (radius, radius), (0, 0)), "SYMMETRIC")
    return tf.add_n([weight * wide[:, start : start + width] for start, weight in enumerate(weights)])


# In the order in which they are applied.
_CHANGES: dict[str, Callable[[Configuration, Draw, tf.Tensor], tf.Tensor]] = {
    "brightening": _brighten,
    "contrast": _spread,
    "gamma": _raise,
    "sharpening": _sharpen,
    "blur": _blur,
    "noise": _add_noise,
}
