"""Which module may know what, checked on everything that it reaches through its imports."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The modules that both halves share, and those that these load.
SHARED = {"contract", "findings", "geometry", "sources", "files", "page", "lazy"}
BELOW_SHARED = {"dicom"}
NUMBERS_ONLY = (
    "pipeline.findings",
    "pipeline.geometry",
    "pipeline.geometry.components",
    "pipeline.geometry.letterbox",
    "pipeline.geometry.registration",
    "pipeline.geometry.variants",
    "pipeline.drawing.regions",
    "pipeline.drawing.raster",
    "pipeline.splitting.splits",
)


@cache
def modules(package):
    """The files of a package by module name."""
    files = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    assert len(files) > 5
    return files


def ours():
    return modules("pipeline") | modules("segmenter")


@cache
def imports(module):
    """The modules that a module imports, anywhere in its file, except inside `if TYPE_CHECKING`, which never loads."""
    names = set()
    tree = ast.parse(ours()[module].read_text())
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names} & ours().keys()
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy_names" and "." in module:
            names |= ast.literal_eval(node.args[1]).keys()  # of a room; a whole package's face would reach everything
    return names


def reached(module):
    """Every module that a module loads, now or later: its imports, theirs, and the packages around them."""
    loaded, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        around = {name.rsplit(".", depth)[0] for depth in range(name.count(".") + 1)}
        for other in around - loaded:
            loaded.add(other)
            waiting += sorted(imports(other) - loaded) if other in ours() else []
    return loaded


def test_the_segmenter_imports_of_the_pipeline_only_what_both_halves_share():
    for module in modules("segmenter"):
        rooms = {name.split(".")[1] for name in imports(module) if name.startswith("pipeline.")}
        assert rooms <= SHARED, f"{module} imports {sorted(rooms - SHARED)}"


def test_what_both_halves_share_reaches_nothing_that_makes_data_sets():
    for module in modules("segmenter"):
        rooms = {name.split(".")[1] for name in reached(module) if name.startswith("pipeline.")}
        assert rooms <= SHARED | BELOW_SHARED, f"{module} reaches {sorted(rooms - SHARED - BELOW_SHARED)}"


def test_the_pipeline_reaches_neither_tensorflow_nor_the_segmenter():
    for module in modules("pipeline"):
        roots = {name.split(".")[0] for name in reached(module)}
        assert not roots & {"tensorflow", "keras", "segmenter"}, module


def test_a_process_that_loads_the_whole_pipeline_holds_no_tensorflow():
    names = [name for name in modules("pipeline") if not name.endswith("__main__")]
    code = f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\nprint(*sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.split(".")[0] for name in process.stdout.split()}
    assert "pipeline" in loaded
    assert not loaded & {"tensorflow", "keras", "segmenter", "jax", "torch"}


def test_the_schema_of_configurations_knows_no_file_and_no_dialect():
    names = imports("segmenter.configuration.schema")
    assert not {"pathlib", "pipeline.files", "segmenter.configuration.loading"} & names
    assert not any(name.startswith("segmenter.configuration.published") for name in names)


def test_faces_of_the_segmenter_hold_imports_and_no_logic():
    for module, path in modules("segmenter").items():
        if path.name == "__init__.py" and module != "segmenter":
            docstring, *rest = ast.parse(path.read_text()).body
            assert isinstance(docstring, ast.Expr), module
            names = [node for node in rest if isinstance(node, ast.Assign)]
            assert [ast.unparse(node.targets[0]) for node in names] in ([], ["__all__"]), module
            assert all(isinstance(node, ast.ImportFrom) for node in rest if node not in names), module


@pytest.mark.parametrize("package", ["pipeline", "segmenter"])
def test_the_face_of_a_package_names_what_it_offers_once_and_defines_nothing(package):
    tree = ast.parse(modules(package)[package].read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.For)]
    values = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    offered = ast.literal_eval(values["__all__"])
    homes = ast.literal_eval(values["(__getattr__, __dir__)"].args[1])
    typed = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert sorted(offered) == sorted(name for names in homes.values() for name in names)
    assert set(offered) <= typed
    # A module of the same name would take the place of what is offered once it is imported.
    assert not {f"{package}.{name}" for name in offered} & ours().keys()


def test_models_and_evaluation_can_be_imported_without_tensorflow():
    code = "import sys, segmenter.models, segmenter.evaluation, segmenter.scoring, segmenter.report; print(*sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.split(".")[0] for name in process.stdout.split()}
    assert "segmenter" in loaded
    assert not loaded & {"tensorflow", "keras", "pandas"}


@pytest.mark.parametrize("module", NUMBERS_ONLY)
def test_modules_of_numbers_reach_no_files_no_progress_and_no_printing(module):
    assert not {"pipeline.files", "pipeline.dataset", "tqdm", "logging"} & reached(module)
    assert "os" not in imports(module)
    assert "print(" not in ours()[module].read_text()


def test_every_table_of_settings_is_strict_by_one_base():
    bases = {
        module
        for module, path in ours().items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("BaseModel") for base in node.bases)
    }
    assert bases == {"pipeline.files.settings"}


def test_only_commands_and_programs_of_the_pipeline_print():
    printing = {name for name, path in modules("pipeline").items() if "print(" in path.read_text()}
    assert {name for name in printing if not name.startswith("pipeline.commands.")} == {
        "pipeline.files.command_line",
        "pipeline.files.program",
        "pipeline.files.progress",
    }
