"""0.5 is lesion everywhere: one rule for metrics of training, masks, curves and networks."""

import keras
import numpy as np
import pytest

from segmenter.configuration import InferSettings
from segmenter.inference.thresholding import threshold_mask
from segmenter.lesion_rule import is_lesion
from segmenter.models.supervision import PresenceGate
from segmenter.training.metrics import METRICS

HALF = np.float32(0.5)


@pytest.mark.parametrize("probability", [np.nextafter(HALF, np.float32(0)), HALF, np.nextafter(HALF, np.float32(1))])
def test_training_masks_and_gates_agree_on_a_half(probability):
    lesion = bool(probability >= HALF)
    p = np.full((1, 1, 1, 1), probability, np.float32)
    assert bool(threshold_mask(p[0], InferSettings()).any()) == lesion
    for metric in ("sensitivity", "binary_accuracy"):
        assert float(METRICS[metric](np.ones_like(p), p)) == lesion
    assert float(METRICS["specificity"](np.zeros_like(p), p)) == (not lesion)
    gated = PresenceGate()([keras.ops.ones_like(p), keras.ops.convert_to_tensor(p[0, 0])])
    assert float(gated[0, 0, 0, 0]) == lesion


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.7, 0.95])
def test_a_threshold_is_met_in_the_precision_of_the_probabilities(threshold):
    p = np.full((1, 1, 1), threshold, np.float32)
    assert threshold_mask(p, InferSettings(threshold=threshold)).all()
    assert is_lesion(p, np.float64(threshold)).all()
