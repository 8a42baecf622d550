"""A UNet whose encoder is an EfficientNet.

After M. Tan, Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019
(arXiv:1905.11946), as `keras.applications` has it, with the decoder of O. Ronneberger, P. Fischer, T. Brox, "U-Net",
MICCAI 2015 (arXiv:1505.04597).
"""

from keras import layers

from segmenter.configuration.model import EfficientUNetSettings as Settings
from segmenter.models.backbones import connect_backbone
from segmenter.models.branches import Branches

# The last features before each halving of the side but the first: at 1/2, 1/4, 1/8 and 1/16 of it.
_SKIPS = ("block2a_expand_activation", "block3a_expand_activation", "block4a_expand_activation", "block6a_expand_activation")


def extract_features(x, settings: Settings) -> Branches:
    """The backbone down to 1/32 of the side, then up, joined with the backbone's features but at the full side."""
    outputs = connect_backbone(x, settings)
    x = outputs["top_activation"]
    for level in reversed(range(5)):
        x = layers.UpSampling2D(2, name=f"up{level}")(x)
        if level:
            x = layers.Concatenate(name=f"join{level}")([x, outputs[_SKIPS[level - 1]]])
        x = _double_convolution(x, settings.base_filters * 2**level, settings, f"decoder{level}")
    return Branches(x)


def _double_convolution(x, filters: int, settings: Settings, name: str):
    for step in (1, 2):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv{step}")(
            x
        )
        x = layers.BatchNormalization(name=f"{name}_norm{step}")(x)
        x = layers.Activation(settings.activation, name=f"{name}_act{step}")(x)
        if step == 1 and settings.dropout_rate:
            x = layers.Dropout(settings.dropout_rate, name=f"{name}_dropout")(x)
    return x
