import inspect
import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError, create_model

from segmenter.configuration import objectives
from segmenter.configuration.networks import SlightlyFlexibleUNetSettings
from segmenter.training.losses import LOSSES, loss, make_loss
from segmenter.training.metrics import METRICS, keras_metrics, metric_functions


def pixels(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(1, 1, -1, 1)


# Ground truth and probabilities of four pixels; sums by hand: y p = 1.5, y = 2, p = 2.
TRUTH, PROBABLE = pixels(1, 1, 0, 0), pixels(0.9, 0.6, 0.4, 0.1)
EMPTY, NOTHING, FULL = pixels(0, 0, 0, 0), pixels(0, 0, 0, 0), pixels(1, 1, 1, 1)
BCE = -(math.log(0.9) + math.log(0.6)) / 2  # the two pairs of pixels mirror each other


@pytest.mark.parametrize(
    ("metric", "truth", "predicted", "value"),
    [
        pytest.param("dice_coef", TRUTH, PROBABLE, (2 * 1.5 + 1) / (2 + 2 + 1), id="dice"),
        pytest.param("dice_coef", EMPTY, NOTHING, 1.0, id="dice of an empty prediction on an empty mask"),
        pytest.param("dice_coef", EMPTY, FULL, 1 / 5, id="dice of a full prediction on an empty mask"),
        pytest.param("dice_coef", FULL, NOTHING, 1 / 5, id="dice of an empty prediction on a full mask"),
        pytest.param("iou_coef", TRUTH, PROBABLE, 1.5 / 2.5, id="iou"),
        pytest.param("iou_coef", EMPTY, NOTHING, 1.0, id="iou of an empty prediction on an empty mask"),
        pytest.param("iou_coef", EMPTY, FULL, 0.0, id="iou of a full prediction on an empty mask"),
        pytest.param("sensitivity", pixels(1, 1, 1, 0), pixels(0.9, 0.6, 0.4, 0.8), 2 / 3, id="sensitivity"),
        pytest.param("sensitivity", EMPTY, FULL, 1.0, id="sensitivity on an empty mask"),
        pytest.param("specificity", pixels(1, 0, 0, 0), pixels(0.1, 0.1, 0.2, 0.8), 2 / 3, id="specificity"),
        pytest.param("specificity", FULL, NOTHING, 1.0, id="specificity on a full mask"),
        pytest.param("binary_accuracy", pixels(1, 0, 0, 0), pixels(0.9, 0.1, 0.2, 0.8), 3 / 4, id="accuracy"),
    ],
)
def test_metric(metric, truth, predicted, value):
    assert float(METRICS[metric](truth, predicted)) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("classes", [1, 2])
def test_saturated_pixels_have_one_loss_in_fit_and_evaluate_and_still_learn(classes):
    activation = "sigmoid" if classes == 1 else "softmax"
    logits = keras.Input((1, 4, classes))
    model = keras.Model(logits, keras.layers.Activation(activation)(logits))
    model.compile(loss=LOSSES["bce_loss"])
    values = np.array([-40, 40, -3, 17], np.float32).reshape(1, 1, 4, 1)
    values = values if classes == 1 else np.concatenate([-values, values], -1)
    in_fit = model.evaluate(values, TRUTH, verbose=0)
    from_file = float(LOSSES["bce_loss"](TRUTH, model.predict(values, verbose=0)))
    assert in_fit == pytest.approx(from_file, rel=1e-6)
    assert in_fit < 17  # -log(1e-7) is 16.1

    @tf.function
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = LOSSES["bce_loss"](TRUTH, model(x))
        return tape.gradient(value, x)

    assert abs(float(slope(tf.constant(values))[0, 0, 0, -1])) > 0.1  # a missed lesion pixel at a logit of -40


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dice_loss", 1 - 4 / 5),
        ("iou_loss", 1 - 0.6),
        ("bce_dice_loss", (BCE + 1 - 4 / 5) / 2),
        ("bce_image_dice_loss", (BCE + 1 - 4 / 5) / 2),
        ("bce_iou_loss", (BCE + 1 - 0.6) / 2),
    ],
)
def test_loss(name, value):
    assert float(LOSSES[name](TRUTH, PROBABLE)) == pytest.approx(value, abs=1e-6)


def test_by_image_each_image_weighs_the_same():
    """The second image has four times as many pixels as lesion; over the batch together it would count more."""
    y, p = np.zeros((2, 4, 4, 1), np.float32), np.zeros((2, 4, 4, 1), np.float32)
    y[0, 0, :2], p[0, 0, :2], p[0, 1, :2] = 1, 1, 0.5
    y[1, :2], p[1, :2] = 1, 0.25
    dices = (2 * 2 + 1) / (2 + 3 + 1), (2 * 2 + 1) / (8 + 2 + 1)
    expected = (float(LOSSES["bce_loss"](y, p)) + 1 - sum(dices) / 2) / 2
    assert float(LOSSES["bce_image_dice_loss"](y, p)) == pytest.approx(expected, abs=1e-6)
    assert expected != pytest.approx(float(LOSSES["bce_dice_loss"](y, p)), abs=1e-3)


