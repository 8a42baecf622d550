"""A data set's folder: the paths of its files, and its state."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.contract import DATASET_JSON, DATASET_MARK, MANIFEST, PARTNER_FOLDER, PARTNERS, SPLITS
from pipeline.dataset.journal import Journal, JournalEntry, PartnerEntry, Stamp
from pipeline.dataset.manifest import read_manifest
from pipeline.dataset.states import load_state
from pipeline.files import (
    LOCK,
    FileMemory,
    InputError,
    dump_toml,
    load_toml,
    locked,
    path_below,
    read_regular,
    remove_tree,
    sha256,
    write_text,
)
from pipeline.indexing.tables import (
    PartnerSource,
    Reject,
    SourceImage,
    read_images,
    read_partner_sources,
    read_rejects,
    write_rejects,
)
from pipeline.recipe import Recipe

_BLOCK_BYTES = 512  # the smallest that disks have


class DatasetFolder:
    """The files of one data set. What several stages read is read once, and again only after it has changed.

    In addition to the files that DESIGN names, the folder `.work/` holds `index.json` (what the index was made from, and
    its counts), `split.json` (the [split] table that the assignment follows) and `made.jsonl` (the journal); where there are
    partners also `partners.csv` (their sources) and `partners.jsonl` (what was made of them). Between the stages masks and
    variants the square pairs are in `squares/`.

    Attributes:
      made: the image_ids of the images whose samples have been made through this object.
    """

    def __init__(self, root: Path):
        self.root = root
        self.recipe = root / DATASET_MARK
        self.index = root / "index.csv"
        self.regions = root / "regions.csv"
        self.rejects = root / "rejects.csv"
        self.assignment = root / "assignment.csv"
        self.manifest = root / MANIFEST
        self.partners = root / PARTNERS
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
        self.made: set[str] = set()
        self.partner_index = self.work / "partners.csv"
        self._memory = FileMemory()
        self.journal = Journal(self.work / "made.jsonl", JournalEntry)
        self.partner_journal = Journal(self.work / "partners.jsonl", PartnerEntry)

    def locked(self, stage: str) -> AbstractContextManager[None]:
        """Holds the folder's lock within a block, as `pipeline.files.locked` does; the runs have locks of their own."""
        return locked(self.root, f"pipeline {stage}", shared="runs")

    def claim(self, recipe: Recipe, raw: str, *, keyed: bool = False) -> None:
        """Binds the folder to a recipe and its sources, and writes the resolved recipe; otherwise as `check_claim`."""
        self.check_claim(recipe, raw, keyed=keyed)
        if not self.recipe.exists() or self.load_recipe().split != recipe.split:
            write_text(self.recipe, dump_toml(recipe, header=f"{recipe.title}\nResolved: every default is filled in."))

    def check_claim(self, recipe: Recipe, raw: str, *, keyed: bool = False) -> None:
        """Checks that a recipe and its sources may go into this folder; writes nothing.

        Args:
          recipe: what is made here.
          raw: how the state records RAW: its path, or with a site key the keyed path.
          keyed: whether there is a site key.

        Raises:
          InputError: the folder belongs to another recipe or to other sources, or is not a data set.
        """
        if self.recipe.exists():
            existing = self.load_recipe()
            if existing.pixels != recipe.pixels:
                raise InputError(
                    f"{self.root}: was made by recipe {existing.name!r}, not {recipe.name!r} "
                    f"({_difference(existing.pixels, recipe.pixels)}); choose another folder (DATASET=...) or "
                    "delete this one"
                )
            state = self.read_state(self.index_state)
            indexed = state.get("raw")
            if indexed and indexed != raw:
                reason = f"was made from {indexed}, not {'with a site key' if keyed else raw}"
                if state.get("keyed"):
                    reason = "was made with a site key, and RAW or the key has changed, or no key is given"
                raise InputError(f"{self.root}: {reason}; choose another folder (DATASET=... or OUT=...) or delete this one")
        elif self.root.exists() and any(path.name not in ("runs", "stats", LOCK) for path in self.root.iterdir()):
            raise InputError(f"{self.root}: is not empty and not a data set of this program; choose another folder (DATASET=...)")

    def load_recipe(self) -> Recipe:
        """Reads the resolved recipe that the folder was begun with."""
        self.need(self.recipe, "index")
        return self._memory.read(self.recipe, _load_recipe)

    def read_images(self) -> list[SourceImage]:
        """Reads the source images that the index kept."""
        return self._memory.read(self.index, read_images)

    def read_rejects(self) -> list[Reject]:
        """Reads the source images that were dropped."""
        return self._memory.read(self.rejects, read_rejects)

    def read_partner_sources(self) -> dict[str, PartnerSource]:
        """Reads the partners that the index found, by image; empty where it looked for none."""
        return self._memory.read(self.partner_index, read_partner_sources) if self.partner_index.exists() else {}

    def write_rejects(self, rejects: Iterable[Reject]) -> None:
        """Writes rejects.csv, sorted, unless it is known to hold these rows already."""
        rejects = sorted(rejects, key=lambda reject: (reject.image, reject.where))
        if self._memory.recall(self.rejects, read_rejects) != rejects:
            write_rejects(self.rejects, rejects)
            self._memory.keep(self.rejects, read_rejects, rejects)

    def read_manifest(self) -> list[dict[str, Any]]:
        """Reads the rows of the manifest.

        Raises:
          InputError: the data set is not complete, or its manifest is not as this version writes it.
        """
        self.need(self.manifest, "variants")
        return self._memory.read(self.manifest, self._read_rows)

    def _read_rows(self, path: Path) -> list[dict[str, Any]]:
        return read_manifest(path, self._memory.read(path, read_regular))

    def write_manifest(self, text: str) -> None:
        """Writes the manifest, which makes the data set complete; everything else is on the disk by then."""
        write_text(self.manifest, text)
        self._memory.keep(self.manifest, read_regular, text.encode())

    def has_manifest(self, text: str) -> bool:
        """Whether the manifest is there and has this text."""
        return self.manifest.exists() and self._memory.read(self.manifest, read_regular) == text.encode()

    def need(self, path: Path, stage: str) -> None:
        """Raises an InputError that names the stage whose output is missing."""
        if not path.exists():
            others = sorted(mark.parent.name for mark in self.root.parent.glob(f"*/{DATASET_MARK}"))
            hint = f"; the data sets next to it are {', '.join(others)}" if others and self.root.name not in others else ""
            raise InputError(f"{self.root}: has no {path.name}; run the stage {stage!r} first (make {stage}){hint}")

    def read_state(self, path: Path) -> dict:
        """Reads a state file; one that is missing or broken is an empty state, and the stage runs again."""
        return dict(self._memory.read(path, load_state)) if path.exists() else {}

    def write_state(self, path: Path, state: Mapping) -> bool:
        """Writes a state file; returns whether it has changed."""
        return write_text(path, json.dumps(state, indent=1) + "\n")

    def holds(self, path: str, stamp: Stamp) -> bool:
        """Whether the file at `path` is the stamped one; it is hashed where its modification time differs, or it may be cut."""
        file = path_below(self.root, path, f"{self.journal.path}: {path}")
        try:
            stat = file.stat()
        except OSError:
            return False
        # Earlier versions recorded files that a full disk had cut, and a disk cuts at whole blocks.
        trusted = stat.st_mtime_ns == stamp.mtime_ns and stat.st_size % _BLOCK_BYTES != 0
        return stat.st_size == stamp.size and (trusted or sha256(file) == stamp.sha256)

    def settle(self, stamps: Mapping[str, Stamp], paths: Mapping[str, str]) -> dict[str, Stamp] | None:
        """Moves files of a sample to the paths where they belong now; None where one of them is not there or not intact.

        Args:
          stamps: the files by name.
          paths: by the same names.
        """
        settled = {}
        for name, path in paths.items():
            stamp = stamps.get(name)
            # After an interrupted move some files are where they belong already.
            candidates = dict.fromkeys((path, stamp.path)) if stamp else {}
            current = next((candidate for candidate in candidates if stamp and self.holds(candidate, stamp)), None)
            if stamp is None or current is None:
                return None
            if current != path:
                self.manifest.unlink(missing_ok=True)
                (self.root / current).replace(self.root / path)
            settled[name] = stamp if stamp.path == path else replace(stamp, path=path)
        return settled

    def has_file(self, path: str, named_by: Path) -> bool:
        """Whether a file that a state file of this folder names is there; an InputError where it lies outside."""
        return path_below(self.root, path, str(named_by)).is_file()

    def drop(self, paths: Iterable[str]) -> None:
        """Deletes files that this data set no longer has."""
        for path in paths:
            path_below(self.root, path, str(self.journal.path)).unlink(missing_ok=True)

    def clear_squares(self) -> None:
        """Deletes the square pairs between the stages; the samples contain them from now on."""
        remove_tree(self.squares)

    def digest(self) -> str:
        """Returns the SHA-256 of the manifest: the identity of a complete data set; empty while it is not complete."""
        if not self.manifest.exists():
            return ""
        return hashlib.sha256(self._memory.read(self.manifest, read_regular)).hexdigest()


