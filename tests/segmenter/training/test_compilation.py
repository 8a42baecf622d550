"""Networks are built, compiled and trained without TensorFlow in our own code, so that any backend of Keras can do it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Keras itself may import TensorFlow, as its backend; our packages may not.
PROGRAM = """
import builtins, json, sys

original = builtins.__import__

def guarded(name, globals=None, *rest, **keys):
    package = (globals or {}).get("__name__", "").partition(".")[0]
    if package in ("segmenter", "pipeline") and name.partition(".")[0] == "tensorflow":
        raise ModuleNotFoundError(f"{globals['__name__']} imports {name}")
    return original(name, globals, *rest, **keys)

builtins.__import__ = guarded
from segmenter.configuration import Configuration
from segmenter.configuration.objectives import LOSSES, METRICS
from segmenter.models import register_layers
from segmenter.training.compilation import compile_model
from segmenter.training.losses import LOSSES as FUNCTIONS

register_layers()
for name, keys in json.loads(sys.argv[1]).items():
    settings = {"model": name, "image_width": 16, "image_height": 16, "metrics": list(METRICS)} | keys
    settings["loss"] = {loss: 1.0 for loss in LOSSES if LOSSES[loss].smallest_side <= settings["image_width"]}
    model = compile_model(Configuration.model_validate({"model": settings}))
    print(model.name, model.count_params() > 0, set(FUNCTIONS) == set(LOSSES))

import segmenter.training.trainer
try:
    import segmenter.data.tf_data
except ModuleNotFoundError as error:
    print(error)
"""


LARGE = {"EfficientUNet", "DeepLabV3Plus", "U2Net"}


@pytest.mark.parametrize("large", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_networks_and_losses_are_compiled_without_tensorflow(tiny, large):
    networks = {name: keys for name, keys in tiny.items() if (name in LARGE) == large}
    program = [sys.executable, "-c", PROGRAM, json.dumps(networks)]
    done = subprocess.run(program, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    *compiled, guard = done.stdout.splitlines()
    assert compiled == [f"{name} True True" for name in networks]
    assert guard == "segmenter.data.tf_data imports tensorflow"
