"""Scores masks of any program as the evaluation of a run. Imports neither Keras nor its backend."""

from segmenter.scoring.score import score_masks
from segmenter.scoring.source import Masks

__all__ = ["Masks", "score_masks"]
