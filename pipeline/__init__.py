"""Makes segmentation data sets from mammograms and their annotations, and opens and audits those of anybody.

Nothing is loaded before it is used, and TensorFlow never.

Example:
  >>> import pipeline
  >>> pipeline.load_recipe("v2").split.fractions.train
  0.8
"""

from typing import TYPE_CHECKING

from pipeline.lazy import lazy_names

if TYPE_CHECKING:
    from pipeline.files import InputError
    from pipeline.library import Dataset, audit_dataset, diff_datasets, make_dataset, make_phantom, open_dataset
    from pipeline.recipe import load_recipe

__all__ = [
    "Dataset",
    "InputError",
    "audit_dataset",
    "diff_datasets",
    "load_recipe",
    "make_dataset",
    "make_phantom",
    "open_dataset",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "pipeline.files": ["InputError"],
        "pipeline.library": ["Dataset", "audit_dataset", "diff_datasets", "make_dataset", "make_phantom", "open_dataset"],
        "pipeline.recipe": ["load_recipe"],
    },
)