def _load_recipe(path: Path) -> Recipe:
    return load_toml(path, Recipe)


_SUFFIXES = {"jpeg": "jpg", "png": "png"}


def partner_path(split: str, sample: str, recipe: Recipe) -> str:
    """Returns the path of a sample's partner, relative to the data set's folder."""
    return f"{split}/{PARTNER_FOLDER}/{sample}.{_SUFFIXES[recipe.image.format]}"


def sample_paths(split: str, sample: str, recipe: Recipe) -> dict[str, str]:
    """Returns the paths of a sample's files, relative to the data set's folder."""
    paths = {
        "image": f"{split}/images/{sample}.{_SUFFIXES[recipe.image.format]}",
        "mask": f"{split}/masks/{sample}.{_SUFFIXES[recipe.mask.format]}",
    }
    if recipe.mask.values == "classes":
        paths["mask_color"] = f"{split}/masks_color/{sample}.png"
    return paths


def make_split_folders(root: Path, recipe: Recipe) -> None:
    """Makes the folders of all three splits, so that an empty split is a folder too."""
    for split in SPLITS:
        partners = [partner_path(split, "x", recipe)] if recipe.partner.use else []
        for path in (*sample_paths(split, "x", recipe).values(), *partners):
            (root / path).parent.mkdir(parents=True, exist_ok=True)


def _difference(existing: Mapping, requested: Mapping, section: str = "") -> str:
    """Describes the first setting in which two recipes differ."""
    for key in requested:
        if existing.get(key) != requested[key] and key != "name":
            if isinstance(requested[key], Mapping):
                return _difference(existing[key], requested[key], f"{section}{key}.")
            return f"{section}{key} is {existing.get(key)!r} there and {requested[key]!r} here"
    return "their names differ"


def digest_of(*parts: object) -> str:
    """Returns the SHA-256 of values that JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
