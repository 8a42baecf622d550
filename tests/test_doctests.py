"""The examples in docstrings are true."""

import ast
import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Modules whose docstrings hold an example that runs.
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in ("pipeline", "segmenter")
    for path in (ROOT / package).rglob("*.py")
    if re.search(r">>> (?!.*doctest: \+SKIP)", path.read_text(encoding="utf-8"))
)


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_are_true(module):
    failed, tried = doctest.testmod(importlib.import_module(module), optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert tried
    assert not failed


def test_thirty_functions_have_an_example():
    documented = [
        node.name
        for module in MODULES
        for node in ast.walk(ast.parse(Path(importlib.import_module(module).__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ">>> " in (ast.get_docstring(node) or "")
    ]
    assert len(documented) >= 30


@pytest.mark.parametrize("package", ["pipeline", "segmenter"])
def test_all_that_a_package_offers_has_an_example_or_a_description(package):
    face = importlib.import_module(package)
    for name in face.__all__:
        text = getattr(face, name).__doc__
        assert text, name
        assert name[0].isupper() or all(part in text for part in ("Example:", ">>> ")), name


def test_examples_need_no_tensorflow():
    code = f"import importlib, sys\nfor name in {MODULES!r}: importlib.import_module(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"tensorflow", "keras"} & {name.split(".")[0] for name in done.stdout.split()}
