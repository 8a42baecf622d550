import errno
import json
import os

import keras
import numpy as np
import pytest
from skips import need_package

from pipeline.files import InputError
from segmenter.cli import main
from segmenter.inference.plan import describe_plan, plan_of
from segmenter.models import MODELS, build_model, exporting
from segmenter.models.exporting import FORMATS, check_output, export_model, require_packages
from segmenter.models.saved_models import load_predictor, save_for_prediction
from segmenter.models.swin_unet import roll

FULL = os.strerror(errno.ENOSPC)


@pytest.fixture
def saved(tmp_path, configure):
    """Saves a tiny network whose weights, and so probabilities, differ from pixel to pixel."""

    def save(name="SlightlyFlexibleUNet"):
        keras.utils.set_random_seed(1)
        model = build_model(configure(model__model=name).model)
        generator = np.random.default_rng(1)
        for weight in model.weights:
            if weight.name in ("gamma", "beta", "bias", "moving_mean"):
                weight.assign(weight.numpy() + generator.normal(0, 0.2, weight.shape))
        save_for_prediction(model, tmp_path / "best_model.keras")
        return tmp_path / "best_model.keras"

    return save


def export(file, format_name, output):
    require_packages(format_name)
    predictor = load_predictor(file)
    return export_model(predictor, format_name, output, describe_plan(plan_of(file), predictor))


def need_packages(format_name):
    for package in FORMATS[format_name].packages:
        need_package(package)


@pytest.mark.parametrize(
    "format_name", [name if name == "onnx" else pytest.param(name, marks=pytest.mark.slow) for name in FORMATS]
)
def test_an_export_predicts_what_its_model_does(format_name, saved, tmp_path):
    need_packages(format_name)
    output = tmp_path / f"exported{FORMATS[format_name].suffix}"
    file = saved()
    assert export(file, format_name, output) <= 1e-5
    assert export(file, format_name, output) <= 1e-5, "an earlier one is replaced"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["best_model.keras", output.name])


@pytest.mark.slow
@pytest.mark.parametrize("format_name", ["onnx", "litert"])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_network_can_be_exported(name, format_name, saved, tmp_path):
    need_packages(format_name)
    assert export(saved(name), format_name, tmp_path / f"exported{FORMATS[format_name].suffix}") <= 1e-5


def test_the_number_of_images_is_free_and_metadata_hold_the_plan(saved, tmp_path):
    onnx = need_package("onnx")
    need_packages("onnx")
    file = saved()
    export(file, "onnx", tmp_path / "a.onnx")
    model = onnx.load(tmp_path / "a.onnx")
    for tensor in (*model.graph.input, *model.graph.output):
        sizes = [size.dim_param or size.dim_value for size in tensor.type.tensor_type.shape.dim]
        assert sizes == ["batch", 16, 16, 1]
    (entry,) = model.metadata_props
    metadata = json.loads(entry.value)
    assert entry.key == "cesm_segmenter"
    assert (metadata["network"], metadata["infer"]["threshold"]) == ("SlightlyFlexibleUNet", 0.5)
    assert len(metadata["model_sha256"]) == 64
    assert metadata["pixels"].startswith("raw levels 0 to 255")


def test_an_export_that_predicts_something_else_is_an_error_and_leaves_nothing(saved, tmp_path, monkeypatch):
    monkeypatch.setitem(exporting._RUNNERS, "savedmodel", lambda path: lambda images: np.full((len(images), 16, 16, 1), 0.5))
    file = saved()
    with pytest.raises(InputError, match=r"best_model.keras: its export to savedmodel differs by 0\.\d+ in probabilities"):
        export(file, "savedmodel", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["best_model.keras"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, FULL), RuntimeError(f"variables; {FULL} [Op:SaveV2]")])
def test_a_full_disk_is_no_fault_of_the_format(saved, tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(keras.Model, "export", fail)
    with pytest.raises(OSError, match=FULL) as raised:
        export(saved(), "savedmodel", tmp_path / "out")
    assert raised.value.filename == str(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["best_model.keras"]


def test_what_a_converter_cannot_do_is_an_error_with_its_reason(saved, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ValueError("no operator\nfor this")

    monkeypatch.setattr(keras.Model, "export", fail)
    file = saved()
    with pytest.raises(InputError, match=r"cannot be exported to litert \(no operator for this\); choose another --format"):
        export(file, "litert", tmp_path / "a.tflite")
    assert [path.name for path in tmp_path.iterdir()] == ["best_model.keras"]


def test_other_names_and_other_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"--output .*a.keras: expected a name that ends with .onnx for --format onnx"):
        check_output(tmp_path / "a.keras", "onnx")
    with pytest.raises(InputError, match=r"exists and is not a SavedModel; give another folder"):
        check_output(tmp_path, "savedmodel")
    (tmp_path / "a.onnx").mkdir()
    with pytest.raises(InputError, match=r"a.onnx: is a folder; expected a file for --format onnx; give another name"):
        check_output(tmp_path / "a.onnx", "onnx")
    check_output(tmp_path / "new", "savedmodel")


def test_other_backends_are_told_how_to_export(saved, monkeypatch, capsys):
    monkeypatch.setattr("segmenter.backend.require_backend", lambda: "jax")
    assert main(["export", str(saved())]) == 2
    assert "networks run on jax here; run it with KERAS_BACKEND=tensorflow, which reads the models" in capsys.readouterr().err


@pytest.mark.parametrize("shift", [-2, 0, 3])
def test_roll_is_that_of_keras(shift):
    x = np.random.default_rng(1).random((2, 6, 6, 3), np.float32)
    np.testing.assert_array_equal(roll(keras.ops.convert_to_tensor(x), shift), keras.ops.roll(x, (shift, shift), axis=(1, 2)))
