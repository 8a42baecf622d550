"""A UNet whose decoder gets the features of every scale at each of its levels.

After H. Huang et al., "UNet 3+: A Full-Scale Connected UNet for Medical Image Segmentation", ICASSP 2020
(arXiv:2004.08790), with its full-scale deep supervision and its classification-guided module.
"""

from keras import layers

from segmenter.configuration.networks import UNet3PlusSettings as Settings
from segmenter.models.blocks import convolve, drop, encode
from segmenter.models.branches import Branches


def extract_features(x, settings: Settings) -> Branches:
    """Levels 0 to num_layers - 1 down, then up again, each joined with all shallower encoders and all deeper decoders."""
    encoders = encode(x, settings)
    scales = list(encoders)  # the bottom is encoder and decoder in one
    for level in reversed(range(settings.num_layers - 1)):
        scales[level] = _decode(scales, level, settings)
    return Branches(
        scales[0],
        head_kernel=3,
        side_logits=tuple(_side_logits(scales[level], level, settings) for level in range(1, settings.num_layers))
        if settings.deep_supervision
        else (),
        presence=_presence(encoders[-1], settings) if settings.classification_guided else None,
    )


def _decode(scales: list, level: int, settings: Settings):
    """The same number of filters from each scale, brought to the level's side and fused.

    Args:
      scales: features by level; those above `level` are still the encoder's, those below it the decoder's already.
    """
    branches = []
    for source, x in enumerate(scales):
        name = f"decoder{level}_from{source}"
        if source < level:
            x = layers.MaxPooling2D(2 ** (level - source), name=f"{name}_pool")(x)
        elif source > level:
            x = layers.UpSampling2D(2 ** (source - level), interpolation="bilinear", name=f"{name}_up")(x)
        branches.append(convolve(x, settings.base_filters, settings, name))
    x = layers.Concatenate(name=f"join{level}")(branches)
    return convolve(x, settings.base_filters * settings.num_layers, settings, f"decoder{level}")


def _side_logits(x, level: int, settings: Settings):
    """A level's own prediction at the input's side; float32 like the head."""
    x = layers.Conv2D(settings.num_classes, 3, padding="same", dtype="float32", name=f"side_logits{level}")(x)
    return layers.UpSampling2D(2**level, interpolation="bilinear", dtype="float32", name=f"side_logits{level}_up")(x)


def _presence(bottom, settings: Settings):
    """The probability of a lesion, from the deepest features: dropout, 1 x 1 convolution, maximum, sigmoid."""
    x = layers.Conv2D(1, 1, dtype="float32", name="presence_conv")(drop(bottom, settings, "presence"))
    x = layers.GlobalMaxPooling2D(dtype="float32", name="presence_max")(x)
    return layers.Activation("sigmoid", dtype="float32", name="presence_probability")(x)
