"""Losses over a batch. y is the ground truth, (batch, height, width, 1), p the probabilities, (batch, height, width, classes).

Sums run over all pixels of the batch together, as the published experiment's do, so an image with a large lesion weighs more
than one with a small lesion, and the value depends on the batch size; `bce_image_dice_loss` is the exception. With several
classes cross-entropies run over all of them, and overlaps and SSIM are means over the lesion classes. All are finite on empty
masks.

A loss is declared in `segmenter.configuration.objectives`; the function of that name here takes its parameters by name.
"""

from collections.abc import Callable

import keras
from keras import ops

from segmenter.configuration import ModelSettings
from segmenter.configuration.objectives import LOSSES as DECLARED
from segmenter.reduction import batch_mean, batch_sums
from segmenter.training.metrics import dice_coef, iou_coef, lesion_maps, one_hot

LOSSES: dict[str, Callable] = {}
_registered = keras.saving.register_keras_serializable(package="cesm")


def loss(function: Callable) -> Callable:
    """Registers a function by its name, for configurations and saved models."""
    LOSSES[function.__name__] = _registered(function)
    return function


@loss
def bce_loss(y_true, y_pred):
    """Mean cross-entropy over all pixels, binary or categorical; p is clipped to [1e-7, 1 - 1e-7], so it is finite."""
    p = ops.cast(y_pred, "float32")
    if p.shape[-1] == 1:
        function, y = keras.losses.binary_crossentropy, ops.cast(y_true, "float32")
    else:
        function, y = keras.losses.categorical_crossentropy, one_hot(y_true, p.shape[-1])
    clipped = batch_mean(function(y, ops.clip(p, 1e-7, 1.0 - 1e-7)))
    # In a graph of TensorFlow, Keras takes the logits behind p and does not clip them. Only their slope is used: it is not 0
    # where p is, and the value is the one that `evaluate` computes from p.
    by_logits = batch_mean(function(y, p))
    return ops.stop_gradient(clipped) + (by_logits - ops.stop_gradient(by_logits))


@loss
def dice_loss(y_true, y_pred):
    """1 - dice_coef. Keras' own Dice gives 1 for an empty mask that is predicted empty; this gives 0."""
    return 1.0 - dice_coef(y_true, y_pred)


@loss
def iou_loss(y_true, y_pred):
    """1 - iou_coef."""
    return 1.0 - iou_coef(y_true, y_pred)


@loss
def ssim_loss(y_true, y_pred):
    """1 - SSIM of ground truth and probabilities, window 11, sigma 1.5 (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004)."""
    y, p = lesion_maps(y_true, y_pred)
    return 1.0 - batch_mean(ops.image.ssim(y, p, max_val=1.0))


@loss
def bce_dice_loss(y_true, y_pred):
    """(BCE + dice_loss) / 2."""
    return (bce_loss(y_true, y_pred) + dice_loss(y_true, y_pred)) / 2.0


@loss
def bce_image_dice_loss(y_true, y_pred):
    """(BCE + 1 - mean Dice of the images) / 2, Dice as in dice_coef: a small lesion weighs as much as a large one."""
    y, p = lesion_maps(y_true, y_pred)
    common, lesion, predicted = (ops.sum(value, (1, 2)) for value in (y * p, y, p))
    dice = batch_mean((2.0 * common + 1.0) / (lesion + predicted + 1.0))
    return (bce_loss(y_true, y_pred) + 1.0 - dice) / 2.0


@loss
def bce_iou_loss(y_true, y_pred):
    """(BCE + iou_loss) / 2."""
    return (bce_loss(y_true, y_pred) + iou_loss(y_true, y_pred)) / 2.0


@loss
def basnet_hybrid_loss(y_true, y_pred):
    """(BCE + ssim_loss + iou_loss) / 3 (Qin et al., "BASNet: Boundary-Aware Salient Object Detection", CVPR 2019)."""
    return (bce_loss(y_true, y_pred) + ssim_loss(y_true, y_pred) + iou_loss(y_true, y_pred)) / 3.0


@loss
def tversky_loss(y_true, y_pred, tversky_alpha: float, tversky_beta: float):
    """1 - (TP + 1) / (TP + alpha FP + beta FN + 1), mean over the lesion classes.

    Keras' own Tversky gives 1, and no gradient, for an empty mask; the 1 in numerator and denominator lets it learn from those.
    Source: Salehi, Erdogmus, Gholipour, "Tversky loss function", MLMI 2017 (arXiv:1706.05721).
    """
    y, p = lesion_maps(y_true, y_pred)
    common, false, missed = batch_sums(y * p, (1.0 - y) * p, y * (1.0 - p), axes=(0, 1, 2))
    return ops.mean(1.0 - (common + 1.0) / (common + tversky_alpha * false + tversky_beta * missed + 1.0))


@loss
def focal_tversky_loss(y_true, y_pred, tversky_alpha: float, tversky_beta: float):
    """tversky_loss to the power of 1 / gamma, gamma 4/3 (Abraham, Khan, ISBI 2019, arXiv:1810.07842)."""
    return ops.power(tversky_loss(y_true, y_pred, tversky_alpha, tversky_beta) + 1e-7, 0.75)


@loss
def focal_loss(y_true, y_pred, focal_alpha: float, focal_gamma: float):
    """Mean of -alpha_t (1 - p_t)^gamma log(p_t), by Keras (Lin et al., ICCV 2017, arXiv:1708.02002)."""
    # With a gamma below 1 the slope is infinite at a p of exactly 0 or 1.
    p = ops.clip(ops.cast(y_pred, "float32"), 1e-7, 1.0 - 1e-7)
    if p.shape[-1] == 1:
        y = ops.cast(y_true, "float32")
        losses = keras.losses.binary_focal_crossentropy(y, p, apply_class_balancing=True, alpha=focal_alpha, gamma=focal_gamma)
    else:
        # Here focal_alpha is the weight of every class: Keras weights the background like the lesions.
        y = one_hot(y_true, p.shape[-1])
        losses = keras.losses.categorical_focal_crossentropy(y, p, alpha=focal_alpha, gamma=focal_gamma)
    return batch_mean(losses)


@_registered
class WeightedLoss(keras.losses.Loss):
    """A weighted sum of losses.

    Args:
      weights: names of losses and their weights.
      parameters: parameters of these losses, by name; others are ignored.
    """

    def __init__(self, weights: dict[str, float], name: str = "weighted_loss", **parameters: float):
        super().__init__(name=name)
        self.weights, self.parameters = weights, parameters

    def call(self, y_true, y_pred):
        return sum(weight * self._one(name, y_true, y_pred) for name, weight in self.weights.items())

    def _one(self, name: str, y_true, y_pred):
        parameters = {parameter.name: self.parameters[parameter.name] for parameter in DECLARED[name].parameters}
        return LOSSES[name](y_true, y_pred, **parameters)

    def get_config(self) -> dict:
        return {"weights": self.weights, "name": self.name, **self.parameters}


def make_loss(settings: ModelSettings):
    """Returns the loss of a configuration, which maps (y_true, y_pred) to one number."""
    names = [parameter.name for name in settings.loss for parameter in DECLARED[name].parameters]
    if list(settings.loss.values()) == [1.0] and not names:
        return LOSSES[next(iter(settings.loss))]
    return WeightedLoss(settings.loss, **{name: getattr(settings, name) for name in names})
