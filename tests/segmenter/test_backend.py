import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import tensorflow as tf

from segmenter import backend


def test_a_processor_is_described_by_cores_and_threads(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5}, raising=False)
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 0)
    assert backend.describe_device() == "CPU (cores: 3, threads: 3)"
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 1)
    assert backend.describe_device() == "CPU (cores: 3, threads: 1)"


@pytest.mark.parametrize(
    ("names", "memory", "text"),
    [
        pytest.param(["Card A"], 80 * 2**30, "GPU Card A, 80.0 GiB", id="one"),
        pytest.param(["Card A", "Card B"], 80 * 2**30, "GPU Card A, 80.0 GiB (not used: Card B)", id="two"),
        pytest.param(["Card A"], None, "GPU Card A", id="unknown memory"),
    ],
)
def test_a_gpu_is_described_by_name_and_memory(monkeypatch, names, memory, text):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [SimpleNamespace(name=name) for name in names])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"device_name": gpu.name})
    monkeypatch.setattr(backend, "gpu_memory", lambda index: memory)
    assert backend.describe_device() == text


class Driver:
    """CUDA's driver library, with one GPU."""

    def cuInit(self, flags):
        return 0

    def cuDeviceGet(self, device, index):
        return 101 if index else 0  # CUDA_ERROR_INVALID_DEVICE

    def cuDeviceTotalMem_v2(self, size, device):
        size._obj.value = 2**36
        return 0


def test_the_memory_of_a_gpu_comes_from_the_driver(monkeypatch):
    def absent(name):
        raise OSError(name)

    monkeypatch.setattr(backend.ctypes, "CDLL", lambda name: Driver())
    assert backend.gpu_memory(0) == 2**36
    assert backend.gpu_memory(1) is None
    monkeypatch.setattr(backend.ctypes, "CDLL", absent)
    assert backend.gpu_memory(0) is None


def test_the_users_settings_of_keras_change_nothing(tmp_path):
    (tmp_path / "keras.json").write_text('{"image_data_format": "channels_first", "floatx": "float64", "epsilon": 0.1}')
    code = (
        "from segmenter.backend import load_tensorflow; load_tensorflow(); import keras; c = keras.config; "
        "print(c.image_data_format(), c.floatx(), c.epsilon(), c.dtype_policy().name)"
    )
    environment = os.environ | {"KERAS_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["channels_last", "float32", "1e-07", "float32"], done.stderr


def test_settings_that_keras_does_not_know_are_named(tmp_path):
    (tmp_path / "keras.json").write_text('{"image_data_format": "sideways"}')
    code = "from segmenter.backend import load_tensorflow; load_tensorflow()"
    environment = os.environ | {"KERAS_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert f"{tmp_path}/keras.json: Keras cannot be imported with it; correct or delete it" in done.stderr
