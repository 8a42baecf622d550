"""A UNet whose bottom is a vision transformer: a ResNet makes its tokens, and skips come from the ResNet.

After J. Chen et al., "TransUNet: Transformers Make Strong Encoders for Medical Image Segmentation" (arXiv:2102.04306).
Its encoder is the hybrid R50 + ViT-B/16 of A. Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021
(arXiv:2010.11929): a ResNet-50 without its last stage, whose blocks are added to the third, with group normalisation
(Y. Wu, K. He, arXiv:1803.08494) and standardised weights (S. Qiao et al., arXiv:1903.10520).
"""

import math

import keras
from keras import layers, ops

from segmenter.configuration.networks import TransUNetSettings as Settings
from segmenter.models.blocks import convolve_normalized, drop
from segmenter.models.branches import Branches
from segmenter.models.registration import registered


def extract_features(x, settings: Settings) -> Branches:
    """ResNet, transformer, and a cascaded upsampler with skips at 1/8, 1/4 and 1/2 of the side."""
    x, skips = _resnet(x, settings)
    x = _transformer(x, settings)
    x = convolve_normalized(x, settings.decoder_filters[0], settings, "decoder_bottom")
    for level, filters in enumerate(settings.decoder_filters[1:]):
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"decoder{level}_up")(x)
        if skips:
            x = layers.Concatenate(name=f"decoder{level}_join")([x, skips.pop()])
        for step in (1, 2):
            x = convolve_normalized(x, filters, settings, f"decoder{level}_conv{step}")
    return Branches(x)


def _resnet(x, settings: Settings):
    """Features at 1/16 of the side, and those at 1/2, 1/4 and 1/8."""
    x = _standardized(x, settings.base_filters, 7, 2, "resnet_root")
    x = layers.Activation(settings.activation, name="resnet_root_act")(x)
    outputs = [x]
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="resnet_pool")(x)
    for stage, count in enumerate(settings.num_blocks):
        for block in range(count):
            stride = 2 if stage and not block else 1
            x = _residual_block(x, settings.base_filters * 2**stage, stride, settings, f"resnet{stage}_block{block}")
        outputs.append(x)
    return x, outputs[:-1]


def _residual_block(x, filters: int, stride: int, settings: Settings, name: str):
    """A bottleneck, 1 x 1, 3 x 3, 1 x 1, with four times the filters at its end."""
    change = x
    for step, (wide, kernel, step_stride) in enumerate(((filters, 1, 1), (filters, 3, stride)), 1):
        change = _standardized(change, wide, kernel, step_stride, f"{name}_conv{step}")
        change = layers.Activation(settings.activation, name=f"{name}_act{step}")(change)
    change = _standardized(change, 4 * filters, 1, 1, f"{name}_conv3")
    if x.shape[-1] != 4 * filters or stride > 1:
        x = _standardized(x, 4 * filters, 1, stride, f"{name}_shortcut")
    return layers.Activation(settings.activation, name=f"{name}_act3")(layers.Add(name=f"{name}_add")([x, change]))


def _standardized(x, filters: int, kernel: int, stride: int, name: str):
    convolution = StandardizedConv2D(
        filters, kernel, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )
    # 32 groups as in the paper, or the next smaller number that divides the filters evenly.
    return layers.GroupNormalization(math.gcd(32, filters), epsilon=1e-6, name=f"{name}_norm")(convolution(x))


def _transformer(x, settings: Settings):
    """(batch, height / 16, width / 16, hidden_size): each position of the ResNet's features is a token."""
    height, width = x.shape[1:3]
    x = layers.Conv2D(settings.hidden_size, 1, name="tokens")(x)
    x = LearnedPositions(name="positions")(layers.Reshape((height * width, settings.hidden_size), name="tokens_in_a_row")(x))
    x = drop(x, settings, "positions")
    for number in range(settings.transformer_layers):
        x = _transformer_layer(x, settings, f"transformer{number}")
    x = layers.LayerNormalization(epsilon=1e-6, name="transformer_norm")(x)
    return layers.Reshape((height, width, settings.hidden_size), name="tokens_in_place")(x)


def _transformer_layer(x, settings: Settings, name: str):
    """Attention and an MLP, each normalised before and added to its input (Chen's equations 2 and 3)."""
    # The layer's own dropout is not used: `ReseedDropout`, which makes resumed runs reproducible, would not reach it.
    attention = layers.MultiHeadAttention(
        settings.num_heads, settings.hidden_size // settings.num_heads, name=f"{name}_attention"
    )
    normalized = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm1")(x)
    attended = drop(attention(normalized, normalized), settings, f"{name}_attention")
    x = layers.Add(name=f"{name}_add1")([x, attended])
    hidden = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm2")(x)
    hidden = layers.Dense(settings.mlp_size, activation="gelu", name=f"{name}_dense1")(hidden)
    hidden = layers.Dense(settings.hidden_size, name=f"{name}_dense2")(drop(hidden, settings, f"{name}_hidden"))
    return layers.Add(name=f"{name}_add2")([x, drop(hidden, settings, f"{name}_mlp")])


@registered
class StandardizedConv2D(layers.Conv2D):
    """A convolution whose kernel has mean 0 and variance 1 for each filter, whatever its weights are."""

    def convolution_op(self, inputs, kernel):
        """Convolves with the standardised kernel."""
        kernel = ops.cast(kernel, "float32")
        mean, variance = ops.moments(kernel, axes=(0, 1, 2), keepdims=True)
        return super().convolution_op(inputs, ops.cast((kernel - mean) / ops.sqrt(variance + 1e-5), inputs.dtype))


@registered
class LearnedPositions(layers.Layer):
    """Adds a learned vector to each token, by its position in the sequence. Input and output: (batch, tokens, size)."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Makes one vector per token."""
        self.positions = self.add_weight(
            shape=input_shape[1:], initializer=keras.initializers.TruncatedNormal(stddev=0.02), name="positions"
        )

    def call(self, x):
        """Adds the positions."""
        return x + self.positions

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The input's shape."""
        return input_shape
