"""A UNet whose encoder is an EfficientNet.

After M. Tan, Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019
(arXiv:1905.11946), as in `keras.applications` or `efficientnet_lite`, with the decoder of O. Ronneberger, P. Fischer,
T. Brox, "U-Net", MICCAI 2015 (arXiv:1505.04597).
"""

from keras import layers

from segmenter.configuration.networks import EfficientUNetSettings as Settings
from segmenter.models.backbones import LITE, connect_backbone
from segmenter.models.blocks import convolve_normalized, drop
from segmenter.models.branches import Branches

# The features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the side. From EfficientNet, the last before each halving, which has six times
# as many channels as the block before it; from EfficientNet-Lite0, the outputs of those blocks, so that the decoder stays small.
_EXPANDED = (
    "block2a_expand_activation",
    "block3a_expand_activation",
    "block4a_expand_activation",
    "block6a_expand_activation",
    "top_activation",
)
_PROJECTED = ("block1a_project_bn", "block2b_add", "block3b_add", "block5c_add", "block7a_project_bn")


def extract_features(x, settings: Settings) -> Branches:
    """The backbone down to 1/32 of the side, then up, joined with the backbone's features except at the full side."""
    outputs = connect_backbone(x, settings)
    *skips, x = [outputs[name] for name in (_PROJECTED if settings.backbone == LITE else _EXPANDED)]
    for level in reversed(range(5)):
        x = layers.UpSampling2D(2, name=f"up{level}")(x)
        if level:
            x = layers.Concatenate(name=f"join{level}")([x, skips[level - 1]])
        filters, name = settings.base_filters * 2**level, f"decoder{level}"
        x = drop(convolve_normalized(x, filters, settings, f"{name}_conv1"), settings, name)
        x = convolve_normalized(x, filters, settings, f"{name}_conv2")
    return Branches(x)
