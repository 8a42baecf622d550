"""The closing summary of a run: samples, test figures, and the pictures worth opening. Reads what others wrote."""

import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.contract import SPLITS
from segmenter.data.dataset import DataSet
from segmenter.evaluation import read_summary
from segmenter.runs import Run


def summarise_run(data: DataSet, run: Run) -> list[str]:
    """The lines of the summary."""
    lines = [f"data set  {_shown(data.folder)}", *_split_lines(data), f"run       {_shown(run.folder)}"]
    for split in ("valid", "test"):
        lines += _figure_lines(split, read_summary(run.evaluation(split)).get("figures", {}))
    pictures = _pictures(data, run)
    return [*lines, "pictures worth opening:", *(f"  {_shown(path)}" for path in pictures)] if pictures else lines


def _split_lines(data: DataSet) -> list[str]:
    lines = []
    for split in SPLITS:
        samples = [sample for sample in data.samples if sample.split == split]
        patients = {sample.patient for sample in samples if sample.patient}
        told = f", {len(patients)} patients" if patients else ""
        lines.append(f"  {split:<6}  {len(samples)} samples of {len({sample.image_id for sample in samples})} images{told}")
    return lines


def _figure_lines(split: str, figures: dict[str, float]) -> Sequence[str]:
    if not figures:
        return [f"  {split:<6}  not evaluated"]
    if "dice_mean_originals" not in figures:
        return [f"  {split:<6}  no original with a lesion among {figures['images']} images"]
    count, mean, median = (figures[f"dice_{name}_originals"] for name in ("count", "mean", "median"))
    return [f"  {split:<6}  Dice of {count} originals with lesions: mean {mean:.3f}, median {median:.3f}"]


def _pictures(data: DataSet, run: Run) -> list[Path]:
    """Pictures that exist: of the data set, the curves, the best and worst, and one overlay."""
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


def _shown(path: Path) -> str:
    """A path from here where it lies below here, so that it can be clicked or pasted, else the whole path."""
    relative = os.path.relpath(path)
    return str(path.absolute()) if relative.startswith("..") else relative
