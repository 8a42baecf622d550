"""What importing the packages costs, and what happens where another package of the name is found first."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"tensorflow", "keras", "pandas", "numpy", "pydantic", "cv2"}


def python(*arguments, cwd=ROOT, paths=(ROOT,)):
    environment = {"PYTHONPATH": ":".join(map(str, paths)), "PATH": "/usr/bin:/bin"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environment)


@pytest.mark.parametrize("package", ["pipeline", "segmenter"])
def test_importing_a_package_loads_nothing_heavy_and_takes_no_time(package):
    code = f"""
        import sys, time
        start = time.process_time()
        import {package}
        print(min(1.0, time.process_time() - start), *sys.modules)
    """
    seconds, *loaded = python("-c", textwrap.dedent(code)).stdout.split()
    assert not HEAVY & {name.split(".")[0] for name in loaded}
    assert float(seconds) < 0.1


def test_what_needs_no_tensorflow_loads_none():
    code = """
        import pipeline, segmenter, sys
        segmenter.list_models(), segmenter.load_configuration("quick"), segmenter.train, segmenter.load_predictor, segmenter.Run
        pipeline.make_dataset, pipeline.load_recipe("v2"), segmenter.InputError
        print(*sys.modules)
    """
    done = python("-c", textwrap.dedent(code))
    assert done.returncode == 0, done.stderr
    assert not {"tensorflow", "keras"} & {name.split(".")[0] for name in done.stdout.split()}


HELP = """
import contextlib, sys
from {package}.cli import COMMANDS, main
for module in COMMANDS:
    name = module.__name__.split(".")[-1].replace("_", "-").replace("cross-validate", "cv")
    with contextlib.suppress(SystemExit):
        main([name, "--help"])
print("loaded:", *sys.modules)
"""


@pytest.mark.parametrize("package", ["pipeline", "segmenter"])
def test_help_loads_nothing_heavy(package):
    done = python("-c", HELP.format(package=package))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("show this help message and exit") > 10
    loaded = {name.split(".")[0] for name in done.stdout.split("loaded:")[1].split()}
    assert not HEAVY & loaded


@pytest.mark.parametrize("package", ["pipeline", "segmenter"])
def test_a_package_lists_what_it_offers_and_nothing_else_is_found(package):
    code = f"import {package} as p; assert set(p.__all__) <= set(dir(p)); [getattr(p, n) for n in p.__all__]; p.nothing"
    done = python("-c", code)
    assert done.stderr.strip().endswith(f"AttributeError: module '{package}' has no attribute 'nothing'")


@pytest.fixture
def decoy(tmp_path):
    """A folder with a file pipeline.py of the user's own, which must not even be run."""
    (tmp_path / "pipeline.py").write_text("print('the decoy ran')\n")
    return tmp_path


def test_a_pipeline_of_the_users_own_is_an_import_error_that_names_it(decoy):
    done = python("-c", "import segmenter", cwd=decoy)
    message = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert message.startswith(
        f"ImportError: {decoy / 'pipeline.py'} is found as the package pipeline, and segmenter needs {ROOT}"
    )
    assert "rename the file or folder that is in the way, run from another folder, or leave the current folder out" in message
    assert "the decoy ran" not in done.stdout


def test_the_program_ends_with_status_2_and_one_line(decoy):
    done = python("-m", "segmenter", "models", cwd=decoy)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {decoy / 'pipeline.py'} is found as the package pipeline")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_the_remedy_of_the_message_works(decoy):
    assert python("-P", "-m", "segmenter", "--help", cwd=decoy).returncode == 0


def test_an_installed_package_of_the_name_is_recognised_too(tmp_path):
    package = tmp_path / "site" / "pipeline"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    done = python("-c", "import segmenter", cwd=tmp_path, paths=(tmp_path / "site", ROOT))
    assert f"ImportError: {package / '__init__.py'} is found as the package pipeline" in done.stderr


def test_one_that_was_imported_before_is_recognised_too(decoy):
    done = python("-c", "import pipeline; import segmenter", cwd=decoy)
    assert f"ImportError: {decoy / 'pipeline.py'} is found" in done.stderr


def test_a_folder_of_the_name_without_code_is_in_nobodys_way(tmp_path):
    (tmp_path / "pipeline").mkdir()
    assert python("-m", "segmenter", "--help", cwd=tmp_path).returncode == 0


def test_the_library_warns_of_a_segmenter_that_hides_ours(tmp_path):
    (tmp_path / "segmenter.py").write_text("")
    done = python("-c", "import pipeline; pipeline.make_dataset", cwd=tmp_path)
    assert done.returncode == 0
    assert (
        f"{tmp_path / 'segmenter.py'} hides the package segmenter, {ROOT / 'segmenter'}; to use that package, rename"
        in done.stderr
    )
    assert python("-m", "pipeline", "--help", cwd=tmp_path).stderr == ""
