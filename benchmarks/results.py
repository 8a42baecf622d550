"""The rows that all benchmarks share: how seconds are measured, written as CSV, and put into docs/benchmarks.md."""

import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipeline.files import read_csv, write_csv

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "opencv-python-headless", "pandas", "tensorflow", "keras", "jax", "torch", "onnxruntime", "dask")


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
      measurement: what was measured, as a reader would say it.
      setting: under which condition; empty if there is only one.
      value, low, high: median, least and largest of `runs` runs, in `unit`.
      reference: what it is compared with, measured alternately in the same run; empty without one.
      ratio: value divided by that of the reference.
      target: what was asked for of the ratio, or where there is none of the value, as `<= 1.2`; empty without one.
    """

    measurement: str
    setting: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    runs: int = 1
    reference: str = ""
    ratio: float | None = None
    target: str = ""


def measure_alternately(functions: Mapping[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Runs the functions in turn, `runs` times, so that a machine that slows down slows all of them.

    Returns:
      Seconds of each run, by the function's name.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(runs):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def median_ratio(values: Sequence[float], references: Sequence[float]) -> float:
    """The median of the ratios of each run, which is steadier than the ratio of the medians."""
    return statistics.median(value / reference for value, reference in zip(values, references, strict=True))


def summarize(measurement: str, setting: str, values: Sequence[float], unit: str, **others) -> Row:
    """A row of the median of `values`, with their least and largest; `others` are further fields of Row."""
    return Row(measurement, setting, statistics.median(values), unit, min(values), max(values), len(values), **others)


def write_rows(benchmark: str, rows: Sequence[Row], *, keep: bool = False) -> Path:
    """Writes benchmarks/results/BENCHMARK.csv, whose first columns state the date and the machine, and prints the rows.

    Args:
      keep: keeps the rows of earlier runs whose measurement has another title, which is what is before its colon.
    """
    facts = {"date": date.today().isoformat(), "machine": describe_machine(), "versions": describe_versions()}
    path = RESULTS / f"{benchmark}.csv"
    path.parent.mkdir(exist_ok=True)
    columns = (*facts, *(field.name for field in fields(Row)))
    new = [facts | {key: _shorten(value) for key, value in asdict(row).items()} for row in rows]
    titles = {_title(row.measurement) for row in rows}
    kept = [dict(row) for row in read_csv(path) if _title(row["measurement"]) not in titles] if keep and path.is_file() else []
    write_csv(path, columns, kept + new)
    for row in rows:
        ratio = f"; {row.ratio:.3g} x {row.reference}" if row.ratio is not None else ""
        print(f"{row.measurement} ({row.setting or 'one setting'}): {row.value:.4g} {row.unit}{ratio}", flush=True)
    return path


def _title(measurement: str) -> str:
    return measurement.partition(":")[0]


def describe_machine() -> str:
    """The processor and the number of cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {len(names) or '?'} cores"


def describe_versions() -> str:
    """Python and the packages that matter to speed."""
    versions = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(versions)


def _shorten(value: object) -> object:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else value
