"""A UNet whose encoder is an EfficientNet.

After M. Tan, Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019
(arXiv:1905.11946), as in `keras.applications`, with the decoder of O. Ronneberger, P. Fischer, T. Brox, "U-Net",
MICCAI 2015 (arXiv:1505.04597).
"""

from keras import layers

from segmenter.configuration.networks import EfficientUNetSettings as Settings
from segmenter.models.backbones import connect_backbone
from segmenter.models.blocks import convolve_normalized, drop
from segmenter.models.branches import Branches

# The last features before each halving of the side except the first: at 1/2, 1/4, 1/8 and 1/16 of it.
_SKIPS = ("block2a_expand_activation", "block3a_expand_activation", "block4a_expand_activation", "block6a_expand_activation")


def extract_features(x, settings: Settings) -> Branches:
    """The backbone down to 1/32 of the side, then up, joined with the backbone's features except at the full side."""
    outputs = connect_backbone(x, settings)
    x = outputs["top_activation"]
    for level in reversed(range(5)):
        x = layers.UpSampling2D(2, name=f"up{level}")(x)
        if level:
            x = layers.Concatenate(name=f"join{level}")([x, outputs[_SKIPS[level - 1]]])
        filters, name = settings.base_filters * 2**level, f"decoder{level}"
        x = drop(convolve_normalized(x, filters, settings, f"{name}_conv1"), settings, name)
        x = convolve_normalized(x, filters, settings, f"{name}_conv2")
    return Branches(x)
