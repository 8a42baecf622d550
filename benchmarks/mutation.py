#!/usr/bin/env python3
"""Measures how many small faults in the core modules their own tests notice, with mutmut (`make mutation`).

    python benchmarks/mutation.py [--out build/mutation] [geometry raster ...]

Each module is mutated in a copy of the project and tested with its own test files only, so a fault that another room's test
would notice by chance counts as a survivor. Writes benchmarks/mutation.csv with one row per module, and the changes that
survived as NAME.diff below --out; docs/reliability.md gives the reason for each.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "benchmarks" / "mutation.csv"
CAUGHT = ("killed", "timeout", "segfault", "caught by type check")


@dataclass(frozen=True)
class Target:
    """A module, or all modules of a package, and the test files that have to notice each change of it."""

    sources: str
    tests: tuple[str, ...]


# Without the tests of whole folders, which take seconds for each fault that nothing notices.
AUDIT_PARTS = ("candidates", "checks", "contents", "equality", "features", "listing", "pairs", "registration")
CONTRACT_PARTS = ("columns", "folders", "masks", "names", "reasons")
GEOMETRY_PARTS = ("breast", "components", "letterbox", "registration", "variants")
TARGETS = {
    "geometry": Target("pipeline/geometry/*", tuple(f"tests/pipeline/geometry/test_{name}.py" for name in GEOMETRY_PARTS)),
    "raster": Target("pipeline/drawing/raster.py", ("tests/pipeline/drawing/test_raster.py",)),
    "splits": Target("pipeline/splitting/splits.py", ("tests/pipeline/splitting/test_splits.py",)),
    "balance": Target("pipeline/splitting/balance.py", ("tests/pipeline/splitting/test_splits.py",)),
    "audit": Target("pipeline/audit/*", tuple(f"tests/pipeline/audit/test_{name}.py" for name in AUDIT_PARTS)),
    "overlap": Target("segmenter/evaluation/overlap.py", ("tests/segmenter/evaluation/test_overlap.py",)),
    "surfaces": Target("segmenter/evaluation/surfaces.py", ("tests/segmenter/evaluation/test_surfaces.py",)),
    "bootstrap": Target("segmenter/evaluation/bootstrap.py", ("tests/segmenter/evaluation/test_bootstrap.py",)),
    "masks": Target("pipeline/sources/masks.py", ("tests/pipeline/sources/test_masks.py",)),
    "contract": Target("pipeline/contract/*", tuple(f"tests/pipeline/contract/test_{name}.py" for name in CONTRACT_PARTS)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(TARGETS), metavar="NAME", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "mutation")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if unknown := set(options.names) - set(TARGETS):
        parser.error(f"{', '.join(sorted(unknown))}: expected {', '.join(TARGETS)}")
    for name in options.names:
        statuses, diffs = measure(TARGETS[name], options.out / name, options.processes)
        (options.out / f"{name}.diff").write_text(diffs, encoding="utf-8")
        rows = {row["module"]: row for row in read_table()} | {name: summarize(name, statuses)}
        write_table([rows[name] for name in TARGETS if name in rows])  # each result at once: a run takes minutes
        print(*(f"{key} {value}" for key, value in rows[name].items()), sep="  ", flush=True)


def measure(target: Target, folder: Path, processes: int) -> tuple[Counter[str], str]:
    """Runs mutmut in a copy of the project.

    Returns:
      How many mutants ended in each status, and what the survivors changed, as a text.
    """
    copy_project(folder, target)
    run(folder, "run", "--max-children", str(processes))
    lines = [line.split(": ") for line in run(folder, "results", "--all", "true").splitlines() if ": " in line]
    survivors = [name.strip() for name, status in lines if status not in CAUGHT]
    return Counter(status for _, status in lines), "\n".join(run(folder, "show", name) for name in survivors)


def copy_project(folder: Path, target: Target) -> None:
    """Copies what git knows of the project, and names in its pyproject.toml what mutmut has to change and to run."""
    if folder.exists():
        shutil.rmtree(folder)
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for file in filter(None, files.split("\0")):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, folder / file)
    settings = {
        "source_paths": [target.sources.split("/")[0]],
        "only_mutate": [target.sources],
        "also_copy": ["pipeline", "segmenter", "tests", "docs"],
        "pytest_add_cli_args_test_selection": list(target.tests),
    }
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("\n[tool.mutmut]\n" + "".join(f"{key} = {value!r}\n" for key, value in settings.items()))


def run(folder: Path, *arguments: str) -> str:
    """Runs mutmut in a folder and returns what it printed; a failure ends the program with that."""
    result = subprocess.run([sys.executable, "-m", "mutmut", *arguments], cwd=folder, capture_output=True, text=True)
    if result.returncode:
        sys.exit(
            f"mutmut {' '.join(arguments)} ended with status {result.returncode}:\n{(result.stdout + result.stderr)[-2000:]}"
        )
    return result.stdout


def summarize(name: str, statuses: Counter[str]) -> dict[str, object]:
    """Returns the row of one module; a mutant that runs without end, or crashes, is noticed too."""
    total, caught = sum(statuses.values()), sum(statuses[status] for status in CAUGHT)
    return {"module": name, "mutants": total, "caught": caught, "percent": f"{100 * caught / total:.1f}"}


def read_table() -> list[dict[str, str]]:
    if not TABLE.exists():
        return []
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_table(rows: list[dict]) -> None:
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
