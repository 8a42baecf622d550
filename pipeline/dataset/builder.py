"""Tracks what has been made of a data set's images and what is still to do, and finishes it: samples, card, manifest."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from pipeline.contract import SCHEMA, find_reason, sample_name
from pipeline.dataset.card import write_card
from pipeline.dataset.description import describe_dataset, read_description, write_description
from pipeline.dataset.doubtful import find_doubtful
from pipeline.dataset.folder import DatasetFolder, digest_of, make_split_folders, sample_paths
from pipeline.dataset.journal import COUNT_NAMES, JournalEntry
from pipeline.dataset.manifest import manifest_text, sample_rows
from pipeline.dataset.samples import Task, reject_crashed
from pipeline.files import InputError, progress
from pipeline.indexing.find import SourceFiles
from pipeline.indexing.tables import Reject, SourceImage, count_reasons, read_regions, read_shape
from pipeline.splitting.assignment import read_assignment
from pipeline.workers import in_order, sync_all


def read_kept(folder: DatasetFolder) -> list[SourceImage]:
    """Reads the source images that the index kept.

    Raises:
      InputError: there is no index yet, or it kept none.
    """
    folder.need(folder.index, "index")
    images = folder.read_images()
    if not images:
        counts = count_reasons(folder.read_rejects())
        raise InputError(f"{folder.root}: no source image was kept ({counts}); {folder.rejects.name} has the reason for each")
    return images


def attributes_by_image(regions: Iterable[Mapping]) -> dict[str, tuple[Mapping, ...]]:
    """The shapes of each image's regions, from the rows of regions.csv."""
    attributes: dict[str, tuple[Mapping, ...]] = defaultdict(tuple)
    for row in regions:
        attributes[row["image_id"]] += (read_shape(row),)
    return dict(attributes)


def pixel_key(image: SourceImage, attributes: Sequence[Mapping]) -> str:
    """Digest of all that determines an image's samples in addition to the recipe; the journal keeps them under it."""
    return digest_of(SCHEMA, image.source_sha256, image.image_class, attributes)


def _may_pass(entry: JournalEntry) -> bool:
    return entry.reject is not None and find_reason(entry.reject[0]).passing


