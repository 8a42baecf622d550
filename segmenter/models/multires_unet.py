"""A UNet of blocks that cover three scales each, with residual convolutions along the skips.

After N. Ibtehaz, M. S. Rahman, "MultiResUNet: Rethinking the U-Net Architecture for Multimodal Biomedical Image
Segmentation", Neural Networks 121, 2020 (arXiv:1902.04049). Three 3 x 3 convolutions in a row cover 3, 5 and 7 pixels; a
block joins all three. Dropout, which the paper does not use, is at the bottom.
"""

from keras import layers

from segmenter.configuration.networks import MultiResUNetSettings as Settings
from segmenter.models.blocks import MOMENTUM, convolve, drop, level_filters
from segmenter.models.branches import Branches


def extract_features(x, settings: Settings) -> Branches:
    """Levels 0 to num_layers - 1 down, then up again; a skip from level i passes num_layers - 1 - i residual steps."""
    bottom = settings.num_layers - 1
    skips = []
    for level in range(bottom):
        x = _multires_block(x, level, settings, f"encoder{level}")
        skips.append(_res_path(x, level, bottom - level, settings, f"path{level}"))
        x = layers.MaxPooling2D(2, name=f"pool{level + 1}")(x)
    x = drop(_multires_block(x, bottom, settings, f"encoder{bottom}"), settings, "bottom")
    for level in reversed(range(bottom)):
        x = layers.Conv2DTranspose(level_filters(level, settings), 2, strides=2, padding="same", name=f"up{level}")(x)
        x = layers.Concatenate(name=f"join{level}")([x, skips[level]])
        x = _multires_block(x, level, settings, f"decoder{level}")
    return Branches(x)


def _multires_block(x, level: int, settings: Settings, name: str):
    """W / 6, W / 3 and W / 2 filters with W = alpha U, where U is a UNet's number of filters at that level.

    So the later convolutions, which cost more, stay affordable.
    """
    width = settings.alpha * level_filters(level, settings)
    step_filters = [max(1, int(width / divisor)) for divisor in (6, 3, 2)]
    shortcut = convolve(x, sum(step_filters), settings, name, "_shortcut", kernel=1, activate=False)
    scales = []
    for step, filters in enumerate(step_filters, 1):
        x = convolve(x, filters, settings, name, str(step))
        scales.append(x)
    x = _normalize(layers.Concatenate(name=f"{name}_scales")(scales), settings, f"{name}_scales_norm")
    return _add(x, shortcut, settings, name)


def _res_path(x, level: int, steps: int, settings: Settings, name: str):
    """Residual steps that bring the encoder's features nearer to the decoder's, which have gone through more layers."""
    filters = level_filters(level, settings)
    for step in range(1, steps + 1):
        shortcut = convolve(x, filters, settings, f"{name}_{step}", "_shortcut", kernel=1, activate=False)
        x = convolve(x, filters, settings, f"{name}_{step}")
        x = _add(x, shortcut, settings, f"{name}_{step}")
    return x


def _add(x, shortcut, settings: Settings, name: str):
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    x = layers.Activation(settings.activation, name=f"{name}_add_act")(x)
    return _normalize(x, settings, f"{name}_add_norm")


def _normalize(x, settings: Settings, name: str):
    return layers.BatchNormalization(momentum=MOMENTUM, name=name)(x) if settings.normalization else x