def test_metrics_are_computed_over_the_whole_batch():
    large, small = pixels(1, 1, 1, 1), pixels(0, 0, 0, 1)
    detected, missed = pixels(1, 1, 1, 1), NOTHING
    together = float(METRICS["dice_coef"](np.concatenate([large, small]), np.concatenate([detected, missed])))
    assert together == pytest.approx((2 * 4 + 1) / (5 + 4 + 1))


def make(**losses):
    return make_loss(SlightlyFlexibleUNetSettings(loss=losses))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # TP 1.5, FP 0.5, FN 0.5 and the weights 0.3 and 0.7
        pytest.param("tversky_loss", 1 - (1.5 + 1) / (1.5 + 0.3 * 0.5 + 0.7 * 0.5 + 1), id="Tversky"),
        pytest.param("focal_tversky_loss", (1 - 2.5 / 3.0) ** 0.75, id="focal Tversky"),
        # of each pair one pixel is lesion (weight 0.25) and one is not (0.75)
        pytest.param("focal_loss", -(0.1**2 * math.log(0.9) + 0.4**2 * math.log(0.6)) / 4, id="focal"),
    ],
)
def test_loss_with_parameters(name, value):
    assert float(make(**{name: 1.0})(TRUTH, PROBABLE)) == pytest.approx(value, rel=1e-4)


def test_losses_are_added_by_weight_and_come_back_from_a_file():
    added = make(bce_loss=0.5, iou_loss=2.0)
    assert float(added(TRUTH, PROBABLE)) == pytest.approx(0.5 * BCE + 2.0 * 0.4, rel=1e-5)
    for original in (added, make(tversky_loss=1.0)):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(original))
        assert float(again(TRUTH, PROBABLE)) == float(original(TRUTH, PROBABLE))


def test_a_loss_of_an_older_checkpoint_holds_the_parameters_of_all_losses():
    parameters = {"tversky_alpha": 0.3, "tversky_beta": 0.7, "focal_alpha": 0.25, "focal_gamma": 2.0}
    saved = {"weights": {"tversky_loss": 1.0}, **parameters, "name": "weighted_loss"}
    described = {"module": "builtins", "class_name": "WeightedLoss", "config": saved, "registered_name": "cesm>WeightedLoss"}
    loaded = keras.saving.deserialize_keras_object(described)
    assert float(loaded(TRUTH, PROBABLE)) == pytest.approx(1 - 2.5 / 3.0, rel=1e-5)


