"""MultiResUNet, UNet3Plus, U2Net and SharpUNet: what each takes from its paper, and training with side branches."""

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from segmenter.configuration.networks import (
    MODEL_SETTINGS,
    MultiResUNetSettings,
    SharpUNetSettings,
    U2NetSettings,
    UNet3PlusSettings,
)
from segmenter.models import build_model
from segmenter.models.saved_models import load_predictor, load_whole, save_for_prediction, save_whole
from segmenter.models.sharp_unet import Sharpen
from segmenter.models.supervision import PresenceGate, Supervised
from segmenter.training.compilation import compile_model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "published"),
    [
        pytest.param(MultiResUNetSettings(base_filters=32, image_channels=3), 7_262_750, id="MultiResUNet, 2-D"),
        pytest.param(UNet3PlusSettings(base_filters=64, image_channels=3), 26_970_000, id="UNet 3+, 26.97 M"),
        pytest.param(U2NetSettings(base_filters=32, image_channels=3), 44_000_000, id="U2-Net, a file of 176.3 MB"),
        pytest.param(U2NetSettings(lite=True, image_channels=3), 1_130_000, id="U2-Net lite, a file of 4.7 MB"),
        pytest.param(SharpUNetSettings(base_filters=32, image_channels=3), 7_760_097, id="Sharp U-Net, as the UNet"),
    ],
)
def test_the_papers_settings_give_the_papers_size(settings, published):
    model = build_model(settings)
    assert model.count_params() == pytest.approx(published, rel=0.02)
    # The only parameters that are not learned are the moving mean and variance of each normalised channel.
    normalised = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    learned = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    assert model.count_params() - learned == sum(2 * layer.gamma.shape[0] for layer in normalised)
    assert learned == pytest.approx(published, rel=0.02)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"classification_guided": True}, "so turn both on, or both off", id="guide without supervision"),
        pytest.param({"num_layers": 1}, "greater than or equal to 2", id="no scales"),
        pytest.param({"image_width": 40, "image_height": 40}, "give a multiple of 16, such as 32 or 48", id="side"),
    ],
)
def test_unet3plus_refuses(settings, message):
    with pytest.raises(ValidationError, match=message):
        UNet3PlusSettings(**settings)


def test_u2net_names_the_sides_it_takes():
    with pytest.raises(ValidationError, match=r"image_width 48 does not suit model U2Net, which halves it 5 times; .* 32 or 64"):
        U2NetSettings(image_width=48, image_height=48)


@pytest.mark.parametrize(
    "settings_class",
    [MultiResUNetSettings, UNet3PlusSettings, pytest.param(U2NetSettings, marks=pytest.mark.slow), SharpUNetSettings],
)
def test_dropout_and_activation_reach_the_network(settings_class):
    sides = {"image_width": 32, "image_height": 32}
    model = build_model(settings_class(**sides, base_filters=2, dropout_rate=0.3, activation="elu"))
    assert {layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)} == {0.3}
    activations = [layer.activation.__name__ for layer in model.layers if isinstance(layer, keras.layers.Activation)]
    assert activations.count("elu") > 10
    assert "relu" not in activations


def test_multires_blocks_have_the_papers_filters():
    model = build_model(MultiResUNetSettings(image_width=16, image_height=16, base_filters=32, num_layers=3))
    # A sixth, a third and a half of W = 1.67 * 32 = 53.44.
    assert [model.get_layer(f"encoder0_conv{step}").filters for step in (1, 2, 3)] == [8, 17, 26]
    assert model.get_layer("encoder0_conv_shortcut").filters == 51
    convolutions = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [sum(name.startswith(f"path{level}_") and name.endswith("_conv") for name in convolutions) for level in (0, 1)] == [
        2,
        1,
    ]


def test_unet3plus_joins_all_scales_at_each_level():
    model = build_model(UNet3PlusSettings(image_width=32, image_height=32, base_filters=2, num_layers=4))
    kinds = {"MaxPooling2D": "pool", "UpSampling2D": "up"}
    scales = {
        layer.name: (kinds[type(layer).__name__], layer.pool_size[0] if hasattr(layer, "pool_size") else layer.size[0])
        for layer in model.layers
        if "_from" in layer.name and type(layer).__name__ in kinds
    }
    assert {name: scale for name, scale in scales.items() if name.startswith("decoder2")} == {
        "decoder2_from0_pool": ("pool", 4),
        "decoder2_from1_pool": ("pool", 2),
        "decoder2_from3_up": ("up", 2),
    }
    # Encoder and decoder of level 2 have 8 filters each, so shapes do not show which of the two level 1 gets.
    assert model.get_layer("decoder1_from2_up").input.name == model.get_layer("decoder2_act").output.name
    assert [model.get_layer(f"join{level}").output.shape[1:] for level in (0, 1, 2)] == [(32, 32, 8), (16, 16, 8), (8, 8, 8)]


