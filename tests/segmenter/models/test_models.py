import json
import re
import zipfile

import keras
import numpy as np
import pytest

from pipeline.files import InputError
from segmenter.configuration import load_configuration
from segmenter.configuration.networks import MODEL_SETTINGS
from segmenter.configuration.networks import SlightlyFlexibleUNetSettings as UNetSettings
from segmenter.models import MODELS, build_model
from segmenter.models.saved_models import load_predictor, load_whole, save_for_prediction, save_whole
from segmenter.training.compilation import compile_model

# What a network needs in addition to its tiny settings to memorise two images of 64 px.
OVERFIT: dict[str, dict[str, object]] = {
    "SlightlyFlexibleUNet": {"base_filters": 8, "num_layers": 3},
    "AttentionUNet": {"base_filters": 8, "num_layers": 3},
    "MultiResUNet": {"base_filters": 8, "num_layers": 3},
    "SwinUNet": {
        "base_filters": 16,
        "num_heads": [2, 4],
        "patch_size": 2,
        "window_size": 4,
        "drop_path": 0.0,
        "learning_rate": 0.002,
    },
    "EfficientUNet": {"base_filters": 8},
    "DeepLabV3Plus": {"base_filters": 16, "skip_filters": 8},
    "TransUNet": {"base_filters": 8, "hidden_size": 32, "mlp_size": 64, "decoder_filters": [32, 32, 16, 16, 8]},
    "UNet3Plus": {"base_filters": 8, "num_layers": 3},
    "U2Net": {"base_filters": 4},
    "SharpUNet": {"base_filters": 8, "num_layers": 3},
}


# Networks of hundreds of layers, of which a step or a copy takes several seconds.
DEEP = ("DeepLabV3Plus", "EfficientUNet", "U2Net")


