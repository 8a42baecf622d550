"""The samples that metrics are computed on: originals, where there are any."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from segmenter.data.dataset import Sample

if TYPE_CHECKING:
    import pandas as pd


def counts(variants: Sequence[str]) -> list[bool]:
    """Marks the samples to measure, given their variants: originals, or all if there are no originals.

    Turned and flipped copies would only repeat their original; a set that was split by sample may lack the original.

    Example:
      >>> counts(["original", "flipped"]), counts(["flipped", "mirrored"])
      ([True, False], [True, True])
    """
    originals = [variant == "original" for variant in variants]
    return originals if any(originals) else [True] * len(originals)


def originals_or_all(samples: Sequence[Sample]) -> list[Sample]:
    """The samples to measure, in their order."""
    chosen = counts([sample.variant for sample in samples])
    return [sample for sample, is_chosen in zip(samples, chosen, strict=True) if is_chosen]


def original_rows(images: "pd.DataFrame") -> "pd.DataFrame":
    """The rows of per_image.csv to measure."""
    return images[counts(images["variant"].tolist())]
