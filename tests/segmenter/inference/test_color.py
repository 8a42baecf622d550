"""Training, evaluation and inference see the same pixels, whatever the channels of file and model."""

import cv2
import keras
import numpy as np
import pytest

from segmenter.configuration import Configuration, InferSettings
from segmenter.data.dataset import read_data_set
from segmenter.evaluation.predictions import predict_batches
from segmenter.inference.jobs import Job
from segmenter.inference.plan import Plan
from segmenter.inference.run import infer, inference_identity
from segmenter.models.saved_models import load_predictor

SIDE = 32


def write_model(path, channels):
    """Marks what is red (of three channels) or bright (of one)."""
    pixels = keras.Input((SIDE, SIDE, channels))
    layer = keras.layers.Conv2D(1, 1, activation="sigmoid", name="mark")
    model = keras.Model(pixels, layer(pixels))
    weights = [1 / 8, -1 / 8, 0] if channels == 3 else [1 / 8]
    layer.set_weights(
        [np.array(weights, np.float32).reshape(1, 1, channels, 1), np.array([-16 if channels == 1 else -4], np.float32)]
    )
    model.save(path)
    return path


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("is_color", [False, True])
def test_evaluate_and_infer_find_the_same(tmp_path, write_data_set, is_color, suffix, channels):
    folder = write_data_set(tmp_path / "set", train=1, valid=1, test=1)
    sample = read_data_set(folder).split("test")[0]
    pixels = np.full((SIDE, SIDE, 3), (120, 120, 120), np.uint8)
    pixels[8:20, 4:16] = (0, 90, 230)  # blue, green, red: hardly brighter than what is around
    pixels = pixels if is_color else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY) + 15
    sample.image.unlink()
    cv2.imwrite(str(sample.image.with_suffix(suffix)), pixels)
    sample = read_data_set(folder).split("test")[0]
    model = write_model(tmp_path / "model.keras", channels)
    _, _, probabilities = next(predict_batches(load_predictor(model), [sample], Configuration()))
    plan, jobs = Plan((model,), InferSettings()), [Job("a", sample.image)]
    infer(plan, jobs, tmp_path / "out", inference_identity(plan, jobs))
    found = cv2.imread(str(tmp_path / "out/masks/a.png"), cv2.IMREAD_GRAYSCALE) > 0
    np.testing.assert_array_equal(found, probabilities[0, ..., 0] >= 0.5)
    if is_color and channels == 3:
        assert found[10:18, 6:14].all()
        assert not found[24:].any()
