"""A U of blocks that are small Us themselves, with an output at each scale, fused into the prediction.

After X. Qin et al., "U2-Net: Going Deeper with Nested U-Structure for Salient Object Detection", Pattern Recognition
106, 2020 (arXiv:2005.09007): RSU-7, -6, -5, -4 and -4F blocks. Dropout, which the paper does not use, is at the bottom.
"""

from typing import NamedTuple

from keras import layers

from segmenter.configuration.networks import U2NetSettings as Settings
from segmenter.models.blocks import convolve, drop
from segmenter.models.branches import Branches


class _Stage(NamedTuple):
    """A block: its height (4 to 7; 0 is RSU-4F, which dilates and does not pool) the filters inside, and those of its output."""

    height: int
    inner: int
    outer: int


def extract_features(x, settings: Settings) -> Branches:
    """Stages 1 to 6 down, then 5 to 1 up; the side outputs of all six, joined, are what the head fuses."""
    encoders, decoders = _stages(settings)
    outputs = []
    for number, stage in enumerate(encoders, 1):
        if number > 1:
            x = layers.MaxPooling2D(2, name=f"pool{number}")(x)
        x = _block(x, stage, settings, f"encoder{number}")
        outputs.append(x)
    x = drop(x, settings, "bottom")
    sides = [_side_logits(x, 6, settings)]
    for number, stage in zip((5, 4, 3, 2, 1), decoders, strict=True):
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"up{number}")(x)
        x = layers.Concatenate(name=f"join{number}")([x, outputs[number - 1]])
        x = _block(x, stage, settings, f"decoder{number}")
        sides.insert(0, _side_logits(x, number, settings))
    return Branches(layers.Concatenate(dtype="float32", name="sides")(sides), side_logits=tuple(sides))


def _stages(settings: Settings) -> tuple[list[_Stage], list[_Stage]]:
    """The paper's table 1: encoder stages 1 to 6 and decoder stages 5 to 1, with filters as multiples of base_filters."""
    base = settings.base_filters
    heights = (7, 6, 5, 4, 0, 0, 0, 4, 5, 6, 7)
    if settings.lite:
        stages = [_Stage(height, base, 4 * base) for height in heights]
    else:
        half = max(1, base // 2)
        inner = (base, base, 2 * base, 4 * base, 8 * base, 8 * base, 8 * base, 4 * base, 2 * base, base, half)
        outer = (2, 4, 8, 16, 16, 16, 16, 8, 4, 2, 2)
        stages = [_Stage(height, filters, times * base) for height, filters, times in zip(heights, inner, outer, strict=True)]
    return stages[:6], stages[6:]


def _block(x, stage: _Stage, settings: Settings, name: str):
    """A residual U-block: a U on the first convolution's output, which is added to the U's output."""
    start = convolve(x, stage.outer, settings, name, "_in")
    x = _small_u(start, stage, settings, name) if stage.height else _dilated_u(start, stage, settings, name)
    return layers.Add(name=f"{name}_add")([start, x])


def _small_u(x, stage: _Stage, settings: Settings, name: str):
    """RSU-L: L - 1 levels, each half the side of the one above, and a dilated convolution at the bottom."""
    skips = []
    for level in range(1, stage.height):
        if level > 1:
            x = layers.MaxPooling2D(2, name=f"{name}_pool{level}")(x)
        x = convolve(x, stage.inner, settings, name, f"_down{level}")
        skips.append(x)
    x = convolve(x, stage.inner, settings, name, "_bottom", dilation=2)
    for level in reversed(range(1, stage.height)):
        x = layers.Concatenate(name=f"{name}_join{level}")([x, skips[level - 1]])
        x = convolve(x, stage.inner if level > 1 else stage.outer, settings, name, f"_up{level}")
        if level > 1:
            x = layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_up{level}")(x)
    return x


def _dilated_u(x, stage: _Stage, settings: Settings, name: str):
    """RSU-4F: at this depth pooling would lose too much, so dilation widens the view instead."""
    skips = []
    for dilation in (1, 2, 4):
        x = convolve(x, stage.inner, settings, name, f"_down{dilation}", dilation=dilation)
        skips.append(x)
    x = convolve(x, stage.inner, settings, name, "_bottom", dilation=8)
    for dilation in (4, 2, 1):
        x = layers.Concatenate(name=f"{name}_join{dilation}")([x, skips.pop()])
        filters = stage.inner if dilation > 1 else stage.outer
        x = convolve(x, filters, settings, name, f"_up{dilation}", dilation=dilation)
    return x


def _side_logits(x, number: int, settings: Settings):
    """A stage's own prediction at the input's side; float32 like the head, which fuses these."""
    x = layers.Conv2D(settings.num_classes, 3, padding="same", dtype="float32", name=f"side_logits{number}")(x)
    if number == 1:
        return x
    return layers.UpSampling2D(2 ** (number - 1), interpolation="bilinear", dtype="float32", name=f"side_logits{number}_up")(x)
