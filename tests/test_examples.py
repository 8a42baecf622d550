"""The notebooks of examples/ run from the first cell to the last, on little data."""

import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.ipynb"))
SMALL = {"first_steps": {"PATIENTS": "8", "EPOCHS": "1"}, "own_data_and_audit": {"PATIENTS": "6"}}
# What the first cells that hold these lines have to show, as text.
EXPECTED = {
    "first_steps": {
        "raw = pipeline.make_phantom": "Radiology_hand_drawn_segmentations_v2.csv",
        "data = pipeline.make_dataset": "Dataset('",
        "data.audit()": "Empty DataFrame",
        "run = segmenter.train": "'first'",
        "metrics.query": "dice",
        "predictor = ": "dtype('float32')",
        "result.plot": "<Figure size",
        "train = segmenter.batches": "['dice_coef', 'loss', 'val_dice_coef', 'val_loss']",
    },
    "own_data_and_audit": {
        "try:": "[split] sed: unknown key; expected one of by, seed, fractions, folds",
        "data.describe()": "{'drawn': 12, 'clipped': 0, 'vanished': 0, 'ignored': 0, 'left_out': 0}, True",
        "data.audit()": "Empty DataFrame",
        "found = ": "duplicate-pixels",
        "for row in found": "patient-in-splits: P",
        "pipeline.open_dataset": "images",
    },
}


def test_each_example_has_expectations():
    assert [path.stem for path in EXAMPLES] == sorted(EXPECTED) == sorted(SMALL)


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A kernel called python3 that is this interpreter, with this checkout's packages."""
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "Python 3", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")


def notebooks(*slow: str) -> list:
    """The notebooks as parameters of a test; those given run in `make test-slow` only."""
    return [pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem in slow else []) for path in EXAMPLES]


# The longer one takes half a minute; what it calls, tests/test_library_page.py runs, too.
@pytest.mark.parametrize("path", notebooks("first_steps"))
def test_the_notebook_runs_and_shows_what_it_should(path, kernel, tmp_path, monkeypatch):
    for name, value in SMALL[path.stem].items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {cell.source: _text(cell) for cell in notebook.cells if cell.cell_type == "code"}
    if keep := os.environ.get("KEEP_NOTEBOOKS"):
        nbformat.write(notebook, Path(keep) / path.name)
    for part, text in EXPECTED[path.stem].items():
        output = next(output for source, output in shown.items() if part in source)
        assert text in output, output
    assert not any(_warnings(cell) for cell in notebook.cells), [_warnings(cell) for cell in notebook.cells]


def _text(cell) -> str:
    return "\n".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)


def _warnings(cell) -> str:
    """Lines of warnings among a cell's output; progress is none."""
    streams = [output.text for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    return "\n".join(
        line for text in streams for line in text.splitlines() if "warning" in line.lower() or "error" in line.lower()
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs_and_paths_of_a_machine(path):
    notebook = nbformat.read(path, as_version=4)
    assert [(cell.outputs, cell.execution_count) for cell in notebook.cells if cell.cell_type == "code"].count(([], None)) > 5
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    assert notebook.metadata.kernelspec.name == "python3"
    assert "/home/" not in path.read_text()
    assert "/tmp/" not in path.read_text()
