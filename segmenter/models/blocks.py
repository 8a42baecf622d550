"""Convolutions that several networks are made of.

Where batch normalisation follows, a convolution has no bias: it would be taken off again.
"""

from keras import layers

from segmenter.configuration.model import ConvolutionalSettings as Settings
from segmenter.configuration.model import ModelSettings

# Of the moving averages in batch normalisation. Keras has 0.99 and in some backbones 0.999, which after an epoch of some
# ten steps still remember the start, so that validation lags behind; most of the papers' own programs have this.
MOMENTUM = 0.9


def convolve(
    x, filters: int, settings: Settings, name: str, step: str = "", *, kernel: int = 3, dilation: int = 1, activate: bool = True
):
    """Same-padded convolution, batch normalisation where it is set, activation.

    Args:
      x: (batch, height, width, channels).
      name, step: of the block, and which of its convolutions this is; layers are called `{name}_conv{step}` and so on.
      activate: off where the activation comes after an addition.

    Returns:
      (batch, height, width, filters).
    """
    x = layers.Conv2D(
        filters,
        kernel,
        padding="same",
        dilation_rate=dilation,
        use_bias=not settings.normalization,
        kernel_initializer="he_normal",
        name=f"{name}_conv{step}",
    )(x)
    if settings.normalization:
        x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm{step}")(x)
    return layers.Activation(settings.activation, name=f"{name}_act{step}")(x) if activate else x


def convolve_twice(x, filters: int, settings: Settings, name: str):
    """The two convolutions of a level of a UNet, with dropout between them."""
    x = convolve(x, filters, settings, name, "1")
    return convolve(drop(x, settings, name), filters, settings, name, "2")


def convolve_normalized(x, filters: int, settings: ModelSettings, name: str, *, kernel: int = 3, dilation: int = 1):
    """Same-padded convolution, batch normalisation, activation: layers `name`, `{name}_norm` and `{name}_act`.

    As `convolve`, for networks that are never without normalisation.
    """
    x = layers.Conv2D(
        filters, kernel, padding="same", dilation_rate=dilation, use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(x)
    return layers.Activation(settings.activation, name=f"{name}_act")(x)


def drop(x, settings: ModelSettings, name: str):
    """Dropout where it is set."""
    return layers.Dropout(settings.dropout_rate, name=f"{name}_dropout")(x) if settings.dropout_rate else x
