"""An atrous spatial pyramid on a backbone that keeps its resolution, and a decoder with one skip.

After L.-C. Chen, Y. Zhu, G. Papandreou, F. Schroff, H. Adam, "Encoder-Decoder with Atrous Separable Convolution for
Semantic Image Segmentation", ECCV 2018 (arXiv:1802.02611). The pyramid is that of L.-C. Chen et al., "Rethinking Atrous
Convolution for Semantic Image Segmentation" (arXiv:1706.05587), with plain convolutions, as with the paper's ResNet.
"""

import re

from keras import layers

from segmenter.configuration.networks import DeepLabV3PlusSettings as Settings
from segmenter.models.backbones import connect_backbone
from segmenter.models.blocks import convolve_normalized, drop
from segmenter.models.branches import Branches

# The backbones' last features at a quarter of the side.
_SKIPS = {"ResNet": "conv2_block3_out", "MobileNetV2": "block_2_add"}
_RATES = (6, 12, 18)  # at output stride 16


def extract_features(x, settings: Settings) -> Branches:
    """Backbone, pyramid, and a decoder at a quarter of the side."""
    outputs = connect_backbone(x, settings, lambda layer: dilate(layer, settings.output_stride))
    skip = next(outputs[name] for family, name in _SKIPS.items() if settings.backbone.startswith(family))
    x = _pyramid(list(outputs.values())[-1], settings)
    x = layers.UpSampling2D(settings.output_stride // 4, interpolation="bilinear", name="pyramid_up")(x)
    x = layers.Concatenate(name="join")([x, convolve_normalized(skip, settings.skip_filters, settings, "skip", kernel=1)])
    for step in (1, 2):
        x = convolve_normalized(x, settings.base_filters, settings, f"decoder_conv{step}")
    x = drop(x, settings, "decoder")
    # The head's 1 x 1 convolution and this commute: the paper upsamples logits, which gives the same.
    return Branches(layers.UpSampling2D(4, interpolation="bilinear", name="decoder_up")(x))


def dilate(layer: layers.Layer, output_stride: int) -> dict[str, object]:
    """Returns settings of a backbone's layer so that the output is at most `output_stride` times smaller than the input.

    A stride beyond that becomes 1, and the kernels after it are dilated by its size: they cover the same pixels as before,
    at more positions. Weights are not changed.
    """
    rate = 8 * 2 ** _stage(layer.name) // output_stride
    if rate < 2:
        return {}
    if isinstance(layer, layers.ZeroPadding2D):
        return {"padding": 0}  # it compensated for a stride of 2 without padding
    if not isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
        return {}
    # A kernel with a stride still reads the features before that stride.
    dilation = rate // max(layer.strides) if max(layer.kernel_size) > 1 else 1
    return {"strides": 1, "padding": "same", "dilation_rate": dilation}


def _stage(name: str) -> int:
    """The stage of a layer, by its name: 0 down to 1/8 of the side, 1 from the stride to 1/16 on, 2 from that to 1/32 on."""
    if match := re.match(r"conv(\d)_block", name):  # ResNet
        return max(0, int(match[1]) - 3)
    if match := re.match(r"block_(\d+)_", name):  # MobileNetV2
        return (int(match[1]) >= 6) + (int(match[1]) >= 13)
    return 0


def _pyramid(x, settings: Settings):
    """The same features convolved at several dilation rates, joined with their mean over the whole image."""
    branches = [convolve_normalized(x, settings.base_filters, settings, "pyramid_point", kernel=1)]
    for rate in _RATES:
        rate = rate * 16 // settings.output_stride
        branches.append(convolve_normalized(x, settings.base_filters, settings, f"pyramid_rate{rate}", dilation=rate))
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="pyramid_mean")(x)
    mean = convolve_normalized(mean, settings.base_filters, settings, "pyramid_image", kernel=1)
    branches.append(layers.UpSampling2D(x.shape[1:3], name="pyramid_image_up")(mean))
    x = convolve_normalized(
        layers.Concatenate(name="pyramid_join")(branches), settings.base_filters, settings, "pyramid_projection", kernel=1
    )
    return drop(x, settings, "pyramid")
