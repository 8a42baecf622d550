"""The closing summary of a run: samples, Dice, and the pages and pictures worth opening. Only reads files."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.contract import SPLITS
from segmenter.data.dataset import DataSet
from segmenter.evaluation import read_summary
from segmenter.evaluation.formatting import counted
from segmenter.report.labels import WIDE_UNDER
from segmenter.runs import Run


def summarise_run(data: DataSet, run: Run) -> list[str]:
    """The lines of the summary.

    Args:
      data: the data set as the run saw it.
    """
    lines = [f"data set  {_display_path(data.folder)}", *_split_lines(data), f"run       {_display_path(run.folder)}"]
    for split in ("valid", "test"):
        lines.append(_dice_line(split, read_summary(run.evaluation(split))))
    lines += _advise_folds(data)
    for title, paths in (("read first:", _pages(data, run)), ("pictures worth opening:", _pictures(data, run))):
        if paths:
            lines += [title, *(f"  {_display_path(path)}" for path in paths)]
    return lines


def _split_lines(data: DataSet) -> list[str]:
    lines = []
    for split in SPLITS:
        samples = [sample for sample in data.samples if sample.split == split]
        patients = {sample.patient for sample in samples if sample.patient}
        counts = f"{len(samples)} samples of {len({sample.image_id for sample in samples})} images"
        lines.append(f"  {split:<6}  {counts}" + (f", {counted(len(patients), 'patient')}" if patients else ""))
    return lines


def _dice_line(split: str, summary: Mapping[str, Any]) -> str:
    if not summary:
        return f"  {split:<6}  not evaluated"
    if "metrics" not in summary:
        return f"  {split:<6}  evaluated by an earlier version; evaluate again"
    values = summary["metrics"]
    if "dice_mean_originals" not in values:
        return f"  {split:<6}  no original with a lesion among {values['images']} images"
    count, mean, median = (values[f"dice_{name}_originals"] for name in ("count", "mean", "median"))
    return f"  {split:<6}  Dice of {counted(int(count), 'original')} with lesions: mean {mean:.3f}, median {median:.3f}"


def _advise_folds(data: DataSet) -> list[str]:
    """Suggests cross-validation where the data set's own test split has few patients."""
    patients = len({sample.owner for sample in data.samples if sample.split == "test"})
    if data.fold is not None or patients >= WIDE_UNDER:
        return []
    return [
        f"  test has {counted(patients, 'patient')}, and with fewer than {WIDE_UNDER} an interval says little;",
        "  `make cv` trains and evaluates every fold, so that all patients count",
    ]


def _pages(data: DataSet, run: Run) -> list[Path]:
    """The pages to read that exist: of the run, of the data set, and the model card."""
    candidates = (run.folder / "report.html", data.folder / "report.html", run.folder / "model_card.md")
    return [path for path in candidates if path.is_file()]


def _pictures(data: DataSet, run: Run) -> list[Path]:
    """The pictures that exist: of the data set, the curves, the best and worst, and one overlay."""
    stats = sorted((data.folder / "stats").glob("*.png"), key=lambda path: ("contact" not in path.name, path.name))
    candidates = [
        *stats[:4],
        run.folder / "train_losses.png",
        run.folder / "train_metrics.png",
        run.evaluation("test") / "best.png",
        run.evaluation("test") / "worst.png",
        *sorted((run.predictions / "overlays").glob("*.png"))[:1],
    ]
    return [path for path in candidates if path.is_file()]


def _display_path(path: Path) -> str:
    """The path, relative where it lies below the working folder, so that it can be pasted; else absolute."""
    relative = os.path.relpath(path)
    return str(path.absolute()) if relative.startswith("..") else relative
