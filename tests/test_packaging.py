"""What is declared about the distribution: requirements, extras, pinned versions."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {extra: [Requirement(text) for text in texts] for extra, texts in PROJECT["optional-dependencies"].items()}
BASE = [Requirement(text) for text in PROJECT["dependencies"]]
PINNED = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
}


def names(requirements):
    return {canonicalize_name(requirement.name) for requirement in requirements}


def test_tensorflow_and_keras_come_with_the_extras_that_train():
    assert not names(BASE) & {"tensorflow", "keras", "highdicom", "scipy"}
    assert names(EXTRAS["train"]) >= {"tensorflow", "keras"}
    assert "tensorflow[and-cuda]" in " ".join(PROJECT["optional-dependencies"]["gpu"])


def test_tensorflow_does_not_limit_the_python_of_the_base():
    assert PROJECT["requires-python"] == ">=3.11"


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_every_requirement_is_pinned_to_a_version_that_it_accepts(extra):
    for requirement in EXTRAS[extra] if extra else BASE:
        if (name := canonicalize_name(requirement.name)) != PROJECT["name"]:
            assert requirement.specifier.contains(PINNED[name]), requirement


def test_what_is_pinned_needs_nothing_that_is_not():
    for name in PINNED:
        try:
            texts = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for requirement in map(Requirement, texts):
            if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in PINNED, f"{name} needs {requirement}"


def test_constraints_hold_versions_and_no_address():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert len(PINNED) == len([line for line in lines if not line.startswith("#")])
    assert "//" not in "".join(lines)
