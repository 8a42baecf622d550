"""Changes the gray levels of images, as drawn. Masks are not changed."""

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from keras import ops

from segmenter.augmentation.drawing import Draw, by_pair
from segmenter.augmentation.fusion import compute_once
from segmenter.configuration import Configuration

# From black to this level, changes fade in. A network is always applied to images that are black around the breast, so
# black stays black; and the faint gray levels that JPEG leaves next to the breast are not brightened.
_DARK = 16.0
_TONES = {"brightening", "contrast", "gamma"}
_NO_BLUR = 0.05  # a sigma in pixels; the weight of a neighbor, e^-200, is 0 in float32
_QUANTILES = 4096  # of the normal distribution, which noise is made of
_SEED_FACTOR = 0x9E3779B1 - 2**32  # odd, so that no two seeds begin at the same number


def change_intensity(configuration: Configuration, drawn: Draw, images: Any) -> Any:
    """Applies brightening, contrast, gamma, sharpening, blur, noise, in this order: noise comes last, as in a detector.

    Args:
      images: (batch, height, width, channels) uint8.
    """
    changes = {"sharpening": _sharpen, "blur": _blur, "noise": _add_noise}
    names = [name for name in changes if name in drawn.happens]
    if not names and not _TONES & drawn.happens.keys():
        return images
    pixels = _change_tones(configuration, drawn, images)
    for name in names:
        pixels = ops.cond(
            ops.any(drawn.happens[name]),
            lambda name=name, before=pixels: changes[name](configuration, drawn, before),
            lambda before=pixels: before,
        )
    return ops.cast(ops.round(pixels), "uint8")


def _change_tones(configuration: Configuration, drawn: Draw, images: Any) -> Any:
    """Applies the changes that turn each gray level into another, to a table of the 256 levels, and looks its pixels up there."""
    names = sorted(_TONES & drawn.happens.keys())
    if not names:
        return ops.cast(images, "float32")
    levels = ops.arange(256, dtype="float32") * ops.ones_like(drawn.seeds, dtype="float32")[:, None]  # (batch, 256)
    happens = ops.any(ops.stack([drawn.happens[name] for name in names]))

    def change() -> Any:
        # Else XLA raises each pixel to a power, and not each level.
        tones = compute_once(happens, _compute_tones(configuration, drawn, levels, images))
        return _look_up(tones, images)

    return ops.cond(happens, change, lambda: ops.cast(images, "float32"))


def _compute_tones(configuration: Configuration, drawn: Draw, levels: Any, images: Any) -> Any:
    tones = levels
    if "brightening" in drawn.happens:
        settings = configuration.brightening
        brighter = ops.clip(levels + _fade_in(levels) * (levels * (settings.alpha - 1.0) + settings.beta), 0.0, 255.0)
        tones = ops.where(drawn.happens["brightening"][:, None], brighter, levels)
    if "contrast" in drawn.happens:
        change = (drawn.value("contrast", 1.0)[:, None] - 1.0) * (tones - _mean(drawn, tones, images))
        tones = ops.clip(tones + _fade_in(tones) * change, 0.0, 255.0)
    if "gamma" in drawn.happens:
        raised = 255.0 * ops.power(tones / 255.0, drawn.value("gamma", 1.0)[:, None])
        tones = ops.where(drawn.happens["gamma"][:, None], raised, tones)
    return tones


def _mean(drawn: Draw, tones: Any, images: Any) -> Any:
    """The mean of the pixels that are not black, so that the breast's size does not matter, (batch, 1)."""

    def compute() -> Any:
        pixels = ops.reshape(_look_up(tones, images), (-1, math.prod(images.shape[1:])))
        lit = ops.cast(pixels > 0, "float32")
        # As products with a column of ones, because XLA adds the numbers of a row one after the other.
        ones = ops.ones((pixels.shape[1], 1), "float32")
        return ops.matmul(pixels, ones) / ops.maximum(ops.matmul(lit, ones), 1.0)

    return ops.cond(ops.any(drawn.happens["contrast"]), compute, lambda: tones[:, :1])


