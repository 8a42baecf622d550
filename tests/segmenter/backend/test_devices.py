import os
import sys
from types import SimpleNamespace

import pytest
import tensorflow as tf

from segmenter import backend
from segmenter.backend import devices


def test_a_processor_is_described_by_cores_and_threads(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5}, raising=False)
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 0)
    assert backend.describe_device() == "CPU (cores: 3, threads: 3)"
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 1)
    assert backend.describe_device() == "CPU (cores: 3, threads: 1)"
    assert backend.describe_device(2) == "CPU (cores: 3, threads: 1, devices: 2)"


@pytest.mark.parametrize(
    ("names", "used", "memory", "text"),
    [
        pytest.param(["A"], 1, 80 * 2**30, "GPU A, 80.0 GiB", id="one"),
        pytest.param(["A", "B"], 1, 80 * 2**30, "GPU A, 80.0 GiB (not used: B)", id="one of two"),
        pytest.param(["A", "B", "C"], 2, 2**30, "GPU A, 1.0 GiB and GPU B, 1.0 GiB (not used: C)", id="two of three"),
        pytest.param(["A"], 1, None, "GPU A", id="unknown memory"),
    ],
)
def test_a_gpu_is_described_by_name_and_memory(monkeypatch, names, used, memory, text):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [SimpleNamespace(name=name) for name in names])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"device_name": gpu.name})
    monkeypatch.setattr(devices, "gpu_memory", lambda index: memory)
    assert backend.describe_device(used) == text


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

    monkeypatch.setattr(devices.ctypes, "CDLL", lambda name: Driver())
    assert backend.gpu_memory(0) == 2**36
    assert backend.gpu_memory(1) is None
    monkeypatch.setattr(devices.ctypes, "CDLL", absent)
    assert backend.gpu_memory(0) is None


def fake(monkeypatch, name, **contents):
    """Puts a package in the place of a backend that Keras claims to run on."""
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(**contents))
    monkeypatch.setattr("keras.config.backend", lambda: name)
    monkeypatch.setattr(devices, "gpu_memory", lambda index: 2**36)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)


@pytest.mark.parametrize(
    ("kinds", "text"),
    [
        pytest.param(["cpu"], "CPU (cores: 2, threads: 2)", id="processor"),
        pytest.param(["Card A", "Card B"], "GPU Card A, 64.0 GiB (not used: Card B)", id="two"),
    ],
)
def test_devices_of_jax(monkeypatch, kinds, text):
    found = [SimpleNamespace(platform="cpu" if kind == "cpu" else "gpu", device_kind=kind) for kind in kinds]
    fake(monkeypatch, "jax", local_devices=lambda: found)
    assert backend.describe_device() == text


@pytest.mark.parametrize(
    ("names", "text"),
    [
        pytest.param([], "CPU (cores: 2, threads: 1)", id="processor"),
        pytest.param(["Card A", "Card B"], "GPU Card A, 64.0 GiB (not used: Card B)", id="two"),
    ],
)
def test_devices_of_pytorch(monkeypatch, names, text):
    cuda = SimpleNamespace(device_count=lambda: len(names), get_device_name=lambda index: names[index])
    fake(monkeypatch, "torch", cuda=cuda, get_num_threads=lambda: 1)
    assert backend.describe_device() == text