def test_u2net_fuses_the_predictions_of_six_scales():
    model = build_model(U2NetSettings(image_width=32, image_height=32, base_filters=2, num_classes=3))
    assert isinstance(model, Supervised)
    assert [output.shape for output in model.outputs] == [(None, 32, 32, 3)] * 7
    assert model.get_layer("lesion").input.shape == (None, 32, 32, 18)
    bottoms = [model.get_layer(f"encoder{number}_conv_bottom") for number in (1, 2, 3, 4, 5, 6)]
    assert [layer.input.shape[1] for layer in bottoms] == [1, 1, 1, 1, 2, 1]
    assert [layer.dilation_rate[0] for layer in bottoms] == [2, 2, 2, 2, 8, 8]
    assert [layer.filters for layer in bottoms] == [2, 2, 4, 8, 16, 16]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_sharpen_is_the_laplacian_of_each_channel(dtype):
    image = np.zeros((1, 5, 5, 2), np.float32)
    image[0, 2, 2] = 1, -2
    layer = Sharpen(dtype=dtype)
    sharp = layer(keras.ops.convert_to_tensor(image, dtype))
    assert keras.backend.standardize_dtype(sharp.dtype) == dtype
    assert not layer.weights
    spot = np.array([[0, 0, 0, 0, 0], [0, -1, -1, -1, 0], [0, -1, 8, -1, 0], [0, -1, -1, -1, 0], [0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(keras.ops.cast(sharp, "float32")[0], np.stack([spot, -2 * spot], -1))


@pytest.mark.parametrize(
    ("presence", "training", "expected"),
    [
        (0.5, False, [0.2, 0.3, 0.5]),
        (0.49, False, [1.0, 0.0, 0.0]),
        (0.49, True, [0.2, 0.3, 0.5]),
    ],
)
def test_outside_training_the_gate_shuts_if_no_lesion_is_predicted(presence, training, expected):
    gate, probability = PresenceGate(), np.array([[presence]], np.float32)
    several = np.array([0.2, 0.3, 0.5], np.float32).reshape(1, 1, 1, 3)
    np.testing.assert_allclose(np.ravel(gate([several, probability], training=training)), expected, atol=1e-6)
    np.testing.assert_allclose(np.ravel(gate([several[..., 1:2], probability], training=training)), expected[1:2], atol=1e-6)


@pytest.fixture
def supervised(configure):
    """A compiled UNet3Plus with a side branch and the classification-guided module."""
    keras.utils.set_random_seed(1)
    model = compile_model(configure(model__model="UNet3Plus", model__normalization=False))
    model.run_eagerly = True  # making graphs would take longer than the few steps
    return model


@pytest.fixture
def pairs(draw_pair):
    """Two images of 16 px, one of them with a lesion."""
    image, mask = draw_pair(0, side=16)
    images, masks = np.stack([image, np.full_like(image, 40)]), np.stack([mask, np.zeros_like(mask)])
    return images[..., None], masks[..., None] // 255


def test_branches_add_to_the_loss_in_training_only(supervised, pairs):
    images, masks = pairs
    prediction, side, presence = supervised(images)
    own, branch = float(supervised.loss(masks, prediction)), float(supervised.loss(masks, side))
    # One image with a lesion and one without.
    presence_loss = float(-(np.log(presence[0, 0]) + np.log1p(-presence[1, 0])) / 2)
    outputs = [prediction, side, presence]
    assert float(supervised.compute_loss(images, masks, outputs, training=False)) == pytest.approx(own)
    assert float(supervised.compute_loss(images, masks, outputs)) == pytest.approx(own + branch + presence_loss, rel=1e-5)


def test_a_supervised_model_continues_after_loading_and_returns_only_its_prediction(supervised, pairs, tmp_path):
    images, masks = pairs
    fit = {"batch_size": 2, "epochs": 1, "shuffle": False, "verbose": 0, "validation_data": (images, masks)}
    first = supervised.fit(images, masks, **fit).history
    assert set(first) == {"loss", "dice_coef", "val_loss", "val_dice_coef"}
    predicted = supervised.predict_on_batch(images)
    assert predicted.shape == masks.shape
    assert predicted.all()  # the gate is open, so there is something to compare below
    assert first["val_loss"][0] == pytest.approx(float(supervised.loss(masks, predicted)), rel=1e-5)

    save_whole(supervised, tmp_path / "whole.keras")
    save_for_prediction(supervised, tmp_path / "small.keras")
    whole, small = load_whole(tmp_path / "whole.keras"), load_predictor(tmp_path / "small.keras")
    assert isinstance(whole, Supervised)
    whole.run_eagerly = True
    assert len(small.model.outputs) == 1
    assert not [layer.name for layer in small.model.layers if "side" in layer.name]
    np.testing.assert_allclose(small.predict(images), predicted, atol=1e-6)

    # The second step depends on the optimizer's moments, so equal losses after it need those as well.
    fit["epochs"] = 2
    ongoing, loaded = supervised.fit(images, masks, **fit).history, whole.fit(images, masks, **fit).history
    assert set(loaded) == set(ongoing)
    for name, values in ongoing.items():
        assert loaded[name] == pytest.approx(values, rel=1e-5), name
    assert ongoing["loss"][1] != ongoing["loss"][0]


@pytest.mark.parametrize("name", ["SlightlyFlexibleUNet", "AttentionUNet", "MultiResUNet"])
def test_moving_averages_follow_within_an_epoch(name):
    settings = MODEL_SETTINGS[name](image_width=16, image_height=16, base_filters=2, num_layers=2, normalization=True)
    norms = [layer for layer in build_model(settings).layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms
    assert {layer.momentum for layer in norms} == {0.9}
