import math

import numpy as np
import pytest
import tensorflow as tf

from segmenter.losses import LOSSES
from segmenter.metrics import METRICS


def pixels(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(1, 1, -1, 1)


# Truth and probabilities of four pixels; sums by hand: y p = 1.5, y = 2, p = 2.
TRUTH, PROBABLE = pixels(1, 1, 0, 0), pixels(0.9, 0.6, 0.4, 0.1)
EMPTY, NOTHING, FULL = pixels(0, 0, 0, 0), pixels(0, 0, 0, 0), pixels(1, 1, 1, 1)
BCE = -(math.log(0.9) + math.log(0.6)) / 2  # the two pairs of pixels mirror each other


@pytest.mark.parametrize(
    ("metric", "truth", "predicted", "value"),
    [
        pytest.param("dice_coef", TRUTH, PROBABLE, (2 * 1.5 + 1) / (2 + 2 + 1), id="dice"),
        pytest.param("dice_coef", EMPTY, NOTHING, 1.0, id="dice of nothing found where nothing is"),
        pytest.param("dice_coef", EMPTY, FULL, 1 / 5, id="dice of all found where nothing is"),
        pytest.param("dice_coef", FULL, NOTHING, 1 / 5, id="dice of nothing found"),
        pytest.param("iou_coef", TRUTH, PROBABLE, 1.5 / 2.5, id="iou"),
        pytest.param("iou_coef", EMPTY, NOTHING, 1.0, id="iou of nothing found where nothing is"),
        pytest.param("iou_coef", EMPTY, FULL, 0.0, id="iou of all found where nothing is"),
        pytest.param("sensitivity", pixels(1, 1, 1, 0), pixels(0.9, 0.6, 0.4, 0.8), 2 / 3, id="sensitivity"),
        pytest.param("sensitivity", EMPTY, FULL, 1.0, id="sensitivity where nothing is"),
        pytest.param("specificity", pixels(1, 0, 0, 0), pixels(0.1, 0.1, 0.2, 0.8), 2 / 3, id="specificity"),
        pytest.param("specificity", FULL, NOTHING, 1.0, id="specificity where all is lesion"),
        pytest.param("binary_accuracy", pixels(1, 0, 0, 0), pixels(0.9, 0.1, 0.2, 0.8), 3 / 4, id="accuracy"),
    ],
)
def test_metric(metric, truth, predicted, value):
    assert float(METRICS[metric](truth, predicted)) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("loss", "value"),
    [
        ("dice_loss", 1 - 4 / 5),
        ("iou_loss", 1 - 0.6),
        ("bce_dice_loss", (BCE + 1 - 4 / 5) / 2),
        ("bce_iou_loss", (BCE + 1 - 0.6) / 2),
    ],
)
def test_loss(loss, value):
    assert float(LOSSES[loss](TRUTH, PROBABLE)) == pytest.approx(value, abs=1e-6)


def test_figures_are_over_the_whole_batch():
    large, small = pixels(1, 1, 1, 1), pixels(0, 0, 0, 1)
    found, missed = pixels(1, 1, 1, 1), NOTHING
    together = float(METRICS["dice_coef"](np.concatenate([large, small]), np.concatenate([found, missed])))
    assert together == pytest.approx((2 * 4 + 1) / (5 + 4 + 1))


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("predicted", [NOTHING, FULL, PROBABLE], ids=["nothing", "all", "some"])
def test_losses_and_their_gradients_are_finite_on_empty_masks(loss, predicted):
    with tf.GradientTape() as tape:
        p = tf.Variable(predicted)
        value = LOSSES[loss](EMPTY, p)
    assert math.isfinite(float(value))
    assert np.isfinite(tape.gradient(value, p).numpy()).all()
