"""Lists the samples of a data set folder: from its manifest, and from the files that are there."""

import os
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.contract import SPLITS, find_split_folders, parse_sample

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Sample:
    """One file stem of one split, with what is known before its files are read; `folder` is the name of the split's folder."""

    name: str
    split: str
    folder: str
    image: Path | None
    mask: Path | None
    image_id: str
    patient: str
    image_class: str = ""
    sha256: tuple[str, str] = ("", "")

    @property
    def location(self) -> str:
        return f"{self.folder}/{self.name}"

    @property
    def file(self) -> str:
        """The image's path relative to the data set's folder; without a suffix where there is no such file."""
        return f"{self.folder}/images/{self.image.name if self.image else self.name}"


def list_samples(folder: Path, manifest: Rows = ()) -> Iterator[Sample]:
    """The samples of a data set folder: those that its manifest names, and those whose files are there."""
    rows = {(row["split"], row["sample"]): row for row in manifest}
    for split_folder, split in _split_folders(folder, {split for split, _ in rows}):
        images, masks = _stems(split_folder / "images"), _stems(split_folder / "masks")
        listed = {sample for other, sample in rows if other == split}
        for name in sorted(images.keys() | masks.keys() | listed):
            row = rows.get((split, name))
            if row:
                fields = (row["image_id"], row["patient"], row["class"], (row["image_sha256"], row["mask_sha256"]))
            else:
                parsed = parse_sample(name)[1]
                fields = (parsed.image_id, parsed.patient, "", ("", ""))
            yield Sample(name, split, split_folder.name, images.get(name), masks.get(name), *fields)


def _split_folders(folder: Path, listed: Set[str]) -> list[tuple[Path, str]]:
    """Lists the folders of the splits, including those of `listed` splits of the manifest that are missing."""
    folders = find_split_folders(folder)
    missing = listed - {split for _, split in folders}
    return folders + [(folder / split, split) for split in SPLITS if split in missing]


def _stems(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {
        Path(entry.name).stem: Path(entry.path)
        for entry in os.scandir(folder)
        if entry.is_file() and not entry.name.startswith(".") and entry.name.lower() not in ("desktop.ini", "thumbs.db")
    }
