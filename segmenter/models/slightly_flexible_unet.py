"""The published experiment's network: a UNet whose kernels and dilation shrink from level to level.

After O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI
2015 (arXiv:1505.04597), with same padding, and dropout between the two convolutions of a level.
"""

from keras import layers

from segmenter.configuration.networks import SlightlyFlexibleUNetSettings as Settings
from segmenter.models.blocks import MOMENTUM
from segmenter.models.branches import Branches


def extract_features(x, settings: Settings) -> Branches:
    """Levels 0 to num_layers - 1 down, then up again to level 0, each joined with the encoder's output of that level."""
    outputs = []
    for level in range(settings.num_layers):
        if level:
            x = layers.MaxPooling2D(2, name=f"pool{level}")(x)
        x = _double_convolution(x, level, settings, f"encoder{level}")
        outputs.append(x)
    for level in reversed(range(settings.num_layers - 1)):
        x = layers.Conv2DTranspose(_filters(level, settings), 2, strides=2, padding="same", name=f"up{level}")(x)
        x = layers.Concatenate(name=f"join{level}")([x, outputs[level]])
        x = _double_convolution(x, level, settings, f"decoder{level}")
    return Branches(x)


def _filters(level: int, settings: Settings) -> int:
    return settings.base_filters * 2**level


def _double_convolution(x, level: int, settings: Settings, name: str):
    """Two convolutions of a level: kernel max(3, k - 2 level), dilation max(1, d - level), dropout rate * level."""
    kernel = tuple(max(3, size - 2 * level) for size in settings.base_kernels)
    dilation = tuple(max(1, rate - level) for rate in settings.dilation)
    for step in (1, 2):
        x = layers.Conv2D(
            _filters(level, settings),
            kernel,
            padding="same",
            dilation_rate=dilation,
            activation=settings.activation,
            kernel_initializer="he_normal",
            name=f"{name}_conv{step}",
        )(x)
        if settings.normalization:
            x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm{step}")(x)
        if step == 1 and settings.dropout_rate * level:
            x = layers.Dropout(settings.dropout_rate * level, name=f"{name}_dropout")(x)
    return x
