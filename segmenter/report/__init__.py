"""A run's report, report.html, and its model card, model_card.md, from what training and evaluation wrote.

Reads tables and pictures; needs no TensorFlow, and measures nothing.
"""

from segmenter.report.writer import write_report

__all__ = ["write_report"]