def test_the_hybrid_loss_is_the_mean_of_cross_entropy_structure_and_overlap():
    rng = np.random.default_rng(1)
    y, p = rng.integers(0, 2, (2, 16, 16, 1)).astype(np.float32), rng.random((2, 16, 16, 1), np.float32)
    ssim = float(tf.reduce_mean(tf.image.ssim(tf.constant(y), tf.constant(p), 1.0)))
    expected = (float(LOSSES["bce_loss"](y, p)) + (1 - ssim) + float(LOSSES["iou_loss"](y, p))) / 3
    assert float(LOSSES["basnet_hybrid_loss"](y, p)) == pytest.approx(expected, abs=1e-5)
    assert float(LOSSES["ssim_loss"](y, y)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("level", [0.0, 1.0, 0.3], ids=["nothing", "all", "some"])
def test_losses_and_their_gradients_are_finite_on_empty_masks(name, level, classes):
    p = np.full((1, 12, 12, classes), level, np.float32)
    if classes > 1:
        p[..., 0] = 1 - level
        p[..., 2] = 0
    with tf.GradientTape() as tape:
        variable = tf.Variable(p)
        value = make(**{name: 1.0})(np.zeros((1, 12, 12, 1), np.uint8), variable)
    assert math.isfinite(float(value))
    assert np.isfinite(tape.gradient(value, variable).numpy()).all()


# Four pixels of the classes 0, 1, 2, 1; the most probable ones are 0, 1, 1, 0.
CLASSES = np.array([0, 1, 2, 1], np.uint8).reshape(1, 1, 4, 1)
SURE = np.array([[1, 0, 0], [0, 0.9, 0.1], [0.2, 0.5, 0.3], [0.7, 0.2, 0.1]], np.float32).reshape(1, 1, 4, 3)


@pytest.mark.parametrize(
    ("metric", "by_class"),
    [
        # class 1: y p = 1.1, y = 2, p = 1.6; class 2: y p = 0.3, y = 1, p = 0.5
        pytest.param("dice_coef", [(2 * 1.1 + 1) / (2 + 1.6 + 1), (2 * 0.3 + 1) / (1 + 0.5 + 1)], id="dice"),
        pytest.param("iou_coef", [1.1 / 2.5, 0.3 / 1.2], id="iou"),
        pytest.param("sensitivity", [1 / 2, 0.0], id="sensitivity"),
        pytest.param("specificity", [1 / 2, 1.0], id="specificity"),
        pytest.param("binary_accuracy", [2 / 4, 3 / 4], id="accuracy"),
    ],
)
def test_metric_of_several_classes(metric, by_class):
    functions = metric_functions([metric], ["benign", "malignant"])
    assert list(functions) == [metric, f"{metric}_benign", f"{metric}_malignant"]
    values = [float(function(CLASSES, SURE)) for function in functions.values()]
    assert values == pytest.approx([sum(by_class) / 2, *by_class], abs=1e-6)


def test_cross_entropy_of_several_classes_runs_over_all_of_them():
    expected = -(math.log(1) + math.log(0.9) + math.log(0.3) + math.log(0.2)) / 4
    assert float(LOSSES["bce_loss"](CLASSES, SURE)) == pytest.approx(expected, abs=1e-5)


def test_a_metric_of_a_class_comes_back_from_a_file_and_averages_over_batches():
    metric = keras_metrics(["dice_coef"], ["benign", "malignant"])[2]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert again.name == "dice_coef_malignant"
    again.update_state(CLASSES, SURE)
    again.update_state(CLASSES, tf.one_hot(CLASSES[..., 0], 3))
    assert float(again.result()) == pytest.approx((1.6 / 2.5 + 1) / 2, abs=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("level", [0.0, 1e-9, 1.0])
def test_the_focal_loss_has_a_finite_slope_for_every_gamma(gamma, level):
    focal = make_loss(SlightlyFlexibleUNetSettings(loss="focal_loss", focal_gamma=gamma))
    with tf.GradientTape() as tape:
        p = tf.Variable(np.full((1, 2, 2, 1), level, np.float32))
        value = focal(np.array([0, 1, 0, 1], np.uint8).reshape(1, 2, 2, 1), p)
    assert np.isfinite(tape.gradient(value, p).numpy()).all()


def test_declarations_and_functions_are_the_same_losses_and_metrics():
    assert list(METRICS) == list(objectives.METRICS)
    assert set(LOSSES) == set(objectives.LOSSES)
    for name, function in LOSSES.items():
        parameters = [parameter.name for parameter in objectives.LOSSES[name].parameters]
        assert list(inspect.signature(function).parameters) == ["y_true", "y_pred", *parameters]


def test_the_documentation_lists_each_loss_parameter_and_metric_as_declared():
    text = (Path(__file__).parents[3] / "docs/segmenter.md").read_text()
    for name, declared in objectives.LOSSES.items():
        keys = ", ".join(f"`{parameter.name}` {parameter.default:g}" for parameter in declared.parameters)
        assert f"| `{name}` | {declared.meaning} | {keys}{' ' if keys else ''}|\n" in text
    for parameter in objectives.loss_parameters().values():
        assert f"`{parameter.name}`: {parameter.meaning}" in text
    for name, meaning in objectives.METRICS.items():
        assert f"`{name}` ({meaning})" in text


def test_a_loss_with_a_parameter_is_one_declaration_and_its_function(monkeypatch):
    exponent = objectives.Parameter("exponent", 2.0, {"ge": 1}, "exponent of the differences")
    monkeypatch.setitem(objectives.LOSSES, "power_loss", objectives.Loss("mean difference to a power", (exponent,)))
    monkeypatch.setattr("segmenter.training.losses.LOSSES", dict(LOSSES))

    @loss
    def power_loss(y_true, y_pred, exponent):
        return tf.reduce_mean(tf.abs(y_true - y_pred) ** exponent)

    # What importing segmenter.configuration.model does with the declarations.
    settings = create_model("Settings", __base__=SlightlyFlexibleUNetSettings, **objectives.parameter_fields())
    assert float(make_loss(settings(loss="power_loss"))(TRUTH, PROBABLE)) == pytest.approx((0.1**2 + 0.4**2) / 2)
    assert float(make_loss(settings(loss="power_loss", exponent=1.0))(TRUTH, PROBABLE)) == pytest.approx(0.25)
    with pytest.raises(ValidationError, match="exponent\n  Input should be greater than or equal to 1"):
        settings(exponent=0.5)
