import shutil

import keras
import numpy as np
import pytest
from keras import layers
from pydantic import ValidationError

from pipeline.files import InputError
from segmenter.configuration.networks import DeepLabV3PlusSettings as DeepLabSettings
from segmenter.configuration.networks import EfficientUNetSettings as EfficientSettings
from segmenter.models import backbones, build_model
from segmenter.models.backbones import connect_backbone, prepare_pixels, provide_weights, weights_file
from segmenter.models.deeplab_v3_plus import dilate
from segmenter.models.saved_models import load_predictor, save_for_prediction

SMALL = {"backbone": "MobileNetV2", "image_width": 64, "image_height": 64, "base_filters": 4, "skip_filters": 2}


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    """A backbone with random weights, and files of them."""
    model = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(None, None, 3))
    folder = tmp_path_factory.mktemp("weights")
    model.save(folder / "mobilenet.keras")
    model.save_weights(folder / "mobilenet.weights.h5")
    return model, folder


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    """An empty folder for Keras' downloads."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


@pytest.mark.parametrize("settings", [EfficientSettings(weights="imagenet"), DeepLabSettings(weights="imagenet")])
def test_nothing_is_downloaded_without_permission(settings, keras_home, monkeypatch):
    requests = []
    monkeypatch.setattr(backbones, "_application", lambda name, weights: requests.append((name, weights)))
    with pytest.raises(InputError, match=r"weights imagenet: .* does not exist, .*; train with --allow-download") as error:
        build_model(settings)
    assert str(keras_home / "models") in str(error.value)
    assert not requests
    provide_weights(settings, allow_download=True)
    assert requests == [(settings.backbone, "imagenet")]


def test_weights_that_keras_has_already_need_no_permission(keras_home, monkeypatch):
    monkeypatch.setattr(backbones, "_application", lambda name, weights: pytest.fail("would download"))
    settings = DeepLabSettings(weights="imagenet", backbone="MobileNetV2")
    weights_file(settings).parent.mkdir(parents=True)
    weights_file(settings).touch()
    provide_weights(settings, allow_download=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (EfficientSettings(backbone="EfficientNetB3", weights="imagenet"), "efficientnetb3_notop.h5"),
        (DeepLabSettings(backbone="ResNet101", weights="imagenet"), "resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        (
            DeepLabSettings(backbone="MobileNetV2", weights="imagenet"),
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        ),
    ],
)
def test_downloads_have_the_names_that_keras_gives_them(settings, name, keras_home, monkeypatch):
    requested = []

    def refuse(fname, *_, cache_subdir, **__):
        requested.append(f"{cache_subdir}/{fname}")
        raise ConnectionRefusedError

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", refuse)
    with pytest.raises(ConnectionRefusedError):
        provide_weights(settings, allow_download=True)
    assert requested == [f"models/{name}"]
    assert weights_file(settings) == keras_home / "models" / name


@pytest.mark.parametrize(
    ("output_stride", "file", "positions"),
    [
        pytest.param(16, "mobilenet.keras", slice(1, None, 2), id="one stride less", marks=pytest.mark.slow),
        pytest.param(8, "mobilenet.weights.h5", slice(3, None, 4), id="two strides less"),
    ],
)
def test_a_dilated_backbone_gives_the_features_of_the_trained_one_at_more_positions(output_stride, file, positions, mobilenet):
    """MobileNetV2 pads on the right only where it has a stride, so its positions are the odd ones."""
    original, folder = mobilenet
    settings = DeepLabSettings(**SMALL, weights=str(folder / file), input_normalize=False)
    pixels = keras.Input((64, 64, 1))
    outputs = connect_backbone(pixels, settings, lambda layer: dilate(layer, output_stride))
    image = np.random.default_rng(1).uniform(0, 255, (1, 64, 64, 1)).astype(np.float32)
    features = np.array(keras.Model(pixels, outputs["out_relu"])(image))
    assert features.shape == (1, 64 // output_stride, 64 // output_stride, 1280)
    expected = np.array(original(np.repeat(image, 3, axis=-1) / 127.5 - 1))
    # Random weights let little through, so it is the difference to the largest value that counts.
    np.testing.assert_allclose(features[:, positions, positions] / expected.max(), expected / expected.max(), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("output_stride", [8, 16])
def test_a_dilated_resnet_gives_the_features_of_the_trained_one_at_more_positions(output_stride, tmp_path):
    original = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(None, None, 3))
    original.save_weights(tmp_path / "resnet.weights.h5")
    settings = DeepLabSettings(weights=str(tmp_path / "resnet.weights.h5"), input_normalize=False, image_channels=3)
    pixels = keras.Input((64, 64, 3))
    outputs = connect_backbone(pixels, settings, lambda layer: dilate(layer, output_stride))
    image = np.random.default_rng(1).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    features = np.array(keras.Model(pixels, outputs["conv5_block3_out"])(image))
    expected = np.array(original(keras.applications.resnet.preprocess_input(image.copy())))
    step = 32 // output_stride
    np.testing.assert_allclose(features[:, ::step, ::step] / expected.max(), expected / expected.max(), atol=1e-4)


@pytest.mark.parametrize(
    ("layer", "at_16", "at_8"),
    [
        (layers.Conv2D(1, 1, strides=2, name="conv4_block1_1_conv"), {}, {"strides": 1, "padding": "same", "dilation_rate": 1}),
        (layers.Conv2D(1, 3, name="conv4_block1_2_conv"), {}, {"strides": 1, "padding": "same", "dilation_rate": 2}),
        (layers.Conv2D(1, 3, name="conv5_block1_2_conv"), {"strides": 1, "padding": "same", "dilation_rate": 2},
         {"strides": 1, "padding": "same", "dilation_rate": 4}),
        (layers.Conv2D(1, 3, name="conv3_block1_2_conv"), {}, {}),
        (layers.DepthwiseConv2D(3, strides=2, name="block_13_depthwise"), {"strides": 1, "padding": "same", "dilation_rate": 1},
         {"strides": 1, "padding": "same", "dilation_rate": 2}),
        (layers.ZeroPadding2D(name="block_6_pad"), {}, {"padding": 0}),
        (layers.BatchNormalization(name="conv5_block1_1_bn"), {}, {}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)  # fmt: skip
def test_strides_beyond_the_output_stride_become_dilation(layer, at_16, at_8):
    assert (dilate(layer, 16), dilate(layer, 8)) == (at_16, at_8)


@pytest.mark.slow
def test_a_saved_model_needs_no_weights_file(mobilenet, tmp_path):
    _, folder = mobilenet
    file = shutil.copy(folder / "mobilenet.keras", tmp_path / "own.keras")
    model = build_model(DeepLabSettings(**SMALL, weights=str(file)))
    save_for_prediction(model, tmp_path / "best_model.keras")
    file.unlink()
    predictor = load_predictor(tmp_path / "best_model.keras")
    kernel = mobilenet[0].get_layer("block_16_expand").get_weights()[0]
    np.testing.assert_array_equal(predictor.model.get_layer("block_16_expand").get_weights()[0], kernel)


def no_weights(path):
    path.write_text("no weights")


def other_weights(path):
    keras.Sequential([keras.Input((8,)), layers.Dense(2)]).save_weights(path)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("absent.keras", lambda path: None, 'there is no such file; give its path, or weights = "none"'),
        ("text.keras", no_weights, "do not fit backbone MobileNetV2 .*; give a file that save or save_weights of "),
        ("text.h5", no_weights, r"do not fit backbone MobileNetV2 .*keras.applications.MobileNetV2\(include_top=False\) wrote"),
        ("other.weights.h5", other_weights, "do not fit backbone MobileNetV2"),
    ],
)
def test_files_without_weights_of_the_backbone_are_reported(name, write, message, tmp_path, monkeypatch):
    small = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 3)])  # much quicker than a backbone
    monkeypatch.setattr(backbones, "_application", lambda name, weights: small)
    write(tmp_path / name)
    with pytest.raises(InputError, match=message) as error:
        build_model(DeepLabSettings(**SMALL, weights=str(tmp_path / name)))
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(
    ("backbone", "channels", "expected"),
    [
        pytest.param(EfficientSettings, 1, [255, 255, 255], id="EfficientNet scales by itself"),
        pytest.param(EfficientSettings, 3, [255, 0, 51], id="EfficientNet keeps colors"),
        pytest.param(DeepLabSettings, 3, [51 - 103.939, 0 - 116.779, 255 - 123.68], id="ResNet takes blue, green, red"),
    ],
)
def test_a_backbone_gets_the_pixels_it_was_trained_on(backbone, channels, expected, normalize):
    settings = backbone(image_channels=channels, input_normalize=normalize)
    pixels = np.float32([255, 0, 51][:channels]).reshape(1, 1, 1, channels) / (255 if normalize else 1)
    np.testing.assert_allclose(np.array(prepare_pixels(pixels, settings)).ravel(), expected, rtol=1e-5)


@pytest.mark.slow
def test_an_efficientnet_has_its_own_dropout_and_that_of_the_rate():
    model = build_model(EfficientSettings(image_width=32, image_height=32, base_filters=2, dropout_rate=0.3))
    rates = [layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)]
    assert rates.count(0.3) == 5
    assert 0 < min(rates) < max(rate for rate in rates if rate < 0.3) < 0.2
    skips = {f"join{level}": model.get_layer(f"join{level}").input[1].shape[1] for level in (1, 2, 3, 4)}
    assert skips == {"join1": 16, "join2": 8, "join3": 4, "join4": 2}


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        (
            EfficientSettings,
            {"weights": "noisy"},
            "weights 'noisy' is not a weights file; give none, imagenet, or a path that ends in",
        ),
        (
            EfficientSettings,
            {"image_channels": 2},
            "image_channels is 2; backbone EfficientNetB0 takes 3, or 1, which is repeated",
        ),
        (
            EfficientSettings,
            {"image_width": 48, "image_height": 48},
            "halves it 5 times; give a multiple of 32, such as 32 or 64",
        ),
        (DeepLabSettings, {"image_width": 40, "image_height": 40}, "output_stride 16; give a multiple of 16, such as 32 or 48"),
        (DeepLabSettings, {"output_stride": 32}, "Input should be 8 or 16"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, changes, message):
    with pytest.raises(ValidationError, match=message):
        settings(**changes)


@pytest.mark.slow
def test_the_statistics_in_weights_apply_immediately_and_not_only_after_loading(tmp_path):
    original = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(None, None, 3))
    layer = next(layer for layer in original.layers if isinstance(layer, keras.layers.Normalization))
    layer.set_weights([np.array([0.4, 0.5, 0.6]), np.array([0.04, 0.05, 0.06]), np.array(1)])
    original.save_weights(tmp_path / "some.weights.h5")
    model = build_model(
        EfficientSettings(image_width=32, image_height=32, base_filters=2, weights=str(tmp_path / "some.weights.h5"))
    )
    save_for_prediction(model, tmp_path / "model.keras")
    images = np.random.default_rng(1).integers(0, 256, (1, 32, 32, 1)).astype(np.uint8)
    loaded = load_predictor(tmp_path / "model.keras")
    np.testing.assert_allclose(model.predict_on_batch(images), loaded.predict(images), atol=1e-5)
