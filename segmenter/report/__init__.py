"""A run's report.html, model_card.md and claim.md, from the files of its training and evaluation.

Reads tables and pictures; needs no TensorFlow, and computes no metrics.
"""

from segmenter.report.writer import write_claim, write_report

__all__ = ["write_claim", "write_report"]
