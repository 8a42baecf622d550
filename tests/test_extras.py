"""Packages that an installation may lack: what needs one says so before it begins, and everything else works."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hidden import run_without
from small_sets import make_set

from pipeline import cli
from pipeline.files import install_command
from segmenter.backend.selection import EXTRAS

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [path for package in ("pipeline", "segmenter") for path in (ROOT / package).rglob("*.py")]
TRAIN = "tensorflow, which is needed to train and apply networks, is not installed; run `pip install 'cesm-segmentation[train]'`"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A complete data set, never audited."""
    return make_set(tmp_path_factory.mktemp("set"))


def without(hidden, *words, cwd=None):
    """Runs cesm-segmenter in a Python that lacks some packages, JAX and PyTorch too; gives its exit status and both outputs."""
    program = "from segmenter.cli import main; sys.exit(main(sys.argv[1:]))"
    done = run_without([*hidden, "jax", "torch"], program, *words, environment={"KERAS_BACKEND": ""}, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


def test_every_extra_that_a_message_names_is_declared():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    texts = [path.read_text() for path in SOURCES]
    named = {extra for text in texts for extra in re.findall(r"install_command\(['\"](\w+)", text)}
    named |= {extra for text in texts for extra in re.findall(r'require\([^()]*, "(\w+)"\)', text)}
    named |= set(EXTRAS.values())
    assert {"dicom", "train", "jax", "torch"} <= named <= declared.keys()


def test_no_message_and_no_page_installs_from_a_checkout():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert not [path for path in (*SOURCES, *pages) if re.search(r"pip install '?\.", path.read_text(encoding="utf-8"))]
    assert install_command("train") == "pip install 'cesm-segmentation[train]'"


@pytest.mark.parametrize("hidden", [["tensorflow"], ["tensorflow", "keras"]])
@pytest.mark.parametrize("command", ["train", "cv"])
def test_training_without_tensorflow_ends_with_one_line_and_keeps_an_earlier_run(folder, hidden, command):
    kept = folder.root / "runs" / ("quick" if command == "train" else "quick-fold0") / "state.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("{}")
    status, out, err = without(hidden, command, folder.root, "--config", "quick", "--restart")
    assert (status, out, err) == (2, "", f"error: {TRAIN}\n")
    assert kept.is_file()


def test_keras_is_asked_for_too(folder):
    status, _, err = without(["keras"], "train", folder.root)
    assert (status, err) == (2, f"error: {TRAIN.replace('tensorflow', 'keras', 1)}\n")


@pytest.mark.parametrize(
    "words",
    [
        ["infer", "--model", "model.keras", "--images", "image.png", "--output", "out"],
        ["inspect", "--config", "quick", "--output", "out"],
        ["export", "model.keras", "--output", "out"],
        ["preview", "SET", "--config", "augmented.toml", "--output", "out/preview.png"],
    ],
)
def test_other_commands_that_need_tensorflow_write_nothing_without_it(folder, tmp_path, words):
    for name in ("model.keras", "image.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "augmented.toml").write_text("[model]\ngenerator = true\n[augmentor]\nhflip = true\n")
    status, out, err = without(["tensorflow"], *(folder.root if word == "SET" else word for word in words), cwd=tmp_path)
    assert (status, out, err) == (2, "", f"error: {TRAIN}\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [["--help"], ["models"]])
def test_commands_that_run_no_network_need_no_tensorflow(words):
    status, out, err = without(["tensorflow", "keras"], *words)
    assert (status, err) == (0, "")
    assert out


def test_masks_are_scored_without_tensorflow():
    program = (
        "import sys; sys.modules.update(tensorflow=None, keras=None); import numpy as np; import segmenter.evaluation; "
        "from segmenter.evaluation.overlap import measure_overlap; mask = np.eye(4); print(measure_overlap(mask, mask).dice)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "1.0\n"


def test_a_report_without_its_templates_stops_before_the_audit(folder, monkeypatch, capsys):
    for name in ("jinja2", "markupsafe"):
        monkeypatch.setitem(sys.modules, name, None)
    assert cli.main(["report", str(folder.root)]) == 2
    message = "error: jinja2, which is needed to write reports, is not installed; run `pip install cesm-segmentation`\n"
    assert capsys.readouterr().err == message
    assert not folder.audit.exists()
