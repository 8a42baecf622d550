"""Convolutions that several networks are made of.

With `settings.normalization` a convolution has no bias: batch normalisation would take it off again.
"""

from keras import layers

from segmenter.configuration.model import ConvolutionalSettings as Settings


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
        x = layers.BatchNormalization(name=f"{name}_norm{step}")(x)
    return layers.Activation(settings.activation, name=f"{name}_act{step}")(x) if activate else x


def convolve_twice(x, filters: int, settings: Settings, name: str):
    """The two convolutions of a level of a UNet, with dropout between them."""
    x = convolve(x, filters, settings, name, "1")
    return convolve(drop(x, settings, name), filters, settings, name, "2")


def drop(x, settings: Settings, name: str):
    """Dropout where it is set."""
    return layers.Dropout(settings.dropout_rate, name=f"{name}_dropout")(x) if settings.dropout_rate else x
