"""The files and folders of a data set: what marks it, and where each split is kept."""

from dataclasses import dataclass
from pathlib import Path

SCHEMA = 1  # of recipe, manifest and dataset.json
MANIFEST = "manifest.csv"  # a folder that has one is complete
DATASET_JSON = "dataset.json"  # the content of the data set card, for programs
DATASET_MARK = "recipe.toml"  # a folder that has one was written by a stage; its images are not source images

SPLITS = ("train", "valid", "test")
# The split that a folder holds, by the folder's name in lowercase.
SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class SplitFolder:
    """Where a data set folder keeps the images and masks of one split.

    Attributes:
      split: one of `SPLITS`.
      name: of the folder, as it is spelled there.
      images, masks: the folders of the files; either may be missing.
    """

    split: str
    name: str
    images: Path
    masks: Path


def find_split_folders(root: Path) -> list[SplitFolder]:
    """Lists the folders of a data set that hold a split, in the order of `SPLITS`; names are compared without case.

    Both `train/images` and `images/train` are found, also where `train` is spelled `Train` or `training`.
    """
    pairs = [(path.name, _below(path, "images"), _below(path, "masks")) for path in _subfolders(root)]
    masks = _below(root, "masks")
    pairs += [(path.name, path, _below(masks, path.name)) for path in _subfolders(_below(root, "images"))]
    folders = [
        SplitFolder(SPLIT_FOLDERS[name.lower()], name, images, masks)
        for name, images, masks in pairs
        if name.lower() in SPLIT_FOLDERS
    ]
    return sorted(folders, key=lambda folder: (SPLITS.index(folder.split), folder.images))


def _below(folder: Path, name: str) -> Path:
    """The folder of that name below another one; where there is none, one whose name differs in case only."""
    path = folder / name
    others = [] if path.is_dir() else sorted(other for other in _subfolders(folder) if other.name.lower() == name.lower())
    return others[0] if others else path


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
