import io
import math
import zipfile

import h5py
import keras
import numpy as np
import pytest
from skips import need_package

from pipeline.files import InputError
from segmenter.inference.plan import describe_plan, plan_of
from segmenter.models import build_model
from segmenter.models.exporting import FORMATS, example_images, export_model
from segmenter.models.onnx_models import load_onnx_predictor, read_description
from segmenter.models.packing import check_difference, pack, round_mantissa
from segmenter.models.saved_models import load_predictor, save_for_prediction


@pytest.fixture
def saved(tmp_path, configure):
    """A network with kernels that are large enough, one of which is 0."""
    keras.utils.set_random_seed(1)
    model = build_model(configure(model__model="MultiResUNet", model__base_filters=64).model)
    empty = next(weight for weight in model.weights if weight.name == "kernel" and math.prod(weight.shape) >= 16_384)
    empty.assign(np.zeros(empty.shape, np.float32))
    save_for_prediction(model, tmp_path / "whole.keras")
    return tmp_path / "whole.keras"


def weights_of(path):
    """The arrays of a .keras file by name."""
    arrays = {}
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return arrays


def test_kernels_are_rounded_and_the_probabilities_stay(saved, tmp_path):
    pack(saved, tmp_path / "packed.keras")
    arrays, packed = weights_of(saved), weights_of(tmp_path / "packed.keras")
    assert arrays.keys() == packed.keys()
    for name, values in arrays.items():
        assert packed[name].dtype == values.dtype, name
        np.testing.assert_allclose(packed[name], values, rtol=2**-15 if values.size >= 16_384 else 0)
    assert (tmp_path / "packed.keras").stat().st_size < 0.75 * saved.stat().st_size
    whole, half = load_predictor(saved), load_predictor(tmp_path / "packed.keras")
    images = example_images(whole, 3)
    difference = check_difference(saved, tmp_path / "packed.keras", half.predict(images), whole.predict(images))
    assert 0 < difference < 1e-4


def test_kernels_are_rounded_to_the_nearest_of_15_bits():
    step = 2.0**-14
    values = np.float32([1, 1 + 0.4 * step, 1 + 0.6 * step, -1 - 0.6 * step, 0])
    np.testing.assert_array_equal(round_mantissa(values), np.float32([1, 1, 1 + step, -1 - step, 0]))


def test_the_same_weights_give_the_same_bytes(saved, tmp_path):
    for name in ("one", "other"):
        pack(saved, tmp_path / f"{name}.keras")
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "other.keras").read_bytes()


def test_an_export_is_packed_in_place_and_keeps_its_metadata(saved, tmp_path):
    for package in FORMATS["onnx"].packages:
        need_package(package)
    onnx = need_package("onnx")
    predictor, exported = load_predictor(saved), tmp_path / "model.onnx"
    export_model(predictor, "onnx", exported, describe_plan(plan_of(saved), predictor))
    description, size = read_description(exported), exported.stat().st_size
    images = example_images(predictor, 3)
    expected = load_onnx_predictor(exported).predict(images)
    pack(exported, exported)
    onnx.checker.check_model(exported, full_check=True)
    assert exported.stat().st_size < 0.75 * size
    assert read_description(exported) == description
    probabilities = load_onnx_predictor(exported).predict(images)
    assert 0 < check_difference(saved, exported, probabilities, expected) < 1e-4


@pytest.mark.parametrize("value", [0.503, np.nan])
def test_a_copy_that_predicts_something_else_is_refused(tmp_path, value):
    expected = np.full((1, 2, 2, 1), 0.5, np.float32)
    probabilities = expected.copy()
    probabilities[0, 0, 0] = value
    message = r"packed.keras: with packed kernels its probabilities differ by .* and at most 0.002 is accepted; keep the weights"
    with pytest.raises(InputError, match=message):
        check_difference(tmp_path / "whole.keras", tmp_path / "packed.keras", probabilities, expected)
