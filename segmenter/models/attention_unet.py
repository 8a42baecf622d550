"""A UNet whose skips pass an attention gate, which the level below controls.

After O. Oktay et al., "Attention U-Net: Learning Where to Look for the Pancreas", MIDL 2018 (arXiv:1804.03999), in two
dimensions: additive attention (its equations 1 and 2) with a gate of half the level's filters.
"""

from keras import layers

from segmenter.configuration.networks import AttentionUNetSettings as Settings
from segmenter.models.blocks import convolve_twice, encode, level_filters
from segmenter.models.branches import Branches


def extract_features(x, settings: Settings) -> Branches:
    """Levels 0 to num_layers - 1 down, then up again; each skip is weighted by its gate before it is joined."""
    *skips, x = encode(x, settings)
    for level in reversed(range(settings.num_layers - 1)):
        attended = _attend(skips[level], x, level_filters(level, settings), f"gate{level}")
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"up{level}")(x)
        x = layers.Concatenate(name=f"join{level}")([x, attended])
        x = convolve_twice(x, level_filters(level, settings), settings, f"decoder{level}")
    return Branches(x)


def _attend(skip, gate, filters: int, name: str):
    """Multiplies the skip by a weight of 0 to 1 per pixel, computed at the gate's side, which is half of the skip's."""
    inner = max(1, filters // 2)
    skip_features = layers.Conv2D(inner, 2, strides=2, use_bias=False, name=f"{name}_skip")(skip)
    gate_features = layers.Conv2D(inner, 1, name=f"{name}_signal")(gate)
    joint = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([skip_features, gate_features]))
    weights = layers.Conv2D(1, 1, activation="sigmoid", name=f"{name}_weights")(joint)
    weights = layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_up")(weights)
    return layers.Multiply(name=f"{name}_apply")([skip, weights])
