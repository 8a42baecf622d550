"""The closing summary of a run: samples, Dice, and the pages and pictures worth opening. Only reads files."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.contract import SPLITS
from segmenter.data.dataset import DataSet, count_patients
from segmenter.evaluation import read_summary
from segmenter.evaluation.formatting import counted
from segmenter.report.labels import WIDE_UNDER
from segmenter.runs import Run


def collect_summary(data: DataSet, run: Run) -> dict[str, Any]:
    """What is known of a run.

    Args:
      data: the data set as the run saw it.

    Returns:
      `dataset`, `run`: the folders; `splits`: `samples`, `images` and `patients` of each; `dice`: of valid and test each
      a `state` (`evaluated`, `not evaluated`, `earlier version`, `no lesions`), and where evaluated the number of
      `originals` with lesions and their `mean` and `median`, else the number of `images` without; `few_patients`: the
      patients of test where these are too few for a narrow interval, else None; `read_first`, `pictures`: paths.
    """
    patients = count_patients(sample for sample in data.samples if sample.split == "test")
    return {
        "dataset": _display_path(data.folder),
        "run": _display_path(run.folder),
        "splits": {split: _count_split(data, split) for split in SPLITS},
        "dice": {split: _dice(read_summary(run.evaluation(split))) for split in ("valid", "test")},
        "few_patients": patients if data.fold is None and patients < WIDE_UNDER else None,
        "read_first": list(map(_display_path, _pages(data, run))),
        "pictures": list(map(_display_path, _pictures(data, run))),
    }


def _count_split(data: DataSet, split: str) -> dict[str, int]:
    samples = [sample for sample in data.samples if sample.split == split]
    images = {sample.image_id for sample in samples}
    return {"samples": len(samples), "images": len(images), "patients": count_patients(samples)}


def _dice(summary: Mapping[str, Any]) -> dict[str, Any]:
    if not summary:
        return {"state": "not evaluated"}
    if "metrics" not in summary:
        return {"state": "earlier version"}
    values = summary["metrics"]
    if "dice_mean_originals" not in values:
        return {"state": "no lesions", "images": values["images"]}
    count, mean, median = (values[f"dice_{name}_originals"] for name in ("count", "mean", "median"))
    return {"state": "evaluated", "originals": int(count), "mean": mean, "median": median}


def describe_summary(summary: Mapping[str, Any]) -> list[str]:
    """The lines for the terminal, of what `collect_summary` returns."""
    lines = [f"data set  {summary['dataset']}"]
    for split, count in summary["splits"].items():
        patients = counted(count["patients"], "patient")
        lines.append(f"  {split:<6}  {count['samples']} samples of {count['images']} images, {patients}")
    lines.append(f"run       {summary['run']}")
    lines += [f"  {split:<6}  {_describe_dice(dice)}" for split, dice in summary["dice"].items()]
    if summary["few_patients"] is not None:
        lines.append(
            f"  test has {counted(summary['few_patients'], 'patient')}, and with fewer than {WIDE_UNDER} an interval says little;"
        )
        lines.append("  `make cv` trains and evaluates every fold, so that all patients count")
    for title, paths in (("read first:", summary["read_first"]), ("pictures worth opening:", summary["pictures"])):
        if paths:
            lines += [title, *(f"  {path}" for path in paths)]
    return lines


def _describe_dice(dice: Mapping[str, Any]) -> str:
    if dice["state"] == "evaluated":
        originals = counted(dice["originals"], "original")
        return f"Dice of {originals} with lesions: mean {dice['mean']:.3f}, median {dice['median']:.3f}"
    if dice["state"] == "no lesions":
        return f"no original with a lesion among {dice['images']} images"
    return "evaluated by an earlier version; evaluate again" if dice["state"] == "earlier version" else "not evaluated"


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
