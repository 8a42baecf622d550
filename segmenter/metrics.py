"""Metrics over a batch. y is the truth, 0 or 1, and p the probability, both (batch, height, width, 1).

Sums run over all pixels of the batch together. Where truth and prediction leave nothing to divide by, the value is 1:
nothing was to be found, and nothing was missed.
"""

import keras
from keras import ops

_registered = keras.saving.register_keras_serializable(package="cesm")


def _floats(y_true, y_pred):
    return ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")


def _ratio(part, whole):
    # The inner `where` keeps 0/0 out of the gradient too, in which the outer one alone would leave a NaN.
    return ops.where(whole > 0, part / ops.where(whole > 0, whole, 1.0), 1.0)


@_registered
def dice_coef(y_true, y_pred):
    """(2 sum(y p) + 1) / (sum(y) + sum(p) + 1)."""
    y, p = _floats(y_true, y_pred)
    return (2.0 * ops.sum(y * p) + 1.0) / (ops.sum(y) + ops.sum(p) + 1.0)


@_registered
def iou_coef(y_true, y_pred):
    """sum(y p) / sum(y + p - y p)."""
    y, p = _floats(y_true, y_pred)
    return _ratio(ops.sum(y * p), ops.sum(y + p - y * p))


@_registered
def sensitivity(y_true, y_pred):
    """sum(y r) / sum(y) with r = p rounded: the part of the lesion pixels that is found."""
    y, p = _floats(y_true, y_pred)
    return _ratio(ops.sum(y * ops.round(p)), ops.sum(y))


@_registered
def specificity(y_true, y_pred):
    """sum((1 - y) (1 - r)) / sum(1 - y) with r = p rounded: the part of the other pixels that is left alone."""
    y, p = _floats(y_true, y_pred)
    return _ratio(ops.sum((1.0 - y) * (1.0 - ops.round(p))), ops.sum(1.0 - y))


@_registered
def binary_accuracy(y_true, y_pred):
    """mean(y = r) with r = 1 where p > 0.5."""
    y, p = _floats(y_true, y_pred)
    return ops.mean(ops.cast(ops.equal(y, ops.cast(p > 0.5, "float32")), "float32"))


METRICS = {metric.__name__: metric for metric in (dice_coef, iou_coef, sensitivity, specificity, binary_accuracy)}
