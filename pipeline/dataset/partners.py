"""Tracks which partners have been made and makes the others: their files, and partners.csv."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace

from pipeline.contract import MISSING, PARTNER_COLUMNS, REGISTERED, SCHEMA, find_reason, sample_name
from pipeline.dataset.builder import Builder
from pipeline.dataset.folder import digest_of, partner_path
from pipeline.dataset.journal import PartnerEntry
from pipeline.dataset.partner_files import PartnerTask, Source, make_partner, report_crash
from pipeline.files import csv_text, progress, write_text
from pipeline.indexing.tables import PartnerSource, SourceImage
from pipeline.workers import in_order, sync_all


class Partners:
    """The partners of a data set whose samples have been made.

    Args:
      builder: knows the images, and which of them have samples.

    Raises:
      InputError: the index has not looked for partners.
    """

    def __init__(self, builder: Builder):
        self.folder, self.recipe = builder.folder, builder.recipe
        self.folder.need(self.folder.partner_index, "index")
        self._builder = builder
        self._sources = self.folder.read_partner_sources()
        self._images = [image for name, image in builder.images.items() if not builder.entries[name].reject]
        self._entries = self.folder.partner_journal.read()

    def make(self, executor: Executor) -> tuple[bool, dict[str, object]]:
        """Makes the partners that are not there, moves those whose split has changed, and writes partners.csv.

        Returns:
          Whether partners.csv changed, and the counts for dataset.json: `registered`, `missing`, `faults` by reason, and the
          `sha256` of partners.csv.
        """
        kept = {image.image_id for image in self._images}
        for name in self._entries.keys() - kept:
            self._drop(self._entries.pop(name))
        tasks = [task for image in self._images if (task := self._unfinished(image))]
        if tasks:
            self._run(tasks, executor)
        self.folder.partner_journal.write(self._entries[image.image_id] for image in self._images)
        return self._write_table()

    def _run(self, tasks: Sequence[PartnerTask], executor: Executor) -> None:
        """Makes partners; each is in the journal before the next one is waited for."""
        earlier = [self._entries.get(task.image_id) for task in tasks]
        if not all(entry and entry.status != REGISTERED for entry in earlier):
            self.folder.manifest.unlink(missing_ok=True)  # from here on the folder is not complete
        for entry in earlier:  # may lie in another split
            self._drop(entry)
        results = in_order(executor, make_partner, tasks, crashed=report_crash)
        with self.folder.partner_journal.appending() as append:
            for entry in progress(results, len(tasks), "partners"):
                append(entry)
                self._entries[entry.image_id] = entry
        sync_all(executor)  # before a manifest makes the folder complete

    def _unfinished(self, image: SourceImage) -> PartnerTask | None:
        """The task for an image whose partner is not there; where there is nothing to make, its entry is brought up to date."""
        source = self._sources.get(image.image_id)
        entry = self._entries.get(image.image_id)
        if source is None or source.fault:
            self._drop(entry)
            self._entries[image.image_id] = PartnerEntry(image.image_id, "", source.fault if source else MISSING)
            return None
        task = self._task(image, source)
        if entry and entry.status != REGISTERED and entry.key == task.fault_key and not find_reason(entry.status).passing:
            return None
        if entry and entry.key == task.key and entry.files.keys() == task.paths.keys():
            files = self.folder.settle(entry.files, task.paths)
            if files is not None:
                self._entries[image.image_id] = replace(entry, files=files)
                return None
        return task

    def _task(self, image: SourceImage, partner: PartnerSource) -> PartnerTask:
        assignment = self._builder.assignment
        samples = {variant: sample_name(variant, image.image_id) for variant in self.recipe.variants.names}
        return PartnerTask(
            image.image_id,
            digest_of(SCHEMA, image.source_sha256, partner.source_sha256),
            self.folder.root.absolute(),
            self._source(image),
            self._source(partner),
            self.recipe,
            {variant: partner_path(assignment.split_of(image, variant), name, self.recipe) for variant, name in samples.items()},
        )

    def _source(self, file: SourceImage | PartnerSource) -> Source:
        path = self._builder.sources.path(file.source).absolute()
        return Source(path, file.source_size, self._builder.times.get(file.source), (file.height, file.width))

    def _drop(self, entry: PartnerEntry | None) -> None:
        """Deletes the files of an entry that is out of date; the folder is not complete from then on."""
        if entry and entry.files:
            self.folder.manifest.unlink(missing_ok=True)
            self.folder.drop(stamp.path for stamp in entry.files.values())

    def _write_table(self) -> tuple[bool, dict[str, object]]:
        rows = sorted((self._row(image) for image in self._images), key=lambda row: str(row["image_id"]))
        text = csv_text(PARTNER_COLUMNS, rows)
        changed = write_text(self.folder.partners, text)
        if changed:
            self.folder.audit.unlink(missing_ok=True)  # it names the manifest that it is of, which may be the same
        counts = Counter(str(row["status"]) for row in rows)
        faults = {reason: count for reason, count in sorted(counts.items()) if reason not in (REGISTERED, MISSING)}
        digest = hashlib.sha256(text.encode()).hexdigest()
        return changed, {"registered": counts[REGISTERED], "missing": counts[MISSING], "faults": faults, "sha256": digest}

    def _row(self, image: SourceImage) -> Mapping[str, object]:
        entry, source = self._entries[image.image_id], self._sources.get(image.image_id)
        row: dict[str, object] = {"image_id": image.image_id, "status": entry.status}
        if source:
            row |= {"partner": source.partner, "source": source.source, "source_sha256": source.source_sha256}
        if entry.status == REGISTERED:
            row |= {"dx_px": entry.dx_px, "dy_px": entry.dy_px, "agreement": f"{entry.agreement:.4f}"}
            stamps = sorted(entry.files.values(), key=lambda stamp: stamp.path.rsplit("/", 1)[-1])
            row["partner_sha256"] = " ".join(stamp.sha256 for stamp in stamps)
        return row
