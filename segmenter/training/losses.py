"""Losses over a batch. y is the truth, (batch, height, width, 1), and p the probabilities, (batch, height, width, classes).

Sums run over all pixels of the batch together, as the published experiment's do, so an image with a large lesion weighs
more than one with a small lesion, and the value depends on the batch size. With several classes cross-entropies run over
all of them, and overlaps and SSIM are means over the lesion classes. All are finite on empty masks.
"""

import keras
from keras import ops

from segmenter.configuration import ModelSettings
from segmenter.training.metrics import dice_coef, iou_coef, lesion_maps, one_hot

_registered = keras.saving.register_keras_serializable(package="cesm")


@_registered
def bce_loss(y_true, y_pred):
    """Mean cross-entropy over all pixels, binary or categorical; p is clipped to [1e-7, 1 - 1e-7], so it is finite."""
    p = ops.cast(y_pred, "float32")
    if p.shape[-1] == 1:
        return ops.mean(keras.losses.binary_crossentropy(ops.cast(y_true, "float32"), p))
    return ops.mean(keras.losses.categorical_crossentropy(one_hot(y_true, p.shape[-1]), p))


@_registered
def dice_loss(y_true, y_pred):
    """1 - dice_coef. Keras' own Dice gives 1 for an empty mask that is predicted empty; this gives 0."""
    return 1.0 - dice_coef(y_true, y_pred)


@_registered
def iou_loss(y_true, y_pred):
    """1 - iou_coef."""
    return 1.0 - iou_coef(y_true, y_pred)


@_registered
def ssim_loss(y_true, y_pred):
    """1 - SSIM of truth and probabilities, window 11, sigma 1.5 (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004)."""
    y, p = lesion_maps(y_true, y_pred)
    return 1.0 - ops.mean(ops.image.ssim(y, p, max_val=1.0))


@_registered
def bce_dice_loss(y_true, y_pred):
    """(BCE + dice_loss) / 2."""
    return (bce_loss(y_true, y_pred) + dice_loss(y_true, y_pred)) / 2.0


@_registered
def bce_iou_loss(y_true, y_pred):
    """(BCE + iou_loss) / 2."""
    return (bce_loss(y_true, y_pred) + iou_loss(y_true, y_pred)) / 2.0


@_registered
def basnet_hybrid_loss(y_true, y_pred):
    """(BCE + ssim_loss + iou_loss) / 3 (Qin et al., "BASNet: Boundary-Aware Salient Object Detection", CVPR 2019)."""
    return (bce_loss(y_true, y_pred) + ssim_loss(y_true, y_pred) + iou_loss(y_true, y_pred)) / 3.0


def tversky_loss(y_true, y_pred, alpha: float, beta: float):
    """1 - (TP + 1) / (TP + alpha FP + beta FN + 1), mean over the lesion classes.

    Keras' own Tversky gives 1, and no gradient, for an empty mask; the 1 on both sides makes it learn from those.
    Source: Salehi, Erdogmus, Gholipour, "Tversky loss function", MLMI 2017 (arXiv:1706.05721).
    """
    y, p = lesion_maps(y_true, y_pred)
    common, false, missed = (ops.sum(part, (0, 1, 2)) for part in (y * p, (1.0 - y) * p, y * (1.0 - p)))
    return ops.mean(1.0 - (common + 1.0) / (common + alpha * false + beta * missed + 1.0))


def focal_loss(y_true, y_pred, alpha: float, gamma: float):
    """Mean of -alpha_t (1 - p_t)^gamma log(p_t), by Keras (Lin et al., ICCV 2017, arXiv:1708.02002)."""
    # A gamma under 1 has no finite slope at a p of exactly 0 or 1.
    p = ops.clip(ops.cast(y_pred, "float32"), 1e-7, 1.0 - 1e-7)
    if p.shape[-1] == 1:
        y = ops.cast(y_true, "float32")
        losses = keras.losses.binary_focal_crossentropy(y, p, apply_class_balancing=True, alpha=alpha, gamma=gamma)
    else:
        # Here alpha is the weight of every class; Keras weighs the background as the lesions.
        losses = keras.losses.categorical_focal_crossentropy(one_hot(y_true, p.shape[-1]), p, alpha=alpha, gamma=gamma)
    return ops.mean(losses)


LOSSES = {
    loss.__name__: loss for loss in (bce_dice_loss, dice_loss, iou_loss, bce_iou_loss, basnet_hybrid_loss, bce_loss, ssim_loss)
}


@_registered
class WeightedLoss(keras.losses.Loss):
    """Losses added by weight, with the parameters that some of them have.

    Args:
      weights: names of losses and their weights.
      tversky_alpha, tversky_beta: weights of false positives and of misses.
      focal_alpha, focal_gamma: weight of lesion pixels, and how much well-known pixels count less.
    """

    def __init__(
        self,
        weights: dict[str, float],
        tversky_alpha: float,
        tversky_beta: float,
        focal_alpha: float,
        focal_gamma: float,
        name: str = "weighted_loss",
    ):
        super().__init__(name=name)
        self.weights = weights
        self.tversky_alpha, self.tversky_beta = tversky_alpha, tversky_beta
        self.focal_alpha, self.focal_gamma = focal_alpha, focal_gamma

    def call(self, y_true, y_pred):
        return sum(weight * self._one(name, y_true, y_pred) for name, weight in self.weights.items())

    def _one(self, name: str, y_true, y_pred):
        if name == "tversky_loss":
            return tversky_loss(y_true, y_pred, self.tversky_alpha, self.tversky_beta)
        if name == "focal_tversky_loss":  # Abraham, Khan, ISBI 2019 (arXiv:1810.07842), gamma 4/3
            return ops.power(tversky_loss(y_true, y_pred, self.tversky_alpha, self.tversky_beta) + 1e-7, 0.75)
        if name == "focal_loss":
            return focal_loss(y_true, y_pred, self.focal_alpha, self.focal_gamma)
        return LOSSES[name](y_true, y_pred)

    def get_config(self) -> dict:
        parameters = ("weights", "tversky_alpha", "tversky_beta", "focal_alpha", "focal_gamma", "name")
        return {key: getattr(self, key) for key in parameters}


def make_loss(settings: ModelSettings):
    """The loss of a configuration: (y_true, y_pred) to one number."""
    if list(settings.loss.values()) == [1.0] and (name := next(iter(settings.loss))) in LOSSES:
        return LOSSES[name]
    return WeightedLoss(settings.loss, settings.tversky_alpha, settings.tversky_beta, settings.focal_alpha, settings.focal_gamma)
