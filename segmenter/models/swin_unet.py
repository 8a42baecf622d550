"""A UNet of Swin transformer blocks alone: patches are tokens, and tokens attend to each other within windows.

After H. Cao et al., "Swin-Unet: Unet-like Pure Transformer for Medical Image Segmentation", ECCV Workshops 2022
(arXiv:2105.05537), whose blocks are those of Z. Liu et al., "Swin Transformer: Hierarchical Vision Transformer using
Shifted Windows", ICCV 2021 (arXiv:2103.14030). Every second block moves its windows by half their side.
"""

import keras
import numpy as np
from keras import layers, ops

from segmenter.configuration.networks import SwinUNetSettings as Settings
from segmenter.models.branches import Branches
from segmenter.models.registration import registered


def extract_features(x, settings: Settings) -> Branches:
    """Stages down with patch merging between them, then up with patch expanding; skips are joined by a linear layer."""
    x = layers.Conv2D(settings.base_filters, settings.patch_size, strides=settings.patch_size, name="patches")(x)
    x = _normalize(x, "patches_norm")
    if settings.dropout_rate:
        x = layers.Dropout(settings.dropout_rate, name="patches_dropout")(x)
    skips = []
    last = len(settings.depths) - 1
    for stage in range(last + 1):
        if stage:
            x = _merge_patches(x, f"merge{stage}")
        x = _blocks(x, stage, settings, f"encoder{stage}")
        skips.append(x)
    x = _normalize(x, "bottom_norm")
    for stage in reversed(range(last)):
        filters = settings.base_filters * 2**stage
        x = _expand_patches(x, 2, filters, f"expand{stage}")
        x = layers.Concatenate(name=f"join{stage}")([x, skips[stage]])
        x = layers.Dense(filters, name=f"join{stage}_linear")(x)
        x = _blocks(x, stage, settings, f"decoder{stage}")
    if last:
        x = _normalize(x, "top_norm")
    return Branches(_expand_patches(x, settings.patch_size, settings.base_filters, "expand_pixels"))


def _blocks(x, stage: int, settings: Settings, name: str):
    sides = x.shape[1:3]
    window = min(settings.windows[stage], *sides)
    for block in range(settings.depths[stage]):
        # A window as large as the map cannot move.
        shift = window // 2 if block % 2 and max(sides) > window else 0
        index = sum(settings.depths[:stage]) + block
        drop_path = settings.drop_path * index / max(1, sum(settings.depths) - 1)
        x = _block(x, settings.num_heads[stage], window, shift, drop_path, settings, f"{name}_block{block}")
    return x


def _block(x, heads: int, window: int, shift: int, drop_path: float, settings: Settings, name: str):
    """Attention and an MLP, each normalised before and added to its input (Liu's equation 3)."""
    attended = WindowAttention(heads, window, shift, name=f"{name}_attention")(_normalize(x, f"{name}_norm1"))
    x = _add(x, attended, drop_path, settings, f"{name}_attention")
    hidden = layers.Dense(x.shape[-1] * settings.mlp_ratio, name=f"{name}_dense1")(_normalize(x, f"{name}_norm2"))
    hidden = layers.Activation(settings.activation, name=f"{name}_act")(hidden)
    if settings.dropout_rate:
        hidden = layers.Dropout(settings.dropout_rate, name=f"{name}_hidden_dropout")(hidden)
    return _add(x, layers.Dense(x.shape[-1], name=f"{name}_dense2")(hidden), drop_path, settings, f"{name}_mlp")


def _add(x, change, drop_path: float, settings: Settings, name: str):
    """The sum; in training with dropout, and without the whole change for some samples of the batch (drop path)."""
    if settings.dropout_rate:
        change = layers.Dropout(settings.dropout_rate, name=f"{name}_dropout")(change)
    if drop_path:
        change = layers.Dropout(drop_path, noise_shape=(None, 1, 1, 1), name=f"{name}_path")(change)
    return layers.Add(name=f"{name}_add")([x, change])


