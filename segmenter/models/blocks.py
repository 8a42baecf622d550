"""Convolutions that several networks are made of.

Where batch normalisation follows, a convolution has no bias: normalisation would subtract it.
"""

from keras import layers

from segmenter.configuration.model import ConvolutionalSettings as Settings
from segmenter.configuration.model import ModelSettings, UNetSettings

# Of the moving averages in batch normalisation. Keras uses 0.99, and 0.999 in some backbones: after an epoch of a few dozen
# steps these still depend on the start, so that validation lags behind. Most of the papers' own programs use 0.9.
MOMENTUM = 0.9


def convolve(
    x, filters: int, settings: Settings, name: str, step: str = "", *, kernel: int = 3, dilation: int = 1, activate: bool = True
):
    """Same-padded convolution, batch normalisation if it is on, activation.

    Args:
      x: (batch, height, width, channels).
      name, step: of the block, and of the convolution in it; layers are named `{name}_conv{step}` and so on.
      activate: False if the activation follows an addition.

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
    """The encoder of a UNet: two convolutions per level, and max pooling between levels.

    Returns:
      The outputs of the num_layers levels; the last one is the bottom's.
    """
    outputs = []
    for level in range(settings.num_layers):
        if level:
            x = layers.MaxPooling2D(2, name=f"pool{level}")(x)
        x = convolve_twice(x, level_filters(level, settings), settings, f"encoder{level}")
        outputs.append(x)
    return outputs


def level_filters(level: int, settings: UNetSettings) -> int:
    """The number of filters of a level; the first level is 0."""
    return settings.base_filters * 2**level


def convolve_normalized(x, filters: int, settings: ModelSettings, name: str, *, kernel: int = 3, dilation: int = 1):
    """Same-padded convolution, batch normalisation, activation: layers `name`, `{name}_norm` and `{name}_act`.

    As `convolve`, for networks that always normalise.
    """
    x = layers.Conv2D(
        filters, kernel, padding="same", dilation_rate=dilation, use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(x)
    return layers.Activation(settings.activation, name=f"{name}_act")(x)


def drop(x, settings: ModelSettings, name: str):
    """Dropout if its rate is above 0."""
    return layers.Dropout(settings.dropout_rate, name=f"{name}_dropout")(x) if settings.dropout_rate else x
