"""A data set's folder: where its files are, and what state it is in."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.contract import DATASET_JSON, DATASET_MARK, MANIFEST, SPLITS
from pipeline.dataset.journal import Journal, Stamp
from pipeline.dataset.manifest import read_manifest
from pipeline.files import FileMemory, InputError, dump_toml, load_toml, remove_tree, sha256, write_text
from pipeline.indexing.tables import Reject, SourceImage, read_images, read_rejects, write_rejects
from pipeline.recipe import Recipe


class DatasetFolder:
    """The files of one data set. What several stages read is read once, and again where it has changed since.

    Beside what DESIGN names there is `.work/`: `index.json` (what the index was made from, and its counts), `split.json`
    (the [split] table that the assignment follows) and `made.jsonl` (the journal). Between the stages masks and variants
    the square pairs are in `squares/`.
    """

    def __init__(self, root: Path):
        self.root = root
        self.recipe = root / DATASET_MARK
        self.index = root / "index.csv"
        self.regions = root / "regions.csv"
        self.rejects = root / "rejects.csv"
        self.assignment = root / "assignment.csv"
        self.manifest = root / MANIFEST
        self.description = root / DATASET_JSON
        self.card = root / "README.md"
        self.audit = root / "audit.json"
        self.stats = root / "stats"
        self.report = root / "report.html"
        self.squares = root / "squares"
        self.work = root / ".work"
        self.index_state = self.work / "index.json"
        self.split_state = self.work / "split.json"
        self.stats_state = self.work / "stats.json"
        self.report_state = self.work / "report.json"
        self._memory = FileMemory()
        self.journal = Journal(self.work / "made.jsonl")

    def claim(self, recipe: Recipe, raw: str, *, keyed: bool = False) -> None:
        """Makes the folder this recipe's and these sources', and writes the resolved recipe.

        Args:
          recipe: what is made here.
          raw: what stands for RAW in the state: its path, or with a site key the keyed one.
          keyed: whether there is a site key.

        Raises:
          InputError: the folder is of another recipe, of other sources, or no data set at all.
        """
        if self.recipe.exists():
            found = self.load_recipe()
            if found.pixels != recipe.pixels:
                raise InputError(
                    f"{self.root}: was made by recipe {found.name!r}, not {recipe.name!r} "
                    f"({_difference(found.pixels, recipe.pixels)}); choose another folder (DATASET=...) or "
                    "delete this one"
                )
            state = self.read_state(self.index_state)
            indexed = state.get("raw")
            if indexed and indexed != raw:
                keyed_one = "was made with a site key, and RAW or the key is another one now, or none is given"
                reason = (
                    keyed_one if state.get("keyed") else f"was made from {indexed}, not {'with a site key' if keyed else raw}"
                )
                raise InputError(f"{self.root}: {reason}; choose another folder (DATASET=... or OUT=...) or delete this one")
            if found.split == recipe.split:
                return
        elif self.root.exists() and any(path.name not in ("runs", "stats") for path in self.root.iterdir()):
            raise InputError(f"{self.root}: is not empty and no data set of this program; choose another folder (DATASET=...)")
        write_text(self.recipe, dump_toml(recipe, header=f"{recipe.title}\nResolved: every default is filled in."))

    def load_recipe(self) -> Recipe:
        """The resolved recipe that the folder was begun with."""
        self.need(self.recipe, "index")
        return self._memory.read(self.recipe, _load_recipe)

    def read_images(self) -> list[SourceImage]:
        """The source images that the index kept."""
        return self._memory.read(self.index, read_images)

    def read_rejects(self) -> list[Reject]:
        """The source images that were dropped."""
        return self._memory.read(self.rejects, read_rejects)

    def write_rejects(self, rejects: Iterable[Reject]) -> None:
        """Writes rejects.csv, sorted, unless it is known to say so."""
        rejects = sorted(rejects, key=lambda reject: (reject.image, reject.where))
        if self._memory.recall(self.rejects, read_rejects) != rejects:
            write_rejects(self.rejects, rejects)
            self._memory.keep(self.rejects, read_rejects, rejects)

    def read_manifest(self) -> list[dict[str, Any]]:
        """The rows of the manifest.

        Raises:
          InputError: the data set is not complete, or its manifest not what this version writes.
        """
        self.need(self.manifest, "variants")
        return self._memory.read(self.manifest, self._read_rows)

    def _read_rows(self, path: Path) -> list[dict[str, Any]]:
        return read_manifest(path, self._memory.read(path, Path.read_bytes))

    def write_manifest(self, text: str) -> None:
        """Writes the manifest, which makes the data set complete; durably, because everything else is on disk by then."""
        write_text(self.manifest, text, durable=True)
        self._memory.keep(self.manifest, Path.read_bytes, text.encode())

    def has_manifest(self, text: str) -> bool:
        """Whether the manifest is there and has this text."""
        return self.manifest.exists() and self._memory.read(self.manifest, Path.read_bytes) == text.encode()

    def need(self, path: Path, stage: str) -> None:
        """Raises an InputError that names the stage whose output is missing."""
        if not path.exists():
            around = sorted(found.parent.name for found in self.root.parent.glob(f"*/{DATASET_MARK}"))
            others = f"; the data sets beside it are {', '.join(around)}" if around and self.root.name not in around else ""
            raise InputError(f"{self.root}: has no {path.name}; run the stage {stage!r} first (make {stage}){others}")

    def read_state(self, path: Path) -> dict:
        """Reads a state file; one that is missing or broken is an empty state, and the stage runs again."""
        return dict(self._memory.read(path, _load_state)) if path.exists() else {}

    def write_state(self, path: Path, state: Mapping) -> None:
        """Writes a state file."""
        write_text(path, json.dumps(state, indent=1) + "\n")

    def holds(self, path: str, stamp: Stamp) -> bool:
        """Whether the file at `path` is the stamped one; it is hashed only where its time of change is another."""
        file = self.root / path
        try:
            stat = file.stat()
        except OSError:
            return False
        return stat.st_size == stamp.size and (stat.st_mtime_ns == stamp.mtime_ns or sha256(file) == stamp.sha256)

    def drop(self, paths: Iterable[str]) -> None:
        """Deletes files that this data set no longer has."""
        for path in paths:
            (self.root / path).unlink(missing_ok=True)

    def drop_parts(self) -> None:
        """Deletes the half-written files that a killed run left in the splits' folders."""
        for part in self.root.glob("*/*/.*.part"):
            part.unlink(missing_ok=True)

    def clear_squares(self) -> None:
        """Deletes the square pairs between the stages; the samples hold them from now on."""
        remove_tree(self.squares)

    def digest(self) -> str:
        """SHA-256 of the manifest: the identity of a complete data set; empty while it is not complete."""
        if not self.manifest.exists():
            return ""
        return hashlib.sha256(self._memory.read(self.manifest, Path.read_bytes)).hexdigest()


