"""EfficientNet-Lite0: the weights that travel with the package, the network on them, and the program that converts them."""

import importlib
import pickle
import sys
import types
from collections import OrderedDict
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.files import InputError
from segmenter.configuration.networks import EfficientUNetSettings as Settings
from segmenter.models import backbones, build_model
from segmenter.models.backbones import connect_backbone, prepare_pixels, provide_weights, weights_file

ROOT = Path(__file__).resolve().parents[3]
IMAGENET = Settings(backbone="EfficientNetLite0", weights="imagenet", image_channels=3, base_filters=2, input_normalize=False)

# The first four of 320 channels that the PyTorch program (efficientnet-lite-pytorch 0.1.0) gives for `drawing()`.
PYTORCH = [
    [[2.574, -1.362, -3.308, 2.393], [2.715, -2.137, -3.966, 4.677], [0.712, -1.605, 0.777, 3.014]],
    [[2.492, -0.906, -3.024, 0.776], [3.009, -1.314, -3.353, 2.197], [1.168, -1.487, 0.480, 1.547]],
]


def drawing():
    rows, columns = np.mgrid[:64, :96]
    return np.stack([4 * rows, 2 * columns, rows * columns % 256], -1)[None].astype(np.float32)


@pytest.fixture(scope="module")
def network():
    """The network with ImageNet weights for images of 64 x 96 px: height and width need not be equal."""
    keras.utils.set_random_seed(1)
    return build_model(IMAGENET.model_copy(update={"image_height": 64, "image_width": 96}))


def test_the_encoder_gives_the_features_of_the_original(network):
    """They move by up to 0.008 where kernels are rounded, and by up to 5 where padding is not TensorFlow's."""
    encoder = keras.Model(network.input, network.get_layer("block7a_project_bn").output)
    features = np.array(encoder(drawing()))
    assert features.shape == (1, 2, 3, 320)
    np.testing.assert_allclose(features[0, ..., :4], PYTORCH, atol=0.02)


def test_the_decoder_joins_the_outputs_of_blocks_and_stays_small(network):
    assert network.output_shape == (None, 64, 96, 1)
    skips = {level: network.get_layer(f"join{level}").input[1].shape[1:] for level in (1, 2, 3, 4)}
    assert skips == {1: (32, 48, 16), 2: (16, 24, 24), 3: (8, 12, 40), 4: (4, 6, 112)}
    assert network.get_layer("up4").input.shape[1:] == (2, 3, 320)
    encoder = sum(layer.count_params() for layer in network.layers if layer.name.startswith(("stem_", "block")))
    assert encoder == 2_998_304
    rates = [layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == sorted(rates)
    assert 0 < rates[0] < rates[-1] < 0.2


@pytest.mark.slow
def test_plain_keras_loads_the_network_and_a_step_reaches_all_kernels(network, tmp_path):
    network.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    images = np.concatenate([drawing(), 255 - drawing()])
    np.testing.assert_allclose(model(images), network(images), atol=1e-6)
    model.compile("adam", "binary_crossentropy", run_eagerly=True, jit_compile=False)
    before = {variable.path: keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables}
    model.train_on_batch(images, (images[..., :1] > 128).astype(np.float32))
    after = {variable.path: keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables}
    # Offsets that only a normalised convolution reads have no effect, and no gradient.
    assert not [path for path, values in before.items() if values.ndim == 4 and np.array_equal(values, after[path])]


@pytest.mark.parametrize("normalize", [True, False])
def test_the_encoder_gets_the_range_it_was_trained_on(normalize):
    pixels = np.float32([255, 0, 127]).reshape(1, 1, 1, 3) / (255 if normalize else 1)
    prepared = prepare_pixels(pixels, IMAGENET.model_copy(update={"input_normalize": normalize}))
    np.testing.assert_allclose(np.ravel(prepared), [1, -127 / 128, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        pytest.param(lambda path: None, "does not exist, but belongs to this package; install it again", id="absent"),
        pytest.param(lambda path: path.write_bytes(b"cut"), "is damaged, but belongs to this package", id="damaged"),
    ],
)
def test_a_package_without_its_weights_is_reported(write, message, tmp_path, monkeypatch):
    monkeypatch.setattr(backbones, "LITE_WEIGHTS", tmp_path / "lite.weights.h5")
    write(tmp_path / "lite.weights.h5")
    assert weights_file(IMAGENET) == tmp_path / "lite.weights.h5"
    with pytest.raises(InputError, match=message) as error:
        provide_weights(IMAGENET, allow_download=True)
    assert str(tmp_path / "lite.weights.h5") in str(error.value)


def test_files_of_other_weights_are_reported(tmp_path, monkeypatch):
    small = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 3)])  # much quicker than the encoder
    monkeypatch.setattr(backbones, "build_efficientnet_lite0", lambda: small)
    keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)]).save_weights(tmp_path / "other.weights.h5")
    settings = IMAGENET.model_copy(update={"weights": str(tmp_path / "other.weights.h5")})
    with pytest.raises(InputError, match=r"do not fit backbone EfficientNetLite0 .*\.build_efficientnet_lite0\(\) wrote"):
        connect_backbone(keras.Input((32, 32, 3)), settings)


@pytest.fixture
def converter(monkeypatch):
    """The program that converts the weights."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    return importlib.import_module("encoder_weights")


@pytest.fixture
def write_state(monkeypatch, tmp_path):
    """Writes a file as PyTorch before 1.6 did, without PyTorch: tensors by name, as (values, size, stride)."""
    torch, inner = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch", "__qualname__": "FloatStorage"})
    exec("def _rebuild_tensor_v2(*arguments): pass", inner.__dict__)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", inner)
    inner._rebuild_tensor_v2.__module__ = "torch._utils"

    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            is_storage = isinstance(item, tuple) and item[:1] == ("key",)
            return ("storage", torch.FloatStorage, item[1], "cpu", 6, None) if is_storage else None

        def reducer_override(self, item):
            if not isinstance(item, types.SimpleNamespace):
                return NotImplemented
            return inner._rebuild_tensor_v2, (("key", item.key), 0, item.size, item.stride, False, OrderedDict())

    def write(tensors, extra=None):
        path = tmp_path / "state.pth"
        views = {name: types.SimpleNamespace(key=name, size=size, stride=stride) for name, (_, size, stride) in tensors.items()}
        with open(path, "wb") as file:
            for item in (1, 1001, {}, OrderedDict(views) if extra is None else extra, list(tensors)):
                Pickler(file, 2).dump(item)
            for values, _, _ in tensors.values():
                file.write(np.int64(len(values)).tobytes() + np.float32(values).tobytes())
        return path

    return write


def test_tensors_are_read_without_pytorch_transposed_ones_too(converter, write_state):
    values = np.arange(6)
    path = write_state({"plain": (values, (2, 3), (3, 1)), "turned": (values, (3, 2), (1, 3))})
    state = converter.read_state(path)
    np.testing.assert_array_equal(state["plain"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(state["turned"], [[0, 3], [1, 4], [2, 5]])


def test_what_is_no_tensor_of_the_file_is_refused(converter, write_state):
    with pytest.raises(pickle.UnpicklingError, match="a tensor reaches beyond its storage"):
        converter.read_state(write_state({"long": (np.arange(6), (7,), (1,))}))
    with pytest.raises(pickle.UnpicklingError, match=r"__builtin__.print is not part of a state dictionary"):
        converter.read_state(write_state({}, extra=print))
