import json
import os
import subprocess
import sys

import pytest
from hidden import run_without

CHOOSE = "from segmenter.backend import require_backend; print(require_backend())"
REQUIRE = (
    "from pipeline.files import run_program; from segmenter.backend import load_backend; sys.exit(run_program(load_backend))"
)


@pytest.fixture
def choose(tmp_path):
    """Runs code where the packages of `installed` are empty, and no other backend is there; gives status, output and errors."""

    def run(installed, program=CHOOSE, variable="", keras_json=None):
        for name in installed:
            (tmp_path / "packages" / name).mkdir(parents=True)
            (tmp_path / "packages" / name / "__init__.py").touch()
        (tmp_path / "home").mkdir()
        if keras_json is not None:
            (tmp_path / "home/keras.json").write_text(keras_json)
        path = f"sys.path.insert(0, {str(tmp_path / 'packages')!r})"
        environment = {"KERAS_BACKEND": variable, "KERAS_HOME": str(tmp_path / "home")}
        hidden = {"tensorflow", "jax", "torch"} - set(installed)
        done = run_without(sorted(hidden), f"{path}; {program}", environment=environment)
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    return run


@pytest.mark.parametrize(
    ("installed", "variable", "keras_json", "name", "line"),
    [
        pytest.param(["tensorflow", "jax"], "", None, "tensorflow", "", id="nothing chosen"),
        pytest.param(["tensorflow", "jax"], "jax", None, "jax", "", id="variable"),
        pytest.param(["tensorflow", "jax"], "", {"backend": "jax"}, "jax", "", id="keras.json"),
        pytest.param(["tensorflow", "jax"], "tensorflow", {"backend": "jax"}, "tensorflow", "", id="variable before keras.json"),
        pytest.param(["tensorflow"], "", {"floatx": "float32"}, "tensorflow", "", id="keras.json without a backend"),
        pytest.param(
            ["jax", "torch"],
            "",
            {"backend": "tensorflow"},
            "jax",
            "tensorflow is not installed; networks run on jax, as KERAS_BACKEND=jax would ask for",
            id="keras.json as Keras itself writes it, without TensorFlow",
        ),
        pytest.param(
            ["torch"],
            "",
            None,
            "torch",
            "tensorflow is not installed; networks run on torch, as KERAS_BACKEND=torch would ask for",
            id="only PyTorch",
        ),
    ],
)
def test_the_backend_is_the_one_that_was_chosen(choose, installed, variable, keras_json, name, line):
    assert choose(installed, variable=variable, keras_json=keras_json and json.dumps(keras_json)) == (0, name, line)


@pytest.mark.parametrize(
    ("installed", "variable", "keras_json", "message"),
    [
        pytest.param(
            ["tensorflow"],
            "jax",
            None,
            "jax, which is needed to train and apply networks with KERAS_BACKEND=jax, is not installed; "
            "run `pip install 'cesm-segmentation[jax]'`",
            id="not installed",
        ),
        pytest.param(
            [],
            "",
            None,
            "tensorflow, which is needed to train and apply networks, is not installed; "
            "run `pip install 'cesm-segmentation[train]'`",
            id="none installed",
        ),
        pytest.param(
            ["tensorflow"],
            "Jax",
            None,
            "KERAS_BACKEND: 'Jax' is not a backend that networks run on; set KERAS_BACKEND to tensorflow, jax or torch",
            id="unknown",
        ),
        pytest.param(
            ["tensorflow"],
            "",
            '{"backend": "theano"}',
            "keras.json: 'theano' is not a backend that networks run on; set KERAS_BACKEND to tensorflow, jax or torch",
            id="unknown in keras.json",
        ),
    ],
)
def test_a_backend_that_cannot_run_is_named_in_one_line(choose, installed, variable, keras_json, message):
    status, output, errors = choose(installed, REQUIRE, variable, keras_json)
    assert (status, output, errors.count("\n")) == (2, "", 0)
    assert errors.startswith("error: ")
    assert errors.endswith(message)


def test_the_users_settings_of_keras_change_nothing(tmp_path):
    (tmp_path / "keras.json").write_text('{"image_data_format": "channels_first", "floatx": "float64", "epsilon": 0.1}')
    code = (
        "from segmenter.backend import load_backend; load_backend(); import keras; c = keras.config; "
        "print(c.image_data_format(), c.floatx(), c.epsilon(), c.dtype_policy().name)"
    )
    environment = os.environ | {"KERAS_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["channels_last", "float32", "1e-07", "float32"], done.stderr


@pytest.mark.parametrize("content", ['{"image_data_format": "sideways"}', "[]"])
def test_settings_that_keras_does_not_know_are_named(tmp_path, content):
    (tmp_path / "keras.json").write_text(content)
    code = "from segmenter.backend import load_backend; load_backend()"
    environment = os.environ | {"KERAS_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert f"{tmp_path}/keras.json: Keras cannot be imported with it; correct or delete it" in done.stderr


def test_what_only_tensorflow_can_do_is_refused_on_another_backend(choose):
    program = REQUIRE.replace("load_backend", "load_tensorflow").replace(
        "(load_tensorflow)", "(lambda: load_tensorflow('counting'))"
    )
    status, _, errors = choose(["jax"], program, "jax")
    assert (status, errors) == (2, "error: counting needs TensorFlow, but networks run on jax; set KERAS_BACKEND=tensorflow")
