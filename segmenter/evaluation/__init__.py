"""Compares models with ground truth: metrics per image and per lesion, their intervals, and the pictures to look at.

docs/metrics.md says why which metric is taken.
"""

from segmenter.evaluation.evaluator import evaluate, evaluate_run, write_evaluation
from segmenter.evaluation.state import describe_leak, evaluation_identity, read_summary

__all__ = ["describe_leak", "evaluate", "evaluate_run", "evaluation_identity", "read_summary", "write_evaluation"]
