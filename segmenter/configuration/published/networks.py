"""The keys of [model] that one network of the published project has, and what each becomes here. Data and converters only."""

import itertools
import re
from collections.abc import Callable
from typing import Any

from segmenter.configuration.networks import MODEL_SETTINGS, canonical_name
from segmenter.configuration.published.keys import Key, Rule, side_of

NOT_BUILT = ("BASNet", "XceptionLikeUNet")
# Where a file does not name its network, one of these keys does: its programs were started by name.
_NAMED_BY_KEY = {
    "filter_num_begin": "SwinUNet",
    "shift_window": "SwinUNet",
    "efficientnet": "EfficientUNet",
    "decoder_channels": "TransUNet",
    "hidden_size": "TransUNet",
    "embed_dim": "TransUNet",
    "sharp_ksize": "SharpUNet",
}


def resolve_network(name: Any) -> tuple[str, dict[str, str]]:
    """Returns our name of a network of the published project, and the settings that its name includes.

    Raises:
      ValueError: there is no such network, or it is not built here.

    Example:
      >>> resolve_network("TensorflowEfficientNetB7UNet")
      ('EfficientUNet', {'backbone': 'EfficientNetB7'})
    """
    if not isinstance(name, str):
        raise ValueError("expected the name of a network in quotes")
    short = re.sub("^tensorflow", "", name, flags=re.IGNORECASE)
    if short in NOT_BUILT:
        raise ValueError(f"{short} is a network of the published project that is not built here; choose one of {_names()}")
    if backbone := re.fullmatch(r"(EfficientNetB[0-7])UNet", short):
        return "EfficientUNet", {"backbone": backbone[1]}
    known = {ours.lower(): ours for ours in MODEL_SETTINGS} | dict.fromkeys(("unet", "flexunet"), "SlightlyFlexibleUNet")
    return canonical_name(known.get(short.lower(), name)), {}


def _names() -> str:
    return ", ".join(MODEL_SETTINGS)


def guess_network(keys: set[str]) -> tuple[str, str]:
    """Returns the network that keys of [model] belong to, where none is named, and the key that shows it ("" for the UNet)."""
    return next(((name, key) for key, name in _NAMED_BY_KEY.items() if key in keys), ("SlightlyFlexibleUNet", ""))


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _after_512(filters: Any) -> Any:
    if not isinstance(filters, list | tuple):
        raise ValueError("expected a list of four numbers of filters")
    return (512, *filters)


def _first_filters(filters: Any) -> Any:
    if not isinstance(filters, list | tuple) or any(b != 2 * a for a, b in itertools.pairwise(filters)) or not filters:
        raise ValueError("expected numbers of filters that double from level to level, such as [32, 64, 128, 256]")
    return filters[0]


def _to(key: str, convert: Callable[[Any], Any] = lambda value: value, note: str = "") -> Rule:
    return Rule(("model", key), convert, note)


# Keys with a counterpart. The first one of a file that leads to a key of ours applies.
TRANSLATED: dict[str, dict[str, Rule]] = {
    "SwinUNet": {
        "filter_num_begin": _to("base_filters"),
        "patch_size": _to("patch_size", side_of),
        "num_heads": _to("num_heads", _listed),
        "window_size": _to("window_size", _listed),
    },
    "TransUNet": {
        "num_transformer": _to("transformer_layers"),
        "num_layers": _to("transformer_layers"),
        "hidden_size": _to("hidden_size"),
        "embed_dim": _to("hidden_size"),
        "num_heads": _to("num_heads"),
        "mlp_dim": _to("mlp_size"),
        "num_mlp": _to("mlp_size"),
        "decoder_channels": _to("decoder_filters", _after_512, "512 filters at the bottom come first"),
    },
    "EfficientUNet": {"efficientnet": _to("backbone", lambda name: f"EfficientNet{name}")},
    "SharpUNet": {"filters": _to("base_filters", _first_filters, "each level has twice as many")},
}

_TRAINED = "all weights start at random, unless [model] weights says otherwise, and all are trained"
_NOT_READ = "the published network does not use it either"
# Keys without a counterpart: the reasons, each with its keys.
WITHOUT_COUNTERPART: dict[str, dict[str, str]] = {
    "SwinUNet": {
        "in every second block windows are shifted": "shift_window",
        "decoder stages have as many blocks as those of the encoder": "stack_num_up",
        _NOT_READ: "base_filters base_kernels num_layers dilation",
    },
    "TransUNet": {
        "a token is 16 x 16 pixels": "patch_size grid",
        "a ResNet with three skips comes first": "hybrid num_skip",
        "ResNet, transformer and decoder are otherwise those of the paper": (
            "filter_num stack_num_down stack_num_up batch_norm mlp_activation backbone"
        ),
        "all weights start at random, and all are trained": "pretrain freeze_enc_cnn weights freeze_backbone freeze_batch_norm",
        _NOT_READ: "base_filters base_kernels dilation",
    },
    "DeepLabV3Plus": {_NOT_READ: "base_filters base_kernels num_layers dilation"},
    "EfficientUNet": {_TRAINED: "freeze_backbone freeze_batch_norm"},
    "SharpUNet": {
        "kernels are 3 x 3 and not dilated, as in the paper": "base_ksize ksize sharp_ksize kernel_size base_kernels "
        "base_dilation dilation",
        "the number of filters doubles from level to level": "max_filter",
    },
}
# Those of SwinUNet that become a key together.
COMBINED = {"depth", "stack_num_down", "num_mlp"}
# The published defaults of keys that a file of SwinUNet may leave out.
SWIN_DEFAULTS: dict[str, Any] = {"base_filters": 128, "num_heads": (4, 8, 8, 8)}
SWIN_DEPTH, SWIN_BLOCKS = 4, 2

NETWORK_KEYS: set[Key] = {
    ("model", key)
    for keys in (
        COMBINED,
        *TRANSLATED.values(),
        *(words.split() for reasons in WITHOUT_COUNTERPART.values() for words in reasons.values()),
    )
    for key in keys
}
