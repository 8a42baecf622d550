"""Convolutions that several networks are made of.

Where batch normalisation follows, a convolution has no bias: it would be taken off again.
"""

from keras import layers

from segmenter.configuration.model import ConvolutionalSettings as Settings
from segmenter.configuration.model import ModelSettings, UNetSettings

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


def encode(x, settings: UNetSettings) -> list:
    """The encoder of a UNet: two convolutions a level, and max pooling between levels.

    Returns:
      The output of each level, num_layers of them; the last one is the bottom's.
    """
    outputs = []
    for level in range(settings.num_layers):
        if level:
            x = layers.MaxPooling2D(2, name=f"pool{level}")(x)
        x = convolve_twice(x, level_filters(level, settings), settings, f"encoder{level}")
        outputs.append(x)
    return outputs


def level_filters(level: int, settings: UNetSettings) -> int:
    """Filters of a level; the first is 0."""
    return settings.base_filters * 2**level


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