def _merge_patches(x, name: str):
    """Half the side and twice the filters: each square of 2 x 2 tokens becomes one."""
    x = _normalize(ops.space_to_depth(x, 2), f"{name}_norm")
    return layers.Dense(x.shape[-1] // 2, use_bias=False, name=f"{name}_linear")(x)


def _expand_patches(x, times: int, filters: int, name: str):
    """`times` times the side: each token becomes a square of tokens."""
    x = layers.Dense(times**2 * filters, use_bias=False, name=f"{name}_linear")(x)
    return _normalize(ops.depth_to_space(x, times), f"{name}_norm")


def _normalize(x, name: str):
    return layers.LayerNormalization(epsilon=1e-5, name=name)(x)


@registered
class WindowAttention(layers.Layer):
    """Multi-head self-attention among the tokens of a window, with a learned bias for each offset between two tokens.

    A shifted map is rolled, so that the last windows hold tokens from both ends of it; these do not attend to each other.

    Args:
      num_heads: heads, among which the filters are divided evenly.
      window_size: side of a window in tokens.
      shift_size: how far windows are moved to the right and down, in tokens; less than window_size.

    Input and output: (batch, height, width, filters), where both sides are multiples of window_size.
    """

    def __init__(self, num_heads: int, window_size: int, shift_size: int = 0, **kwargs: object):
        super().__init__(**kwargs)
        self.num_heads, self.window_size, self.shift_size = num_heads, window_size, shift_size

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Makes the weights and the fixed tables: the bias of each pair of tokens, and which pairs may attend."""
        _, height, width, filters = input_shape
        # Passed to the inner layers, because a saved model may be loaded under another global policy.
        self.queries_keys_values = layers.Dense(3 * filters, dtype=self.dtype_policy, name="queries_keys_values")
        self.projection = layers.Dense(filters, dtype=self.dtype_policy, name="projection")
        self.queries_keys_values.build((None, None, filters))
        self.projection.build((None, None, filters))
        self.offset_bias = self.add_weight(
            shape=((2 * self.window_size - 1) ** 2, self.num_heads),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="offset_bias",
        )
        self._offsets = index_offsets(self.window_size)
        self._neighbours = find_neighbours(height, width, self.window_size, self.shift_size) if self.shift_size else None

    def call(self, x):
        """Attends within windows."""
        height, width, filters = x.shape[1:]
        windows = partition_windows(roll(x, -self.shift_size), self.window_size)
        count, tokens = windows.shape[1:3]
        by_head = (-1, count, tokens, self.num_heads, filters // self.num_heads)
        # Split before the heads are separated: LiteRT slices no more than five axes.
        parts = ops.split(self.queries_keys_values(windows), 3, axis=-1)
        queries, keys, values = (ops.reshape(part, by_head) for part in parts)
        scores = ops.einsum("bwqhf,bwkhf->bwhqk", queries * (filters // self.num_heads) ** -0.5, keys)
        # In bfloat16, a softmax over many tokens would lose small weights.
        scores = ops.cast(scores, "float32") + self._offset_scores()
        if self._neighbours is not None:
            scores = ops.where(self._neighbours[None, :, None], scores, -1e9)
        weights = ops.cast(ops.softmax(scores), self.compute_dtype)
        attended = ops.reshape(ops.einsum("bwhqk,bwkhf->bwqhf", weights, values), (-1, count, tokens, filters))
        merged = merge_windows(self.projection(attended), height, width)
        return roll(merged, self.shift_size)

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, object]:
        """The arguments."""
        own = {"num_heads": self.num_heads, "window_size": self.window_size, "shift_size": self.shift_size}
        return super().get_config() | own

    def _offset_scores(self):
        """(heads, tokens, tokens) float32."""
        return ops.cast(ops.transpose(ops.take(self.offset_bias, self._offsets, axis=0), (2, 0, 1)), "float32")


def roll(x, shift: int):
    """`ops.roll` of (batch, height, width, filters) down and right, by slices: LiteRT has no operation for it."""
    if shift:
        x = ops.concatenate([x[:, -shift:], x[:, :-shift]], axis=1)
        x = ops.concatenate([x[:, :, -shift:], x[:, :, :-shift]], axis=2)
    return x


def partition_windows(x, window: int):
    """(batch, height, width, filters) cut into windows: (batch, windows, window * window, filters), row by row."""
    down, across, filters = x.shape[1] // window, x.shape[2] // window, x.shape[-1]
    x = ops.reshape(x, (-1, down, window, across, window, filters))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, down * across, window * window, filters))


def merge_windows(windows, height: int, width: int):
    """Reverses `partition_windows`: returns (batch, height, width, filters)."""
    tokens, filters = windows.shape[2:]
    window = round(tokens**0.5)
    x = ops.reshape(windows, (-1, height // window, width // window, window, window, filters))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, height, width, filters))


def index_offsets(window: int) -> np.ndarray:
    """The number of the offset between each two tokens of a window, (window * window, window * window) int32.

    Offsets run from 1 - window to window - 1 in each direction; they are numbered row by row.
    """
    positions = np.indices((window, window)).reshape(2, -1)
    down, right = positions[:, :, None] - positions[:, None, :] + window - 1
    return (down * (2 * window - 1) + right).astype(np.int32)


def find_neighbours(height: int, width: int, window: int, shift: int) -> np.ndarray:
    """Which tokens of a window lay on the same side of the border before the map was rolled by -shift.

    Returns:
      (windows, window * window, window * window) bool.
    """
    below, beyond = (np.arange(side) >= side - shift for side in (height, width))
    region = 2 * below[:, None] + beyond[None, :]
    region = region.reshape(height // window, window, width // window, window).transpose(0, 2, 1, 3)
    region = region.reshape(-1, window * window)
    return region[:, :, None] == region[:, None, :]
