"""Compares models with ground truth: metrics per image and per lesion, their intervals, and pictures of examples.

docs/metrics.md gives the reason for each metric.
"""

from segmenter.evaluation.evaluator import evaluate, evaluate_run, require_partner, write_evaluation
from segmenter.evaluation.state import describe_leak, evaluation_identity, read_summary

__all__ = [
    "describe_leak",
    "evaluate",
    "evaluate_run",
    "evaluation_identity",
    "read_summary",
    "require_partner",
    "write_evaluation",
]
