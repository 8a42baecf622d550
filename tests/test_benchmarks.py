"""The rows of the benchmarks, and the page that is made from them."""

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def results(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    module = importlib.import_module("results")
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    return module


def test_the_page_has_a_section_for_each_benchmark_with_rows(results, monkeypatch, tmp_path, capsys):
    run = importlib.import_module("run")
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    row = results.summarize("images", "cached", [3.0, 1.0, 2.0], "s", reference="the floor", ratio=1.25, target="<= 1.5")
    results.write_rows("loader", [row, results.Row("peak memory", "", 250.0, "MB")])
    assert "images (cached): 2 s; 1.25 x the floor" in capsys.readouterr().out

    page = run.page()
    assert "## Loader" in page
    assert "| images | cached | 2 (1 to 3) s | 1.25 × the floor | <= 1.5 |" in page
    assert "| peak memory |  | 250 MB |  |  |" in page
    assert "## Inference" not in page  # it has no rows


def test_a_part_that_is_measured_again_keeps_the_others(results, tmp_path):
    for title, value in (("quick", 1.0), ("quick, batches", 2.0), ("quick", 3.0)):
        results.write_rows("training", [results.Row(f"{title}: step", "float32", value, "s")], keep=True)
    rows = results.read_csv(tmp_path / "training.csv")
    assert [(row["measurement"], row["value"]) for row in rows] == [("quick, batches: step", "2"), ("quick: step", "3")]
    results.write_rows("training", [])
    assert results.read_csv(tmp_path / "training.csv") == []


def test_functions_are_measured_in_turn(results):
    calls = []
    seconds = results.measure_alternately({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b", "a", "b"]
    assert [len(values) for values in seconds.values()] == [2, 2]
    assert results.median_ratio([2.0, 9.0, 4.0], [1.0, 3.0, 2.0]) == 2.0
