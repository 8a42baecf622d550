"""The entries of the benchmark: which networks are trained, on what, and for how long."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from segmenter.configuration import Configuration, load_configuration

PUBLISHED_BUDGET = "best"  # the entry whose core-minutes `published` gets


@dataclass(frozen=True)
class Entry:
    """One network of the benchmark.

    Attributes:
      title: what it is, for the table.
      config: a configuration of the package, or a path.
      settings: values in place of the configuration's.
      budget_of: the entry whose core-minutes per fold it may use; empty if its configuration states its length.
      patients: the share of the training patients that it gets, for the learning curve.
    """

    title: str
    config: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    budget_of: str = ""
    patients: float = 1.0

    def configuration(self) -> Configuration:
        """Its configuration; the pictures after each epoch, which cost time and change nothing, are off."""
        quiet = {"train": {"epoch_change_infer": False, "epoch_change_tiledinfer": False}}
        return load_configuration(self.config, merge(self.settings, quiet))

    def digest(self) -> str:
        """SHA-256 of all that decides how it is trained and evaluated."""
        stated = {"configuration": self.configuration().model_dump(mode="json", exclude_defaults=True), "patients": self.patients}
        return hashlib.sha256(json.dumps(stated | {"budget_of": self.budget_of}, sort_keys=True).encode()).hexdigest()


def merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings of both; where both have a value, that of the second."""
    return {
        key: merge(first.get(key, {}), second.get(key, {}))
        if isinstance(first.get(key, {}), Mapping) and isinstance(second.get(key, {}), Mapping)
        else second.get(key, first.get(key))
        for key in {**first, **second}
    }


# 12,000 images, as the fixed length of all small networks: 24 passes over about 290 training images, and more brings nothing.
_SMALL = {
    "dataset": {"partner": True, "crop": "breast", "partner_dropout": 0.25},
    "train": {
        "epochs": 20,
        "steps_per_epoch": 75,
        "batch_size": 8,
        "patience": 20,
        "learning_rate_reducer": False,
        "cosine_decay": True,
    },
    "augmentor": {"vflip": True, "rotation": True, "angle_range": [-15.0, 15.0], "brightening": True},
}
_INPUT = {"image_width": 96, "image_height": 176, "image_channels": 3, "generator": True, "normalization": True}
_DEEPLAB = {"model": "DeepLabV3Plus", "backbone": "MobileNetV2", "weights": "none", "base_filters": 32}
_DEEPLAB |= {"image_width": 96, "image_height": 176, "learning_rate": 0.001}
# What best.toml has and the other small networks have not.
_LIKE_QUICK = {"infer": {"augmentation": "none"}, "augmentor": {"contrast": False, "gamma": False}}
ENTRIES: dict[str, Entry] = {
    "best": Entry("EfficientNet-Lite0 encoder with ImageNet weights, pair, breast crop, flips", "best"),
    "unet": Entry(
        "UNet, pair, breast crop",
        "quick",
        merge(_SMALL, {"model": {**_INPUT, "base_filters": 16}}),
    ),
    "attention-unet": Entry(
        "Attention UNet, pair, breast crop",
        "quick",
        merge(_SMALL, {"model": {**_INPUT, "model": "AttentionUNet", "base_filters": 16}}),
    ),
    "sharp-unet": Entry(
        "Sharp UNet, pair, breast crop",
        "quick",
        merge(_SMALL, {"model": {**_INPUT, "model": "SharpUNet", "base_filters": 16}}),
    ),
    "deeplab": Entry(
        "DeepLab v3+ with MobileNetV2, random weights, pair, breast crop",
        "best",
        merge(merge(_SMALL, {"model": _DEEPLAB}), _LIKE_QUICK),
    ),
    "quick": Entry("UNet of `quick.toml`, one image, whole square", "quick"),
    "published": Entry(
        "the published UNet at 128 px, one image, whole square",
        "published",
        {"model": {"image_width": 128, "image_height": 128}, "train": {"patience": 1000, "epochs": 1000}},
        budget_of=PUBLISHED_BUDGET,
    ),
}
# The learning curve: the same network and the same number of steps, with a share of the training patients.
CURVE_WHOLE = "unet"  # the entry that the others have a share of the patients of
CURVE = {f"unet-{round(100 * share)}": share for share in (0.1, 0.25, 0.5)}
ENTRIES |= {
    name: replace(ENTRIES[CURVE_WHOLE], title=f"the UNet with {share:.0%} of the training patients", patients=share)
    for name, share in CURVE.items()
}
BASELINES = {"empty": "no lesion anywhere", "whole-breast": "the whole breast is lesion"}
