"""[image] inside the model: operations on raw pixels before they are scaled, the same in training and in prediction.

It uses only operations of Keras, so that a saved model loads without this package.
"""

from keras import ops

from segmenter.configuration import ImageSettings

# ITU-R BT.601, as in OpenCV's COLOR_RGB2YCrCb.
_LUMA = (0.299, 0.587, 0.114)


def preprocess(pixels, settings: ImageSettings):
    """Applies gamma, sharpening, blur and color conversion, each if it is set.

    Args:
      pixels: (batch, height, width, channels) float32, raw 0..255.

    Returns:
      The same shape and range.
    """
    if settings.gamma:
        pixels = 255.0 * ops.power(pixels / 255.0, settings.gamma)
    if settings.sharpening:
        pixels = ops.clip(pixels + settings.sharpening * (pixels - _blur(pixels, 5)), 0.0, 255.0)
    if settings.blur_size:
        pixels = _blur(pixels, settings.blur_size)
    if settings.color_converter:
        pixels = _CONVERTERS[settings.color_converter](pixels)
    return pixels


def _blur(pixels, size: int):
    """Gaussian blur, with the sigma that OpenCV uses for a kernel of this size, and with its mirrored border."""
    sigma, margin = 0.3 * ((size - 1) * 0.5 - 1) + 0.8, size // 2
    padded = ops.pad(pixels, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")
    blurred = ops.image.gaussian_blur(padded, (size, size), (sigma, sigma))
    return blurred[:, margin:-margin, margin:-margin]


def _gray(pixels):
    red, green, blue = ops.split(pixels, 3, axis=-1)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def _ycrcb(pixels):
    red, _, blue = ops.split(pixels, 3, axis=-1)
    luma = _gray(pixels)
    return ops.concatenate([luma, (red - luma) * 0.713 + 128.0, (blue - luma) * 0.564 + 128.0], axis=-1)


_CONVERTERS = {
    "COLOR_RGB2BGR": lambda pixels: ops.flip(pixels, axis=-1),
    "COLOR_RGB2GRAY": lambda pixels: ops.repeat(_gray(pixels), 3, axis=-1),
    "COLOR_RGB2HSV": lambda pixels: 255.0 * ops.image.rgb_to_hsv(pixels / 255.0),
    "COLOR_RGB2YCrCb": _ycrcb,
}
