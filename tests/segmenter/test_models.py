import keras
import numpy as np
import pytest

from pipeline.files import InputError
from segmenter.configuration import ModelSettings, load_configuration
from segmenter.models import MODELS, build_model
from segmenter.saved_models import load_predictor, load_whole, save_for_prediction, save_whole
from segmenter.training import compile_model


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
        ModelSettings(
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
    model = build_model(ModelSettings(image_width=16, image_height=16, base_filters=2, num_layers=2, normalization=True))
    assert sum(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers) == 2 * (2 + 1)


@pytest.mark.parametrize("normalize", [True, False])
def test_scaling_is_inside_only_where_it_is_asked_for(normalize):
    model = build_model(ModelSettings(image_width=16, image_height=16, base_filters=2, num_layers=1, input_normalize=normalize))
    seen = keras.Model(model.input, model.get_layer("encoder0_conv1").input)
    assert float(seen(np.full((1, 16, 16, 1), 255, np.uint8))[0, 0, 0, 0]) == (1.0 if normalize else 255.0)


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("mixed", [False, True])
def test_a_saved_model_predicts_the_same_under_safe_mode(name, mixed, tmp_path, configure):
    model = compile_model(configure(model__model=name, model__mixed_precision=mixed, model__dropout_rate=0.2))
    images = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 1), np.uint8)
    save_for_prediction(model, tmp_path / "small.keras")
    save_whole(model, tmp_path / "whole.keras")
    predictor = load_predictor(tmp_path / "small.keras")
    expected = model.predict_on_batch(images)
    assert expected.dtype == np.float32
    assert (predictor.side, predictor.channels) == (16, 1)
    np.testing.assert_allclose(predictor.predict(images), expected, atol=1e-6)
    whole = load_whole(tmp_path / "whole.keras")
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
    ("write", "words"),
    [
        pytest.param(lambda path: None, "there is no such file; give a .keras file", id="absent"),
        pytest.param(text, r"is no Keras model, it starts with b'no model'; give a .keras file", id="text"),
        pytest.param(broken_zip, r"cannot be loaded as a Keras model \(.*\); give a .keras file", id="another zip"),
        pytest.param(classifier, r"takes \(None, 8, 8, 1\) and gives \(None, 1\); wanted \(None, side, side", id="another model"),
    ],
)
def test_files_that_are_no_model_are_told(write, words, tmp_path):
    path = tmp_path / "best_model.keras"
    write(path)
    with pytest.raises(InputError, match=words) as told:
        load_predictor(path)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)
