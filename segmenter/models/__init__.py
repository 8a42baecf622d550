"""The networks, by name, and what all of them share. Keras is loaded only when a model is built."""

from segmenter.models.registry import MODELS, build_model, register_layers

__all__ = ["MODELS", "build_model", "register_layers"]
