"""EfficientNet-Lite0: an EfficientNet without squeeze-and-excitation and with ReLU6, small and quick on a CPU.

After M. Tan, Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019
(arXiv:1905.11946), in the variant that its authors published for mobile devices. `keras.applications` does not have it, so it
is built here, with the names of layers that the EfficientNets have there.
"""

from dataclasses import dataclass

import keras
from keras import layers

_EPSILON = 0.001  # of batch normalisation, as the weights were trained
_DROP_RATE = 0.2  # at which the last block would be skipped in training; the rate rises from 0 at the first block


@dataclass(frozen=True)
class _Stage:
    """Blocks with the same number of filters. The first one has the stride."""

    blocks: int
    filters: int
    kernel: int
    stride: int
    expansion: int = 6


_STEM_FILTERS = 32
_STAGES = (
    _Stage(1, 16, 3, 1, expansion=1),
    _Stage(2, 24, 3, 2),
    _Stage(2, 40, 5, 2),
    _Stage(3, 80, 3, 2),
    _Stage(3, 112, 5, 1),
    _Stage(4, 192, 5, 2),
    _Stage(1, 320, 3, 1),
)


def build_efficientnet_lite0() -> keras.Model:
    """Builds the encoder with random weights.

    Returns:
      A model from pixels as (x - 127) / 128, (batch, height, width, 3), to features at 1/32 of the size, 320 per position.
      What follows in the classifier, a convolution with 1280 filters and the classes, is left out.
    """
    pixels = keras.Input((None, None, 3))
    x = _normalize(layers.Conv2D(_STEM_FILTERS, 3, 2, padding="same", use_bias=False, name="stem_conv")(pixels), "stem_")
    x = layers.Activation("relu6", name="stem_activation")(x)
    count, number = sum(stage.blocks for stage in _STAGES), 0
    for index, stage in enumerate(_STAGES, 1):
        for step in range(stage.blocks):
            stride = 1 if step else stage.stride
            x = _block(x, stage, stride, _DROP_RATE * number / count, f"block{index}{'abcd'[step]}_")
            number += 1
    return keras.Model(pixels, x, name="efficientnet_lite0")


def _block(x, stage: _Stage, stride: int, drop_rate: float, name: str):
    """An inverted bottleneck: expand, convolve each channel, project; the input is added where it has the output's shape."""
    shortcut, filters = x, x.shape[-1]
    if stage.expansion > 1:
        x = layers.Conv2D(filters * stage.expansion, 1, use_bias=False, name=f"{name}expand_conv")(x)
        x = layers.Activation("relu6", name=f"{name}expand_activation")(_normalize(x, f"{name}expand_"))
    x = layers.DepthwiseConv2D(stage.kernel, stride, padding="same", use_bias=False, name=f"{name}dwconv")(x)
    x = layers.Activation("relu6", name=f"{name}activation")(_normalize(x, name))
    x = _normalize(layers.Conv2D(stage.filters, 1, use_bias=False, name=f"{name}project_conv")(x), f"{name}project_")
    if stride > 1 or filters != stage.filters:
        return x
    # Drops the whole branch of an image.
    x = layers.Dropout(drop_rate, noise_shape=(None, 1, 1, 1), name=f"{name}drop")(x)
    return layers.Add(name=f"{name}add")([x, shortcut])


def _normalize(x, name: str):
    return layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}bn")(x)
