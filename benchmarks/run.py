"""Runs the benchmarks one after the other, and writes docs/benchmarks.md from their rows.

    python benchmarks/run.py [NAME ...]        measures all, or those that are named, then writes the page
    python benchmarks/run.py --page            writes the page from the rows that are there

A benchmark is a program of this folder whose name is listed in BENCHMARKS; without arguments it measures in a few minutes and
writes benchmarks/results/NAME.csv. One that fails is reported at the end, and the others run.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from results import RESULTS

from pipeline.files import InputError, read_csv, run_program, write_text

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
# In the order of the page: title and what the rows are about.
BENCHMARKS = {
    "dataset": ("Making a data set", "The published generator, our stages and the bare loop that decodes, resizes and encodes."),
    "audit": ("Audit", "The audit of a data set, by the number of pairs."),
    "pairing": ("Pairs", "How well the other image of a view is registered, by regions that were drawn on both."),
    "scale": ("Scale", "How the cost of stages and tables grows with the number of source images, work on pixels left out."),
    "startup": ("Start-up", "Imports, `--help`, and a command with everything done; the fastest run, not the median."),
    "loader": ("Loader", "Pairs per second of both loaders, and the share of training time spent waiting for them."),
    "augmentation": ("Augmentation", "Processor time per pair of 512 px, with each variation and with all."),
    "training": ("Training step", "Seconds per step by network, side, precision and compiler."),
    "inference": ("Inference", "`infer` against bare `model.predict`, and the time to the first mask."),
    "evaluation": ("Evaluation", "Time and memory of an evaluation, without the prediction."),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(BENCHMARKS)} (all)")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        raise InputError(f"{', '.join(sorted(unknown))}: not a benchmark; there are {', '.join(BENCHMARKS)}")
    failed = [] if arguments.page else [name for name in arguments.names or BENCHMARKS if not measure(name)]
    write_text(PAGE, page())
    print(f"{PAGE}: written")
    if failed:
        print(f"failed: {', '.join(failed)}; the page has their earlier rows", file=sys.stderr)
    return 1 if failed else 0


def measure(name: str) -> bool:
    """Runs one benchmark in a process of its own; whether it ended well."""
    print(f"bench: {name}", flush=True)
    start = time.perf_counter()
    status = subprocess.run([sys.executable, str(Path(__file__).with_name(f"{name}.py"))], check=False).returncode
    print(f"bench: {name} took {time.perf_counter() - start:.0f} s", flush=True)
    return status == 0


def page() -> str:
    """The Markdown of docs/benchmarks.md."""
    sections = [section(name) for name in BENCHMARKS if (RESULTS / f"{name}.csv").is_file()]
    return "\n\n".join([_HEAD, *sections]) + "\n"


_HEAD = """# Benchmarks

`make bench` measures everything again and writes this page; `make bench ARGS="loader"` measures one section. Seconds depend on
the machine and on what else it does. So ratios count most: both of their values were measured alternately in one run. Values are
medians, with the least and the largest run in brackets. The rows are in `benchmarks/results/`."""


def section(name: str) -> str:
    """One heading, the machine, and a table of the rows of one benchmark."""
    title, about = BENCHMARKS[name]
    rows = [dict(row) for row in read_csv(RESULTS / f"{name}.csv", ("measurement", "value"))]
    machines = dict.fromkeys(f"Measured on {row['date']}: {row['machine']}; {row['versions']}." for row in rows)
    columns = ["measurement", "setting", "value"]
    columns += [column for column in ("ratio", "target") if any(row[column] for row in rows)]
    return "\n\n".join([f"## {title}", about, "\n".join(table(rows, columns)), *machines])


def table(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> list[str]:
    """The lines of a Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "|".join(" --- " for _ in columns) + "|"]
    return lines + ["| " + " | ".join(_cell(row, column) for column in columns) + " |" for row in rows]


def _cell(row: Mapping[str, str], column: str) -> str:
    if column == "value":
        value, low, high = (_number(row[name]) for name in ("value", "low", "high"))
        spread = f" ({low} to {high})" if low and row["runs"] != "1" else ""
        return f"{value}{spread} {row['unit']}"
    if column == "ratio" and row["ratio"]:
        return f"{_number(row['ratio'])} × {row['reference']}"
    return row[column].replace("|", "\\|")


def _number(text: str) -> str:
    """A number with grouped thousands and no exponent; empty where there is none."""
    return f"{float(text):,.0f}" if text and abs(float(text)) >= 1000 else text


if __name__ == "__main__":
    sys.exit(run_program(main))