def networks(*slow: str) -> list:
    """The names as parameters of a test; those given run in `make test-slow` only."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in slow else name for name in sorted(MODELS)]


@pytest.mark.parametrize(
    ("channels", "parameters"),
    [
        pytest.param(3, 124_996_849, marks=pytest.mark.slow),
        (1, 124_994_257),
    ],
)
def test_the_published_network_has_the_published_size(channels, parameters):
    settings = load_configuration("published").model.model_copy(update={"image_channels": channels})
    assert build_model(settings).count_params() == parameters


def test_levels_shrink_kernel_and_dilation_and_the_decoder_mirrors_them():
    model = build_model(
        UNetSettings(
            image_width=64, image_height=64, base_filters=2, base_kernels=(7, 5), num_layers=4, dilation=(3, 2), dropout_rate=0.1
        )
    )
    for half, levels in (("encoder", 4), ("decoder", 3)):
        layers = [model.get_layer(f"{half}{level}_conv{step}") for level in range(levels) for step in (1, 2)]
        assert [layer.filters for layer in layers] == [2, 2, 4, 4, 8, 8, 16, 16][: 2 * levels]
        assert [layer.kernel_size for layer in layers[::2]] == [(7, 5), (5, 3), (3, 3), (3, 3)][:levels]
        assert [layer.dilation_rate for layer in layers[::2]] == [(3, 2), (2, 1), (1, 1), (1, 1)][:levels]
        rates = {layer.name: layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)}
        assert [rates.get(f"{half}{level}_dropout", 0) for level in range(levels)] == pytest.approx([0, 0.1, 0.2, 0.3][:levels])


def test_normalization_follows_each_convolution_of_a_level():
    model = build_model(UNetSettings(image_width=16, image_height=16, base_filters=2, num_layers=2, normalization=True))
    assert sum(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers) == 2 * (2 + 1)


@pytest.mark.parametrize("normalize", [True, False])
def test_scaling_is_inside_only_where_it_is_on(normalize):
    model = build_model(UNetSettings(image_width=16, image_height=16, base_filters=2, num_layers=1, input_normalize=normalize))
    scaled = keras.Model(model.input, model.get_layer("encoder0_conv1").input)
    assert float(scaled(np.full((1, 16, 16, 1), 255, np.uint8))[0, 0, 0, 0]) == (1.0 if normalize else 255.0)


@pytest.mark.parametrize("name", networks(*DEEP, "TransUNet"))
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.filterwarnings("error:The structure of `inputs` doesn't match:UserWarning")
def test_a_saved_model_predicts_the_same_under_safe_mode(name, mixed, tmp_path, configure):
    keras.utils.set_random_seed(1)
    configuration = configure(model__model=name, model__mixed_precision=mixed, model__dropout_rate=0.2)
    model, side = compile_model(configuration), configuration.model.image_width
    model.optimizer.build(model.trainable_variables)  # as the first step does; a run saves no model before it
    images = np.random.default_rng(1).integers(0, 256, (2, side, side, 1), np.uint8)
    save_for_prediction(model, tmp_path / "small.keras")
    save_whole(model, tmp_path / "whole.keras")
    predictor = load_predictor(tmp_path / "small.keras")
    whole = load_whole(tmp_path / "whole.keras")
    for each in (model, predictor.model, whole):
        each.run_eagerly = True  # for one step of hundreds of layers, making a graph would take far longer
    expected = model.predict_on_batch(images)
    assert expected.dtype == np.float32
    assert (predictor.width, predictor.channels) == (side, 1)
    np.testing.assert_allclose(predictor.predict(images), expected, atol=1e-6)
    np.testing.assert_allclose(whole.predict_on_batch(images), expected, atol=1e-6)
    assert not whole.jit_compile
    assert keras.config.dtype_policy().name == "float32"


def test_bfloat16_is_between_input_and_head(configure):
    model = compile_model(configure(model__mixed_precision=True))
    assert model.get_layer("encoder0_conv1").compute_dtype == "bfloat16"
    assert model.get_layer("lesion").compute_dtype == "float32"


def text(path):
    path.write_text("no model")


def broken_zip(path):
    import zipfile

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")


def classifier(path):
    keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]).save(path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        pytest.param(lambda path: None, "there is no such file; give a .keras file", id="absent"),
        pytest.param(text, r"is not a Keras model: it starts with b'no model'; give a .keras file", id="text"),
        pytest.param(broken_zip, r"cannot be loaded as a Keras model \(.*\); give a .keras file", id="another zip"),
        pytest.param(
            classifier,
            r"has the input shape \(None, 8, 8, 1\) and the output shape \(None, 1\); expected one input, \(None, side, side",
            id="another model",
        ),
    ],
)
def test_files_that_are_not_a_model_are_reported(write, message, tmp_path):
    path = tmp_path / "best_model.keras"
    write(path)
    with pytest.raises(InputError, match=message) as error:
        load_predictor(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def one_layer(**changes):
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(**{"filters": 1, "kernel_size": 1} | changes)])


def test_the_only_output_of_a_model_may_have_a_name(tmp_path):
    pixels = keras.Input((8, 8, 1))
    lesion = keras.layers.Conv2D(1, 1, activation="sigmoid", kernel_initializer="zeros")(pixels)
    keras.Model(pixels, {"mask": lesion}).save(tmp_path / "model.keras")
    np.testing.assert_array_equal(load_predictor(tmp_path / "model.keras").predict(np.zeros((2, 8, 8, 1), np.uint8)), 0.5)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        pytest.param(lambda: keras.Sequential([keras.layers.Conv2D(1, 1)]), "has the input shape None", id="not built"),
        pytest.param(lambda: one_layer(filters=300), r"\(None, 8, 8, 300\); expected .* with up to 16 classes", id="300 classes"),
    ],
)
@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
def test_models_of_other_shapes_are_refused(model, message, tmp_path):
    model().save(tmp_path / "model.keras")
    with pytest.raises(InputError, match=message):
        load_predictor(tmp_path / "model.keras")


def test_what_is_a_keras_object_and_no_model_is_refused(tmp_path):
    one_layer().save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "layer.keras", "w") as new, zipfile.ZipFile(tmp_path / "model.keras") as old:
        config = json.loads(old.read("config.json")) | {"module": "keras.layers", "class_name": "ReLU", "config": {"name": "x"}}
        for name in old.namelist():
            new.writestr(name, json.dumps(config) if name == "config.json" else old.read(name))
    with pytest.raises(InputError, match=r"layer.keras: holds a ReLU, which is no Keras model"):
        load_predictor(tmp_path / "layer.keras")


@pytest.mark.parametrize(
    ("bias", "message"),
    [
        pytest.param(7.0, "predicts values from 7 to 7; expected probabilities, 0 to 1: does it lack a sigmoid", id="7"),
        pytest.param(-0.5, "predicts values from -0.5 to -0.5", id="below 0"),
        pytest.param(np.nan, "predicts values from nan to nan", id="not a number"),
    ],
)
def test_what_is_no_probability_is_never_thresholded(bias, message, tmp_path):
    one_layer(kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(bias)).save(tmp_path / "model.keras")
    with pytest.raises(InputError, match=message):
        load_predictor(tmp_path / "model.keras").predict(np.zeros((2, 8, 8, 1), np.uint8))


def test_every_network_has_settings_tiny_settings_and_a_paper(tiny):
    assert list(MODELS) == list(MODEL_SETTINGS) == list(tiny)
    assert all(re.search(r"[12]\d{3}", settings.paper) for settings in MODEL_SETTINGS.values())


@pytest.mark.parametrize(
    ("name", "channels", "classes"),
    [
        *((name, 1, 1) for name in sorted(MODELS)),
        *(pytest.param(name, 3, 3, marks=[pytest.mark.slow] if name in DEEP else []) for name in sorted(MODELS)),
    ],
)
def test_every_network_takes_a_step_and_learns_in_it(name, channels, classes, configure):
    configuration = configure(model__model=name, model__image_channels=channels, model__num_classes=classes)
    model, side = compile_model(configuration), configuration.model.image_width
    model.run_eagerly = True  # for one step of hundreds of layers, making a graph would take far longer
    images = np.random.default_rng(1).integers(0, 256, (2, side, side, channels)).astype(np.uint8)
    masks = images[..., :1] // (128 if classes == 1 else 86)
    before = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    first = model.train_on_batch(images, masks, return_dict=True)
    assert np.isfinite(first["loss"])
    changed = [not np.array_equal(old, new) for old, new in zip(before, model.trainable_variables, strict=True)]
    assert np.mean(changed) > 0.9
    predicted = model.predict_on_batch(images)
    assert predicted.shape == (2, side, side, classes)
    assert predicted.dtype == np.float32
    assert predicted.min() >= 0
    assert predicted.max() <= 1
    if classes > 1:
        np.testing.assert_allclose(predicted.sum(-1), 1, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_network_has_the_listed_number_of_parameters(name):
    assert build_model(MODEL_SETTINGS[name]()).count_params() == MODELS[name].parameters


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_network_memorises_two_phantom_images(name, configure, phantom_pairs):
    """Dice above 0.95 on the two images it was trained on: gradients reach where they are needed."""
    images, masks = phantom_pairs
    changes = {"model": name, "image_width": 64, "image_height": 64, "learning_rate": 0.003} | OVERFIT.get(name, {})
    model = compile_model(configure(**{f"model__{key}": value for key, value in changes.items()}))
    for _ in range(20):
        model.fit(images, masks, batch_size=2, epochs=30, verbose=0)
        predicted = model.predict_on_batch(images) >= 0.5
        dice = 2 * (predicted & (masks > 0)).sum() / (predicted.sum() + masks.sum())
        if dice > 0.95:
            return
    pytest.fail(f"Dice {dice:.3f} after 600 steps")


def test_a_layer_larger_than_the_file_is_refused_before_memory_is_taken(tmp_path):
    image = keras.Input((16, 16, 1))
    keras.Model(image, keras.layers.Conv2D(2, 3, padding="same")(image)).save(tmp_path / "a.keras")
    assert load_predictor(tmp_path / "a.keras").classes == 2
    with zipfile.ZipFile(tmp_path / "a.keras") as whole, zipfile.ZipFile(tmp_path / "giant.keras", "w") as giant:
        for name in whole.namelist():
            data = whole.read(name)
            if name == "config.json":
                config = json.loads(data)
                config["config"]["layers"][1]["config"]["filters"] = 10**9
                data = json.dumps(config).encode()
            giant.writestr(name, data)
    with pytest.raises(
        InputError, match=r"its layer 'conv2d\w*' of shape \(3, 3, 1, 1000000000\) has more weights than the file"
    ):
        load_predictor(tmp_path / "giant.keras")


@pytest.mark.filterwarnings("error:The structure of `inputs` doesn't match:UserWarning")
def test_models_take_a_plain_tensor_those_saved_with_a_list_too(tmp_path, configure):
    model = build_model(configure().model)
    save_for_prediction(model, tmp_path / "now.keras")
    save_whole(keras.Model(model.inputs, model.outputs, name=model.name), tmp_path / "before.keras")
    assert isinstance(load_whole(tmp_path / "now.keras").input, keras.KerasTensor)
    assert isinstance(load_whole(tmp_path / "before.keras").input, list)
    images, predicted = np.full((1, 16, 16, 1), 90, np.uint8), []
    for name in ("now", "before"):
        predictor = load_predictor(tmp_path / f"{name}.keras")
        assert isinstance(predictor.model.input, keras.KerasTensor)
        predicted += [predictor.predict(images), predictor.model(images)]
    assert all(np.abs(values - predicted[0]).max() < 1e-6 for values in predicted)
