"""A run's report (report.html) and model card (model_card.md), from the files of its training and evaluation.

Reads tables and pictures; needs no TensorFlow, and computes no metrics.
"""

from segmenter.report.writer import write_report

__all__ = ["write_report"]
