import cv2
import keras
import numpy as np
import pytest

from segmenter.configuration import ImageSettings
from segmenter.models import build_model
from segmenter.models.preprocessing import preprocess
from segmenter.models.saved_models import load_predictor, save_whole


def apply(image, **settings):
    return np.asarray(preprocess(keras.ops.convert_to_tensor(image[None].astype(np.float32)), ImageSettings(**settings)))[0]


def test_gamma_changes_levels_and_keeps_both_ends():
    levels = np.array([[[0], [51], [255]]])
    np.testing.assert_allclose(apply(levels, gamma=2.0)[0, :, 0], [0, 255 * 0.2**2, 255], atol=1e-3)


@pytest.mark.parametrize(("size", "sigma"), [(3, 0.8), (5, 1.1), (9, 1.7)])
def test_blur_is_that_of_opencv(size, sigma):
    image = np.random.default_rng(1).integers(0, 256, (24, 24), np.uint8)
    expected = cv2.GaussianBlur(image.astype(np.float32), (size, size), sigma)
    np.testing.assert_allclose(apply(image[..., None], blur_size=size)[..., 0], expected, atol=1e-3)


def test_sharpening_raises_an_edge_and_stays_in_range():
    image = np.zeros((12, 12, 1))
    image[:, 6:] = 100
    sharp = apply(image, sharpening=1.0)[6, :, 0]
    assert sharp[6] > 100
    assert sharp[5] == 0
    np.testing.assert_allclose(sharp[[2, 8]], [0, 100], atol=1e-3)
    assert apply(image * 2.55, sharpening=5.0).max() <= 255


@pytest.mark.parametrize("code", ["COLOR_RGB2BGR", "COLOR_RGB2GRAY", "COLOR_RGB2HSV", "COLOR_RGB2YCrCb"])
def test_colors_are_those_of_opencv(code):
    image = np.random.default_rng(2).integers(0, 256, (6, 6, 3), np.uint8)
    if code == "COLOR_RGB2GRAY":
        expected = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, -1)
    else:
        expected = cv2.cvtColor(image, getattr(cv2, code.replace("HSV", "HSV_FULL")))
    converted = np.asarray(apply(image, color_converter=code))
    difference = np.abs(converted - expected)
    if code == "COLOR_RGB2HSV":
        difference[..., 0] = np.minimum(difference[..., 0], 255 - difference[..., 0])  # hue is a circle
    assert difference.max() <= 2


def test_the_options_are_in_the_saved_model(tmp_path, configure):
    configuration = configure(
        model__image_channels=3,
        image__gamma=0.5,
        image__sharpening=1.0,
        image__blur_size=3,
        image__color_converter="COLOR_RGB2HSV",
    )
    model, plain = (build_model(configuration.model, image) for image in (configuration.image, ImageSettings()))
    plain.set_weights(model.get_weights())
    save_whole(model, tmp_path / "model.keras")
    images = np.random.default_rng(3).integers(0, 256, (2, 16, 16, 3), np.uint8)
    expected = plain.predict_on_batch(np.stack([apply(image, **configuration.image.model_dump()) for image in images]))
    np.testing.assert_allclose(load_predictor(tmp_path / "model.keras").predict(images), expected, atol=1e-5)