def _look_up(tones: Any, images: Any) -> Any:
    first = by_pair(ops.arange(ops.shape(images)[0], dtype="int32") * 256)
    return ops.take(ops.reshape(tones, (-1,)), first + ops.cast(images, "int32"))


def _sharpen(configuration: Configuration, drawn: Draw, pixels: Any) -> Any:
    """Unsharp masking with a sigma of one pixel."""
    happens = drawn.happens["sharpening"]
    smooth = _smooth(pixels, happens, ops.ones_like(drawn.seeds, dtype="float32"), 2)
    strength = ops.where(happens, configuration.sharpening.k, 0.0)
    return ops.clip(pixels + by_pair(strength) * (pixels - smooth), 0.0, 255.0)


def _blur(configuration: Configuration, drawn: Draw, pixels: Any) -> Any:
    radius = min(math.ceil(3 * configuration.blur.sigmas[1]), *pixels.shape[1:3])
    return _smooth(pixels, drawn.happens["blur"], drawn.value("blur", _NO_BLUR), radius)


def _smooth(pixels: Any, happens: Any, sigmas: Any, radius: int) -> Any:
    """Gaussian smoothing of (batch, height, width, channels) float32 with sigmas, (batch,), in pixels.

    Images are mirrored at the border, which keeps the sum; `keras.ops.image.gaussian_blur` darkens it, and has one sigma.
    """
    distances = ops.arange(radius + 1, dtype="float32")[:, None]
    weights = ops.exp(-0.5 * (distances / sigmas) ** 2)
    weights = weights / (2.0 * ops.sum(weights, axis=0) - weights[0])
    weights = ops.reshape(compute_once(happens, weights), (radius + 1, -1, 1, 1, 1))
    for axis in (1, 2):
        length = pixels.shape[axis]
        start, end = (ops.flip(_cut(pixels, axis, first, radius), axis) for first in (0, length - radius))
        # Not by `ops.pad`, whose "symmetric" repeats the last pixel on PyTorch.
        wide = compute_once(happens, ops.concatenate([start, pixels, end], axis))
        shifted = [_cut(wide, axis, first, length) for first in range(2 * radius + 1)]
        pixels = weights[0] * shifted[radius]
        for distance in range(1, radius + 1):
            pixels = pixels + weights[distance] * (shifted[radius - distance] + shifted[radius + distance])
        pixels = compute_once(happens, pixels)
    return pixels


def _cut(pixels: Any, axis: int, start: int, length: int) -> Any:
    return pixels[(slice(None),) * axis + (slice(start, start + length),)]


def _add_noise(configuration: Configuration, drawn: Draw, pixels: Any) -> Any:
    quantiles = [NormalDist().inv_cdf((number + 0.5) / _QUANTILES) for number in range(_QUANTILES)]
    # The same in all channels: a gray image stays gray.
    noise = ops.take(ops.convert_to_tensor(np.array(quantiles, np.float32)), _hash(drawn.seeds, *pixels.shape[1:3]))[..., None]
    return ops.clip(pixels + _fade_in(pixels) * by_pair(drawn.value("noise", 0.0)) * noise, 0.0, 255.0)


def _hash(seeds: Any, height: int, width: int) -> Any:
    """Numbers from 0 to `_QUANTILES` - 1 that depend on seed and pixel alone, (batch, height, width) int32.

    A counter is mixed by shifts and multiplications, whose overflow is cut off alike on all backends. Constants are those of
    Chris Wellons' `lowbias32` (github.com/skeeto/hash-prospector, public domain).
    """
    pixels = ops.reshape(ops.arange(height * width, dtype="int32"), (1, height, width))
    number = pixels + (seeds * _SEED_FACTOR)[:, None, None]
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B - 2**32)):
        number = ops.bitwise_xor(number, _shift_right(number, shift)) * factor
    return _shift_right(number, 20)


def _shift_right(number: Any, bits: int) -> Any:
    # On int32, a shift repeats the sign.
    return ops.bitwise_and(ops.right_shift(number, bits), 2 ** (32 - bits) - 1)


def _fade_in(levels: Any) -> Any:
    return ops.minimum(levels / _DARK, 1.0)
