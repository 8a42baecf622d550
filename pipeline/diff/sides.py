"""One of the two folders that are compared: its samples, recipe and annotations, with a manifest or without."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.audit import describe_missing_splits, list_samples
from pipeline.contract import PARTNER_FOLDER, SPLITS
from pipeline.dataset.description import describe_annotators, read_description
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError
from pipeline.indexing.tables import read_regions
from pipeline.recipe import Recipe


@dataclass(frozen=True)
class SideSample:
    """A sample of one side.

    Attributes:
      row: its row of the manifest; without one only what its location and name say.
      files: its image, mask and partner, by these names; those that it does not have are missing.
    """

    row: Mapping[str, Any]
    files: Mapping[str, Path]


class Side:
    """A data set folder.

    Raises:
      InputError: there is no such folder, it holds no samples, or its manifest or recipe cannot be read.
    """

    def __init__(self, root: Path):
        if not root.is_dir():
            raise InputError(f"{root}: there is no such folder; expected that of a data set")
        self.root, self.folder = root, DatasetFolder(root)
        self.has_manifest = self.folder.manifest.is_file()
        self.samples = list(self._read_manifest() if self.has_manifest else self._list_files())
        if not self.samples:
            raise InputError(describe_missing_splits(root))

    @cached_property
    def recipe(self) -> Recipe | None:
        """Its recipe; None in a folder that no recipe made."""
        return self.folder.load_recipe() if self.folder.recipe.is_file() else None

    @cached_property
    def has_binary_masks(self) -> bool:
        """Whether its masks are known to have one lesion class."""
        return self.recipe is not None and self.recipe.mask.values == "binary"

    @cached_property
    def annotation_files(self) -> list[str] | None:
        """Names of the annotation files that it was made from; None where they are unknown."""
        summary = self.folder.read_state(self.folder.index_state).get("summary", {})
        return summary.get("annotation_files") if self.folder.recipe.is_file() else None

    @cached_property
    def annotators(self) -> list[str]:
        """By whom and when its annotation files were made, one line per file that states it."""
        if not self.folder.description.is_file():
            return []
        return describe_annotators(read_description(self.folder.description).get("annotators", ()))

    @cached_property
    def regions(self) -> dict[str, list[str]] | None:
        """The drawn regions of each image, as sorted texts; None where they are unknown."""
        if not self.folder.regions.is_file():
            return None
        regions: dict[str, list[str]] = {}
        for row in read_regions(self.folder.regions):
            regions.setdefault(row["image_id"], []).append(row["attributes"])
        return {image_id: sorted(texts) for image_id, texts in regions.items()}

    def _read_manifest(self) -> Iterator[SideSample]:
        partners = {split: _files_by_stem(self.root / split / PARTNER_FOLDER) for split in SPLITS}
        for row in self.folder.read_manifest():
            paths = {"image": self.root / row["image"], "mask": self.root / row["mask"]}
            partner = partners[row["split"]].get(row["sample"])
            yield SideSample(row, paths | ({"partner": partner} if partner else {}))

    def _list_files(self) -> Iterator[SideSample]:
        for sample in list_samples(self.root):
            row = {"sample": sample.name, "image_id": sample.image_id, "split": sample.split}
            files = {"image": sample.image, "mask": sample.mask}
            yield SideSample(row, {name: path for name, path in files.items() if path})


def _files_by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {Path(entry.name).stem: folder / entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")}


def match(first: Side, second: Side) -> Iterator[tuple[SideSample | None, SideSample | None]]:
    """Yields the samples of two sides in pairs, sorted by name; None stands for one that the other side lacks.

    Samples belong together by name. A name that a folder without a manifest uses in several splits belongs together within
    the split.
    """
    counts = [Counter(sample.row["sample"] for sample in side.samples) for side in (first, second)]
    repeated = {name for count in counts for name, times in count.items() if times > 1}

    def key(sample: SideSample) -> tuple[str, str]:
        name = sample.row["sample"]
        return name, sample.row["split"] if name in repeated else ""

    before, after = ({key(sample): sample for sample in side.samples} for side in (first, second))
    for name in sorted(before.keys() | after.keys()):
        yield before.get(name), after.get(name)
