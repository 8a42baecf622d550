import os
import sys
from types import SimpleNamespace

import pytest

from pipeline.files import InputError
from segmenter import backend


@pytest.mark.parametrize(
    ("name", "wanted", "compiled"),
    [("jax", None, True), ("jax", False, False), ("tensorflow", None, False), ("tensorflow", True, True), ("torch", None, False)],
)
def test_only_jax_compiles_unless_the_configuration_decides(monkeypatch, name, wanted, compiled):
    monkeypatch.setattr("keras.config.backend", lambda: name)
    assert backend.jit_compiles(wanted) is compiled


@pytest.mark.parametrize(
    ("error", "about_memory"),
    [
        pytest.param(RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"), True, id="jax"),
        pytest.param(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True, id="torch on a GPU"),
        pytest.param(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"), True, id="torch on a processor"),
        pytest.param(ValueError("OOM when allocating tensor with shape[8]"), True, id="tensorflow"),
        pytest.param(MemoryError(), True, id="Python"),
        pytest.param(ValueError("shapes do not match"), False, id="another"),
        pytest.param(InputError("a.png: too large, out of memory"), False, id="explained already"),
    ],
)
def test_errors_about_memory_of_every_backend_are_one_line(error, about_memory):
    message = "lower batch_size" if about_memory else str(error)
    with pytest.raises(InputError if about_memory else type(error)) as raised, backend.explained_memory("lower batch_size"):
        raise error
    assert str(raised.value) == message


def test_jax_is_asked_for_deterministic_kernels_by_a_flag_of_xla(monkeypatch):
    monkeypatch.setattr("keras.config.backend", lambda: "jax")
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=here")
    for _ in range(2):
        backend.make_deterministic()
    assert os.environ["XLA_FLAGS"] == "--xla_dump_to=here --xla_gpu_deterministic_ops=true"


def test_pytorch_is_asked_to_refuse_what_is_not_deterministic(monkeypatch):
    asked = []
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(use_deterministic_algorithms=asked.append))
    monkeypatch.setattr("keras.config.backend", lambda: "torch")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    backend.make_deterministic()
    assert (asked, os.environ["CUBLAS_WORKSPACE_CONFIG"]) == ([True], ":16:8")