def _load_recipe(path: Path) -> Recipe:
    return load_toml(path, Recipe)


def _load_state(path: Path) -> dict:
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def sample_paths(split: str, sample: str, recipe: Recipe) -> dict[str, str]:
    """Paths of a sample's files, relative to the data set's folder."""
    suffixes = {"jpeg": "jpg", "png": "png"}
    paths = {
        "image": f"{split}/images/{sample}.{suffixes[recipe.image.format]}",
        "mask": f"{split}/masks/{sample}.{suffixes[recipe.mask.format]}",
    }
    if recipe.mask.values == "classes":
        paths["mask_color"] = f"{split}/masks_color/{sample}.png"
    return paths


def make_split_folders(root: Path, recipe: Recipe) -> None:
    """Makes the folders of all three splits, so that an empty split is a folder too."""
    for split in SPLITS:
        for path in sample_paths(split, "x", recipe).values():
            (root / path).parent.mkdir(parents=True, exist_ok=True)


def _difference(found: Mapping, wanted: Mapping, section: str = "") -> str:
    """The first setting in which two recipes differ."""
    for key in wanted:
        if found.get(key) != wanted[key] and key != "name":
            if isinstance(wanted[key], Mapping):
                return _difference(found[key], wanted[key], f"{section}{key}.")
            return f"{section}{key} is {found.get(key)!r} there and {wanted[key]!r} here"
    return "their names differ"


def digest_of(*parts: object) -> str:
    """SHA-256 of JSON-able values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
