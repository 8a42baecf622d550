"""Who may know what: the rules of the house, held against the imports as they are written."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = {"pipeline.geometry", "pipeline.sources", "pipeline.files", "pipeline.page"}
NUMBERS_ONLY = ("geometry", "regions", "raster", "splits", "names")


def imports(path):
    """The modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if node.module in ("pipeline", "segmenter") else {node.module}
    return found


def files(package):
    found = sorted((ROOT / package).rglob("*.py"))
    assert len(found) > 5
    return found


def test_the_segmenter_knows_of_the_pipeline_only_what_both_need():
    for path in files("segmenter"):
        of_pipeline = {name for name in imports(path) if name.split(".")[0] == "pipeline"}
        assert of_pipeline <= SHARED, f"{path.name} imports {of_pipeline - SHARED}"


def test_the_pipeline_knows_neither_tensorflow_nor_the_segmenter():
    for path in files("pipeline"):
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & {"tensorflow", "keras", "segmenter"}, path.name


@pytest.mark.parametrize("module", NUMBERS_ONLY)
def test_modules_of_numbers_know_no_files_no_progress_and_no_printing(module):
    path = ROOT / "pipeline" / f"{module}.py"
    assert not {"pipeline.files", "pipeline.folder", "tqdm", "logging", "os"} & imports(path)
    assert "print(" not in path.read_text()
