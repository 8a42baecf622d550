"""Small data sets that tests make for themselves, stage by stage, without audit and pictures."""

from collections.abc import Sequence
from pathlib import Path

from inputs import Download, circle, small_download, small_recipe

from pipeline import stages
from pipeline.dataset.folder import DatasetFolder
from pipeline.recipe import load_recipe
from pipeline.workers import Inline
from segmenter.runs import State


def make_set(root: Path, download: Download | None = None, changes: Sequence[tuple[str, str]] = (), **recipe) -> DatasetFolder:
    """Makes a complete data set of 32 px in `root/set`.

    Args:
      root: an empty folder.
      download: the images; without one, malignant DM and CM of six patients.
      changes: pieces of the recipe's text, each with its replacement.
      recipe: arguments of `small_recipe`.
    """
    path = Path(small_recipe(root / "small.toml", **recipe))
    for old, new in changes:
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    raw, folder, executor = (download or small_download(root / "raw")).root, DatasetFolder(root / "set"), Inline()
    stages.index(folder, load_recipe(str(path)), raw, None, executor)
    stages.split(folder)
    stages.variants(folder, executor, fused=True)
    return folder


def make_set_of_classes(root: Path) -> DatasetFolder:
    """A set like recipe full: nine patients, one third each malignant, benign and normal; masks hold class indices."""
    download = Download(root / "raw")
    for patient in range(1, 10):
        label = ("Normal", "Benign", "Malignant")[patient % 3]
        shapes = [] if label == "Normal" else [circle(12, 15, 6), circle(28, 45, 7)]
        download.add(f"P{patient}_L_DM_CC", shapes, label)
    return make_set(
        root,
        download.write(),
        variants=["original"],
        values="classes",
        with_regions=("malignant", "benign"),
        without_regions=("normal",),
    )


def make_published_set(root: Path) -> DatasetFolder:
    """A set with JPEG masks in color, as the published V2 has them, split by sample."""
    changes = [('values = "binary"', 'format = "jpeg"\ncolor = "rgb"'), ("seed = 1", 'seed = 1\nby = "sample"')]
    return make_set(root, changes=[*changes, ("size_px = 32", 'size_px = 32\ncolor = "rgb"')])


SETS = {"binary": make_set, "classes": make_set_of_classes, "published": make_published_set}


def training_state(epochs: int, best_epoch: int = 1, wait: int = 0) -> State:
    """The state of a run after some epochs; the loss in validation is 0.5 in the best one and 0.9 in the others."""
    history = [
        {
            "epoch": epoch,
            "loss": 1 / epoch,
            "val_loss": 0.5 if epoch == best_epoch else 0.9,
            "learning_rate": 0.01,
            "seconds": 1.0,
        }
        for epoch in range(1, epochs + 1)
    ]
    checkpoint = f"last_epoch_{epochs:04d}.keras"
    return State(epochs, checkpoint, best_epoch, 0.5, {"wait": wait, "best": 0.5}, {}, history)
