"""The program that measures accelerators, on a network of a few thousand parameters."""

import csv
import importlib.util
from pathlib import Path

import pytest

from segmenter.configuration import Configuration

PROGRAM = Path(__file__).resolve().parents[1] / "benchmarks" / "accelerator.py"


@pytest.fixture
def program():
    spec = importlib.util.spec_from_file_location("accelerator", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_batch_size_is_a_row_and_the_first_that_does_not_fit_ends_them(program, tmp_path, monkeypatch, capsys):
    measured = program.measure_batch

    def with_little_memory(model, batch, steps):
        if batch == 2:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes")
        return measured(model, batch, steps)

    monkeypatch.setattr(program, "measure_batch", with_little_memory)
    tiny = {"model": "SlightlyFlexibleUNet", "image_width": 16, "image_height": 16, "base_filters": 2, "num_layers": 2}
    program.measure(Configuration.model_validate({"model": tiny}), "tiny", [1, 2, 4], 3, tmp_path / "rows.csv")
    fits, fails = read(tmp_path / "rows.csv")
    assert list(fits) == list(program.COLUMNS)
    assert (fits["network"], fits["side"], fits["precision"], fits["batch"], fits["steps"]) == ("tiny", "16", "float32", "1", "3")
    assert float(fits["step_min_ms"]) <= float(fits["step_ms"]) <= float(fits["step_max_ms"])
    assert float(fits["loss"]) > 0
    assert fits["problem"] == ""
    assert (fails["batch"], fails["step_ms"], fails["problem"]) == ("2", "", "out of memory")
    assert "batch=2 problem=out of memory" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("CUDA out of memory. Tried to allocate 2.00 GiB.", "out of memory", id="torch"),
        pytest.param("OOM when allocating tensor with shape[8]", "out of memory", id="tensorflow"),
        pytest.param("no kernel\nfor this", "ValueError: no kernel", id="another fault"),
    ],
)
def test_a_fault_is_one_line(program, text, problem):
    assert program.explain(ValueError(text)) == problem


def test_the_networks_have_the_sizes_that_the_issue_asks_for(program):
    small, large = (program.configure(name, 512, "mixed_bfloat16", "on").model for name in ("unet", "published"))
    assert (small.base_filters, small.num_layers, small.image_width, small.mixed_precision) == (16, 5, 512, True)
    assert (large.num_layers, large.image_channels, large.jit_compile) == (8, 3, True)


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        pytest.param("", "KERAS_BACKEND is not set; set it to jax, torch or tensorflow", id="not set"),
        pytest.param("nosuch", "nosuch is not installed; install it, or set KERAS_BACKEND to a backend that is", id="missing"),
    ],
)
def test_a_backend_is_asked_for(program, backend, message, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setattr("sys.argv", ["accelerator.py"])
    with pytest.raises(program.InputError, match=message):
        program.main()
