"""The wheel, in an environment of its own: all files come along, both programs run from anywhere, the base suffices."""

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from pipeline.exports import FORMATS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("pipeline", "segmenter")
# What the extras bring, by the names of modules; the base has to do without.
EXTRAS = (
    "tensorflow",
    "keras",
    "pydot",
    "highdicom",
    "pylibjpeg",
    "openjpeg",
    "jpeg_ls",
    "gdcm",
    "scipy",
    "sklearn",
    "pdoc",
    "onnx",
    "onnxruntime",
    "tf2onnx",
    "jax",
    "jaxlib",
    "torch",
    "dask",
    "distributed",
)

pytestmark = pytest.mark.skipif(
    int(importlib.metadata.version("setuptools").split(".")[0]) < 77,
    reason="needs setuptools 77 or newer, which builds the wheel; `make install` brings it",
)


def run(*command, **options):
    """Runs a program outside of the checkout; gives its status and both outputs."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([*map(str, command)], capture_output=True, text=True, env=environment, timeout=300, **options)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the checkout, built without a network."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE", *PACKAGES):
        (source / name).symlink_to(ROOT / name)
    program = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", program, out], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def programs(wheel, tmp_path_factory):
    """The folder of an environment's programs: this wheel, and what the base needs; what only extras bring is hidden."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    done = run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())
    (site / "base.pth").write_text(f"{sysconfig.get_path('purelib')}\nimport sys; sys.modules.update(dict.fromkeys({EXTRAS}))\n")
    assert Path(run(python, "-c", "import pipeline; print(pipeline.__file__)", cwd=folder).stdout).is_relative_to(folder)
    return folder / "bin"


def test_every_file_of_the_packages_comes_along(wheel):
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {"pipeline/py.typed", "segmenter/py.typed", "pipeline/recipes/v2.toml", "segmenter/configs/quick.toml"} <= wanted
    weights = {"efficientnet_lite0_imagenet.weights.h5", "LICENSE", "NOTICE"}
    assert {f"segmenter/models/weights/{name}" for name in weights} <= wanted
    model = {"LICENSE", "model_card.md", "cdd-cesm.json", "cdd-cesm.keras", "cdd-cesm.onnx"}
    assert {f"segmenter/pretrained/{name}" for name in model} <= wanted
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if ".dist-info/" not in name} == wanted


@pytest.mark.parametrize("program", ["cesm-pipeline", "cesm-segmenter"])
def test_programs_run_from_another_folder(programs, tmp_path, program):
    done = run(programs / program, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {program}")


def test_the_base_makes_exports_and_reports_a_data_set(programs, tmp_path):
    for words in (
        ["phantom", "raw", "--patients", "6"],
        ["dataset", "--raw", "raw", "--out", "set"],
        ["audit", "set"],
        ["report", "set"],
        *(["export", "set", "--format", name] for name in FORMATS),
    ):
        done = run(programs / "cesm-pipeline", *words, cwd=tmp_path)
        assert done.returncode == 0, (words, done.stderr)
    assert (tmp_path / "set/manifest.csv").is_file()
    assert (tmp_path / "set/report.html").is_file()
    done = run(programs / "cesm-segmenter", "train", "set", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.endswith("is not installed; run `pip install 'cesm-segmentation[train]'`\n")
