"""The modules and tests that `make mutation` measures exist."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
spec = importlib.util.spec_from_file_location("mutation", ROOT / "benchmarks" / "mutation.py")
mutation = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mutation)


@pytest.mark.parametrize("target", mutation.TARGETS.values(), ids=list(mutation.TARGETS))
def test_the_paths_of_a_target_exist(target):
    assert [*ROOT.glob(target.sources)]
    assert [path for path in target.tests if not (ROOT / path).is_file()] == []
