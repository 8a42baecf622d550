"""A UNet whose skips pass a fixed sharpening filter, so that less blurred features meet the decoder's.

After H. Zunair, A. Ben Hamza, "Sharp U-Net: Depthwise Convolutional Network for Biomedical Image Segmentation",
Computers in Biology and Medicine 136, 2021 (arXiv:2107.12461). The filter adds no parameters to the UNet's.
"""

from keras import layers, ops

from segmenter.configuration.networks import SharpUNetSettings as Settings
from segmenter.models.blocks import convolve_twice, encode, level_filters
from segmenter.models.branches import Branches
from segmenter.models.registration import registered

_LAPLACIAN = ((-1.0, -1.0, -1.0), (-1.0, 8.0, -1.0), (-1.0, -1.0, -1.0))


def extract_features(x, settings: Settings) -> Branches:
    """Levels 0 to num_layers - 1 down, then up again; each skip is sharpened before it is joined."""
    *skips, x = encode(x, settings)
    for level in reversed(range(settings.num_layers - 1)):
        x = layers.Conv2DTranspose(level_filters(level, settings), 2, strides=2, padding="same", name=f"up{level}")(x)
        x = layers.Concatenate(name=f"join{level}")([x, Sharpen(name=f"sharpen{level}")(skips[level])])
        x = convolve_twice(x, level_filters(level, settings), settings, f"decoder{level}")
    return Branches(x)


@registered
class Sharpen(layers.Layer):
    """Convolves each channel with the paper's 3 x 3 Laplacian; it has no weights.

    Input and output: (batch, height, width, channels) in the compute dtype. The image is padded with zeros.
    """

    def call(self, x):
        kernel = ops.reshape(ops.cast(_LAPLACIAN, x.dtype), (3, 3, 1, 1))
        return ops.depthwise_conv(x, ops.tile(kernel, (1, 1, x.shape[-1], 1)), padding="same")

    def compute_output_shape(self, input_shape):
        return input_shape
