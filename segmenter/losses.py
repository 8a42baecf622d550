"""Losses over a batch. y is the truth, 0 or 1, and p the probability, both (batch, height, width, 1).

Sums run over all pixels of the batch together, as the published experiment's do, so an image with a large lesion
weighs more than one with a small lesion, and the value depends on the batch size.
"""

import keras
from keras import ops

from segmenter.metrics import dice_coef, iou_coef

_registered = keras.saving.register_keras_serializable(package="cesm")


def _bce(y_true, y_pred):
    """Mean binary cross-entropy over all pixels; p is clipped to [1e-7, 1 - 1e-7], so it is finite."""
    return ops.mean(keras.losses.binary_crossentropy(ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")))


@_registered
def dice_loss(y_true, y_pred):
    """1 - dice_coef."""
    return 1.0 - dice_coef(y_true, y_pred)


@_registered
def iou_loss(y_true, y_pred):
    """1 - iou_coef."""
    return 1.0 - iou_coef(y_true, y_pred)


@_registered
def bce_dice_loss(y_true, y_pred):
    """(BCE + dice_loss) / 2."""
    return (_bce(y_true, y_pred) + dice_loss(y_true, y_pred)) / 2.0


@_registered
def bce_iou_loss(y_true, y_pred):
    """(BCE + iou_loss) / 2."""
    return (_bce(y_true, y_pred) + iou_loss(y_true, y_pred)) / 2.0


LOSSES = {loss.__name__: loss for loss in (bce_dice_loss, dice_loss, iou_loss, bce_iou_loss)}
