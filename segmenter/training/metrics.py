"""Metrics over a batch. y is the ground truth, (batch, height, width, 1), p the probabilities, (batch, height, width, classes).

With one class y is 0 or 1. With more, y holds class indices, 0 is the background, and a metric is the mean over the lesion
classes of its value for that class against the rest. Sums run over all pixels of the batch together. Where the
denominator is 0, the value is 1: there was nothing to find, and nothing was missed.

A metric is declared in `segmenter.configuration.objectives`, and its values per class are the function of that name here.
"""

from collections.abc import Callable, Sequence

import keras
from keras import ops

from segmenter.configuration.objectives import class_metrics
from segmenter.lesion_rule import is_lesion
from segmenter.reduction import batch_mean, batch_sums

METRICS: dict[str, Callable] = {}
_BY_CLASS: dict[str, Callable] = {}
_registered = keras.saving.register_keras_serializable(package="cesm")
_PIXELS = (0, 1, 2)


def metric(by_class: Callable) -> Callable:
    """Registers a metric by its name, for configurations and saved models.

    Args:
      by_class: maps (y_true, y_pred) to one value per lesion class, (lesion classes,).

    Returns:
      The mean over the lesion classes, a function of the same name.
    """

    def mean(y_true, y_pred):
        return ops.mean(by_class(y_true, y_pred))

    mean.__name__, mean.__doc__ = by_class.__name__, by_class.__doc__
    _BY_CLASS[by_class.__name__] = by_class
    METRICS[by_class.__name__] = _registered(mean)
    return mean


def lesion_maps(y_true, y_pred):
    """Ground truth and probabilities of the lesion classes alone, each (batch, height, width, lesion classes) float32."""
    p = ops.cast(y_pred, "float32")
    if p.shape[-1] == 1:
        return ops.cast(y_true, "float32"), p
    return one_hot(y_true, p.shape[-1])[..., 1:], p[..., 1:]


def one_hot(y_true, classes: int):
    """Class indices, (batch, height, width, 1), as (batch, height, width, classes) float32 of 0 and 1."""
    return ops.one_hot(ops.cast(ops.squeeze(y_true, -1), "int32"), classes, dtype="float32")


def _chosen(y_pred):
    """1 where a lesion class is chosen, else 0: by `is_lesion`, or with several classes the most probable one."""
    p = ops.cast(y_pred, "float32")
    if p.shape[-1] == 1:
        return ops.cast(is_lesion(p), "float32")
    return ops.one_hot(ops.argmax(p, -1), p.shape[-1], dtype="float32")[..., 1:]


def _ratio(numerator, denominator):
    # The inner `where` keeps 0/0 out of the gradient, where the outer one alone would leave a NaN.
    return ops.where(denominator > 0, numerator / ops.where(denominator > 0, denominator, 1.0), 1.0)


@metric
def dice_coef(y_true, y_pred):
    """(2 sum(y p) + 1) / (sum(y) + sum(p) + 1)."""
    y, p = lesion_maps(y_true, y_pred)
    common, lesion, predicted = batch_sums(y * p, y, p, axes=_PIXELS)
    return (2.0 * common + 1.0) / (lesion + predicted + 1.0)


@metric
def iou_coef(y_true, y_pred):
    """sum(y p) / sum(y + p - y p)."""
    y, p = lesion_maps(y_true, y_pred)
    return _ratio(*batch_sums(y * p, y + p - y * p, axes=_PIXELS))


@metric
def sensitivity(y_true, y_pred):
    """sum(y r) / sum(y) with r = 1 where p is at least 0.5: the share of the lesion pixels that is found."""
    y, _ = lesion_maps(y_true, y_pred)
    return _ratio(*batch_sums(y * _chosen(y_pred), y, axes=_PIXELS))


@metric
def specificity(y_true, y_pred):
    """sum((1 - y) (1 - r)) / sum(1 - y) with r = 1 where p is at least 0.5: the share of the other pixels that is left alone."""
    y, _ = lesion_maps(y_true, y_pred)
    return _ratio(*batch_sums((1.0 - y) * (1.0 - _chosen(y_pred)), 1.0 - y, axes=_PIXELS))


@metric
def binary_accuracy(y_true, y_pred):
    """mean(y = r) with r = 1 where p is at least 0.5."""
    y, _ = lesion_maps(y_true, y_pred)
    return batch_mean(ops.cast(ops.equal(y, _chosen(y_pred)), "float32"), _PIXELS)


def metric_functions(names: Sequence[str], class_names: Sequence[str]) -> dict[str, Callable]:
    """The named metrics of one batch; with several lesion classes also one per class, such as `dice_coef_malignant`."""
    functions: dict[str, Callable] = {name: METRICS[name] for name in names}
    return functions | {title: _of_class(name, index) for title, name, index in class_metrics(names, class_names)}


def keras_metrics(names: Sequence[str], class_names: Sequence[str]) -> list:
    """As `metric_functions`, for `Model.compile`."""
    by_class = [OfClass(name, index, name=title) for title, name, index in class_metrics(names, class_names)]
    return [METRICS[name] for name in names] + by_class


def _of_class(metric: str, index: int) -> Callable:
    return lambda y_true, y_pred: _BY_CLASS[metric](y_true, y_pred)[index - 1]


@_registered
class OfClass(keras.metrics.MeanMetricWrapper):
    """A metric's value for one lesion class, averaged over batches.

    Args:
      metric: a name of `METRICS`.
      index: the lesion class, from 1.
    """

    def __init__(self, metric: str, index: int, name: str | None = None, dtype=None):
        super().__init__(_of_class(metric, index), name=name, dtype=dtype)
        self.metric, self.index = metric, index

    def get_config(self) -> dict:
        return {"metric": self.metric, "index": self.index, "name": self.name, "dtype": self.dtype}
