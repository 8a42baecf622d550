"""The configuration of a training run: its sections and keys, read strictly from TOML."""

from segmenter.configuration.loading import CONFIGS, is_published, load_configuration
from segmenter.configuration.model import ModelSettings
from segmenter.configuration.schema import (
    NO_TILES,
    Configuration,
    DatasetSettings,
    EvalSettings,
    ImageSettings,
    InferSettings,
    MaskSettings,
    TiledInferSettings,
    TrainSettings,
    change_infer,
    default_class_names,
)

__all__ = [
    "CONFIGS",
    "NO_TILES",
    "Configuration",
    "DatasetSettings",
    "EvalSettings",
    "ImageSettings",
    "InferSettings",
    "MaskSettings",
    "ModelSettings",
    "TiledInferSettings",
    "TrainSettings",
    "change_infer",
    "default_class_names",
    "is_published",
    "load_configuration",
]
