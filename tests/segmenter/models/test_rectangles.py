"""Networks of inputs that are higher than wide."""

import numpy as np
import pytest

from segmenter.configuration.networks import MODEL_SETTINGS
from segmenter.models import MODELS, build_model
from segmenter.models.input_names import input_name
from segmenter.models.inspection import count_multiply_accumulates
from segmenter.models.saved_models import load_predictor, save_for_prediction

# The others consist of layers that take any size.
SHAPED = ("DeepLabV3Plus", "SwinUNet", "TransUNet")


@pytest.mark.parametrize(
    "name", [name if name in SHAPED else pytest.param(name, marks=pytest.mark.slow) for name in sorted(MODELS)]
)
def test_every_network_takes_a_rectangle(name, configure):
    configuration = configure(model__model=name, model__image_height=64, model__image_width=32, dataset__crop="breast")
    model = build_model(configuration.model, configuration.image, crop="breast")
    assert model.inputs[0].shape == (None, 64, 32, 1)
    assert model.outputs[0].shape == (None, 64, 32, 1)


def test_a_saved_model_of_crops_is_known_by_its_input(configure, tmp_path):
    model = build_model(configure(model__image_height=32, dataset__crop="breast").model, crop="breast")
    assert model.inputs[0].name == input_name(crop="breast")
    save_for_prediction(model, tmp_path / "model.keras")
    predictor = load_predictor(tmp_path / "model.keras")
    assert (predictor.height, predictor.width, predictor.crop) == (32, 16, "breast")
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 16, 1), np.uint8)
    np.testing.assert_allclose(predictor.predict(images), model.predict_on_batch(images), atol=1e-6)


def test_a_rectangle_of_half_a_square_costs_half(configure):
    sizes = [{"model__image_height": 32, "model__image_width": width, "dataset__crop": "breast"} for width in (32, 16)]
    square, half = (sum(count_multiply_accumulates(build_model(configure(**size).model)).values()) for size in sizes)
    assert 2 * half == square


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"SwinUNet"}))
def test_the_usual_rectangle_suits_the_defaults(name):
    assert MODEL_SETTINGS[name](image_height=256, image_width=160).side_multiple <= 32


def test_windows_have_to_fill_each_stage_of_a_rectangle():
    settings = MODEL_SETTINGS["SwinUNet"]
    with pytest.raises(ValueError, match=r"image_width 160 makes stages of \[40, 20, 10, 5\] tokens per side; each must be a"):
        settings(image_height=256, image_width=160)
    with pytest.raises(
        ValueError,
        match="image_height 256 and image_width 160 make a stage of 8 x 5 tokens, which windows of 5 tokens do not fill",
    ):
        settings(image_height=256, image_width=160, window_size=[8, 4, 2, 8])
    assert settings(image_height=256, image_width=160, window_size=[8, 4, 2, 1]).windows == (8, 4, 2, 1)
    assert settings(image_height=256, image_width=128).windows == (4, 4, 4, 4)
