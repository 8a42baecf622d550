"""Metrics over batches, as Keras and the published project compute them."""

import numpy as np

from segmenter.configuration import Configuration


class BatchMetrics:
    """Loss and metrics averaged as `Model.evaluate` does: the loss over images, each metric over batches."""

    def __init__(self, configuration: Configuration):
        from segmenter.training.losses import make_loss
        from segmenter.training.metrics import metric_functions

        metrics = metric_functions(configuration.model.metrics, configuration.class_names)
        self._functions = {"loss": make_loss(configuration.model)} | metrics
        self._batches: list[tuple[int, dict[str, float]]] = []

    def add(self, ground_truth: np.ndarray, probabilities: np.ndarray) -> None:
        """Adds one batch."""
        self._batches.append(
            (
                len(ground_truth),
                {name: float(function(ground_truth, probabilities)) for name, function in self._functions.items()},
            )
        )

    def values(self) -> dict[str, float]:
        """The averages over the batches so far."""
        sizes = [size for size, _ in self._batches]
        return {
            name: float(np.average([values[name] for _, values in self._batches], weights=sizes if name == "loss" else None))
            for name in self._functions
        }
