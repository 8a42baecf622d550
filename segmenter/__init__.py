"""Trains, evaluates and applies networks that segment lesions, on the data set folders of `pipeline` or of anybody.

Nothing is loaded before it is used: importing this package, listing networks and reading configurations need no TensorFlow.

Example:
  >>> import segmenter
  >>> segmenter.load_configuration("quick", {"train": {"epochs": 2}}).train.epochs
  2
"""

from typing import TYPE_CHECKING

from segmenter.shadowing import require_own_pipeline

require_own_pipeline()

from pipeline.lazy import lazy_names  # noqa: E402 (it is there only now)

if TYPE_CHECKING:
    from pipeline.files import InputError
    from segmenter.configuration import load_configuration
    from segmenter.inference.images import ImagePredictor, Segmentation, load_predictor, load_pretrained
    from segmenter.library import batches, build_model, evaluate, evaluate_masks, list_models, open_run, train
    from segmenter.runs import Run

__all__ = [
    "ImagePredictor",
    "InputError",
    "Run",
    "Segmentation",
    "batches",
    "build_model",
    "evaluate",
    "evaluate_masks",
    "list_models",
    "load_configuration",
    "load_predictor",
    "load_pretrained",
    "open_run",
    "train",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "pipeline.files": ["InputError"],
        "segmenter.configuration": ["load_configuration"],
        "segmenter.inference.images": ["ImagePredictor", "Segmentation", "load_predictor", "load_pretrained"],
        "segmenter.library": ["batches", "build_model", "evaluate", "evaluate_masks", "list_models", "open_run", "train"],
        "segmenter.runs": ["Run"],
    },
)