class Builder:
    """Makes the samples of a data set: knows its images, what has been made of them, and what is still to do."""

    def __init__(self, folder: DatasetFolder, sources: SourceFiles):
        self.folder = folder
        self.sources = sources
        self.recipe = folder.load_recipe()
        self.images = {image.image_id: image for image in read_kept(folder)}
        folder.need(folder.assignment, "split")
        self.assignment = read_assignment(folder.assignment, self.recipe)
        self.indexed = folder.read_state(folder.index_state)
        self.times = self.indexed.get("times", {})
        self.attributes = attributes_by_image(read_regions(folder.regions))
        self.entries = folder.journal.read()
        self.stale = [entry for name, entry in self.entries.items() if name not in self.images]

    def unfinished(self) -> list[Task]:
        """Returns tasks for the images whose samples are not all there; moves the files of samples that changed splits."""
        make_split_folders(self.folder.root, self.recipe)
        tasks = []
        for image in self.images.values():
            task = self._task(image)
            entry = self.entries.get(image.image_id)
            if entry and entry.reject and entry.key == task.reject_key and not _may_pass(entry):
                continue
            if entry and entry.key == task.key and entry.counts.keys() >= COUNT_NAMES:
                if self._settle(entry, task):
                    continue
                if entry.square and all(self.folder.holds(stamp.path, stamp) for stamp in entry.square.values()):
                    task = replace(task, entry=entry)
            tasks.append(task)
        return tasks

    def _task(self, image: SourceImage) -> Task:
        attributes = self.attributes.get(image.image_id, ())
        paths = {
            variant: sample_paths(self.assignment.split_of(image, variant), sample_name(variant, image.image_id), self.recipe)
            for variant in self.recipe.variants.names
        }
        square = {"image": f"squares/images/{image.image_id}.png", "mask": f"squares/masks/{image.image_id}.png"}
        return Task(
            image.image_id,
            pixel_key(image, attributes),
            self.folder.root.absolute(),  # a worker may run in another folder
            self.sources.path(image.source).absolute(),
            image.source.rsplit("/", 1)[-1],
            image.source_size,
            self.times.get(image.source),
            image.width,
            image.height,
            image.image_class,
            attributes,
            self.recipe,
            paths,
            square,
        )

    def _settle(self, entry: JournalEntry, task: Task) -> bool:
        """Moves the samples whose split has changed; returns whether all samples are there and intact."""
        if entry.samples.keys() != task.paths.keys():
            return False
        settled: dict[str, dict] = {}
        for variant, paths in task.paths.items():
            stamps = self.folder.settle(entry.samples[variant], paths)
            if stamps is None:
                return False
            settled[variant] = stamps
        if settled != entry.samples:
            self.entries[entry.image_id] = replace(entry, samples=settled)
        return True

    def run(self, work: Callable[[Task], JournalEntry], tasks: Sequence[Task], executor: Executor, label: str) -> None:
        """Runs the tasks; each result is in the journal before the next one is waited for."""
        if not tasks:
            return
        entries = [self.entries.get(task.image_id) for task in tasks]
        if not all(entry and entry.reject for entry in entries):
            self.folder.manifest.unlink(missing_ok=True)  # from here on the folder is not complete
        for earlier in entries:  # what was made of them before is out of date, and may lie in another split
            self._drop_samples(earlier)
        results = in_order(executor, work, tasks, crashed=reject_crashed)
        with self.folder.journal.appending() as append:
            for entry in progress(results, len(tasks), label):
                append(entry)
                self.entries[entry.image_id] = entry
                if entry.samples:
                    self.folder.made.add(entry.image_id)
        sync_all(executor)  # before the squares that samples were made from are deleted, and before a manifest lists the samples
        self._check_sources()

    def _check_sources(self) -> None:
        """Stops where images could not be read because all of RAW is gone, which says nothing about them.

        Raises:
          InputError: no source file is there any more.
        """
        lost = [entry for entry in self.entries.values() if entry.reject and entry.reject[0] == "file-unreadable"]
        if lost and not any(os.path.exists(self.sources.path(image.source)) for image in self.images.values()):
            raise InputError(
                f"{self.sources.raw}: holds none of the {len(self.images)} source images any more; mount it again, or give "
                "the right RAW, and run the same command again"
            )

    def finish(self, partners: Mapping[str, Any] | None = None) -> bool:
        """Writes the card and the manifest where they are not up to date; returns whether the manifest changed.

        Args:
          partners: their counts for dataset.json, where the recipe uses partners.
        """
        for entry in self.stale:
            self._drop_samples(entry)
        entries = {name: self.entries[name] for name in self.images}
        self.entries = {name: replace(entry, square={}) if entry.square else entry for name, entry in entries.items()}
        self.folder.journal.write(self.entries.values())
        self.folder.clear_squares()
        rows = [
            row
            for image in self.images.values()
            if not (entry := self.entries[image.image_id]).reject
            for row in sample_rows(
                image, entry, self.recipe.image.size_px, self._splits(image), self.assignment.folds[image.patient]
            )
        ]
        if not rows:
            raise InputError(f"{self.folder.root}: no source image could be read; {self.folder.rejects.name} has the reasons")
        text = manifest_text(rows)
        changed = not self.folder.has_manifest(text)
        if changed:
            self.folder.manifest.unlink(missing_ok=True)
        self._describe(rows, text, partners)  # what was dropped may have changed where the samples have not
        if changed:
            self.folder.write_manifest(text)
        return changed

    def _describe(self, rows: Sequence[Mapping], manifest: str, partners: Mapping[str, Any] | None) -> None:
        """Writes dataset.json and the card of a manifest that is about to be written."""
        counts: Counter = Counter()
        for entry in self.entries.values():
            counts.update(entry.counts)
        digest = hashlib.sha256(manifest.encode()).hexdigest()
        try:
            earlier = read_description(self.folder.description)
        except InputError:
            earlier = {}  # it is written again
        is_known = earlier.get("manifest_sha256") == digest and earlier.get("doubtful") is not None
        shares = {name: entry.band_share for name, entry in self.entries.items()}
        description = describe_dataset(
            self.recipe,
            rows,
            digest,
            self.folder.read_rejects(),
            counts,
            doubtful=earlier["doubtful"] if is_known else find_doubtful(self.folder.root, rows, shares),
            named=self.indexed.get("summary", {}).get("named", 0),
            unread=self.indexed.get("summary", {}).get("unread", ()),
            annotators=self.indexed.get("summary", {}).get("annotators", ()),
            phantom=bool(self.indexed.get("phantom")),
            keyed=bool(self.indexed.get("keyed")),
            partners=partners,
        )
        write_description(self.folder.description, description)
        write_card(self.folder, description)

    def _drop_samples(self, entry: JournalEntry | None) -> None:
        self.folder.drop(stamp.path for files in (entry.samples if entry else {}).values() for stamp in files.values())

    def _splits(self, image: SourceImage) -> dict[str, str]:
        return {variant: self.assignment.split_of(image, variant) for variant in self.recipe.variants.names}

    def record_rejects(self) -> dict:
        """Adds the images whose pixels could not be read to rejects.csv; returns counts over all images."""
        entries = [self.entries[name] for name in self.images if name in self.entries]
        unreadable = [
            Reject(entry.image_id, entry.reject[0], self.images[entry.image_id].source, entry.reject[1])
            for entry in entries
            if entry.reject
        ]
        indexed = [reject for reject in self.folder.read_rejects() if reject.image not in self.images]
        self.folder.write_rejects(indexed + unreadable)
        counts: Counter = Counter()
        for entry in entries:
            counts.update(entry.counts)
        return {
            "images": len(self.images) - len(unreadable),
            "unreadable": len(unreadable),
            "samples": sum(len(entry.samples) for entry in entries),
            **counts,
        }
