"""The stages: index, split, masks, variants. Each can be run alone, and again for nothing.

Knows no arguments and prints nothing. A stage raises InputError where the stage before it is missing.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.annotations import find_annotations, read_annotations
from pipeline.card import write_card
from pipeline.files import InputError, progress, read_csv, write_csv, write_text
from pipeline.folder import DatasetFolder, digest_of, make_split_folders, sample_paths
from pipeline.index import (
    COLUMNS,
    REGION_COLUMNS,
    REJECT_COLUMNS,
    Reject,
    SourceImage,
    build_index,
    read_images,
    write_rejects,
)
from pipeline.manifest import manifest_text, sample_rows
from pipeline.names import sample_name
from pipeline.recipe import SCHEMA, SPLITS, Recipe
from pipeline.samples import Made, Task, make_samples, make_square
from pipeline.sources import PHANTOM_MARK, SUFFIXES, UNFINISHED_PHANTOM_MARK, find_files
from pipeline.splits import SplitError, SplitImage, assign_folds, split_by_patient, split_by_sample
from pipeline.workers import in_order


@dataclass(frozen=True)
class Outcome:
    """What a stage did.

    Attributes:
      changed: False where everything was done already.
      summary: counts to print.
    """

    changed: bool
    summary: dict


def find_sources(raw: Path) -> list[Path]:
    """The image files below RAW.

    Raises:
      InputError: there is no such folder, or no image in it.
    """
    if not raw.is_dir():
        raise InputError(f"{raw}: no such folder; RAW names the folder with the CDD-CESM download")
    if (raw / UNFINISHED_PHANTOM_MARK).exists() and not (raw / PHANTOM_MARK).exists():
        raise InputError(f"{raw}: holds a phantom that was interrupted; the phantom command goes on with it")
    files = find_files(raw, SUFFIXES)
    if not files:
        raise InputError(
            f"{raw}: holds no image ({', '.join(sorted(SUFFIXES))}); RAW names the folder with the CDD-CESM "
            "download, and `make phantom` makes a synthetic one"
        )
    return files


def index(folder: DatasetFolder, recipe: Recipe, raw: Path, place: Path | None, executor: Executor) -> Outcome:
    """Finds images and annotation files, joins and checks them, and writes index.csv, regions.csv and rejects.csv.

    Args:
      folder: where the data set goes.
      recipe: what is wanted.
      raw: the folder with the images.
      place: the folder with the annotation files, or one such file; None means `raw`.
      executor: reads the files.
    """
    files = find_sources(raw)
    annotation_files = find_annotations(place or raw)
    folder.claim(recipe, raw)
    seen = digest_of(
        SCHEMA,
        recipe.pixels,
        *([str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in (*annotation_files, *files)),
    )
    state = folder.read_state(folder.index_state)
    if state.get("seen") == seen and all(path.exists() for path in (folder.index, folder.regions, folder.rejects)):
        return Outcome(False, state["summary"])
    annotations = read_annotations(annotation_files)
    if not annotations.rows or not annotations.regions:
        missing = (
            "annotation table (CSV or xlsx with Image_name and Pathology Classification)"
            if not annotations.rows
            else ("file of drawn regions (VIA CSV or JSON)")
        )
        raise InputError(
            f"{place or raw}: holds no {missing}; ANNOTATIONS names the folder with the annotation files, which "
            "are separate downloads"
        )
    known = read_images(folder.index) if folder.index.exists() else []
    found = build_index(raw, files, annotations, recipe, known, state.get("times", {}), executor)
    write_csv(folder.regions, REGION_COLUMNS, found.regions)
    write_rejects(folder.rejects, found.rejects)
    write_csv(folder.index, COLUMNS, (vars(image) for image in found.images))
    state = {
        "seen": seen,
        "raw": str(raw.resolve()),
        "phantom": (raw / PHANTOM_MARK).exists(),
        "summary": found.summary,
        "times": found.times,
    }
    folder.write_state(folder.index_state, state)
    return Outcome(True, found.summary)


def split(folder: DatasetFolder, given: Path | None = None) -> Outcome:
    """Assigns every patient (every sample, where the recipe says so) and writes assignment.csv.

    Args:
      folder: an indexed data set.
      given: the user's own assignment; patients that it does not list are assigned as usual.
    """
    recipe = folder.load_recipe()
    images = _indexed(folder)
    table = recipe.split.model_dump(mode="json")
    kept = given or (folder.assignment if folder.read_state(folder.split_state) == table else None)
    columns = ("patient" if recipe.split.by == "patient" else "sample", "split")
    fixed = read_csv(kept, columns) if kept and (given or kept.exists()) else []
    by_patient = [SplitImage(image.patient, image.image_class, image.lesion_share) for image in images]
    try:
        folds = assign_folds(by_patient, recipe.split.folds, recipe.split.seed, _fixed_folds(kept, fixed, recipe.split.folds))
        if recipe.split.by == "patient":
            splits = split_by_patient(
                by_patient, recipe.split.fractions, recipe.split.seed, _fixed_splits(kept, fixed, "patient")
            )
            rows = [{"patient": patient, "split": place, "fold": folds[patient]} for patient, place in splits.items()]
        else:
            rows = _sample_rows(images, recipe, folds, _fixed_splits(kept, fixed, "sample") if given else {})
    except SplitError as error:
        raise InputError(f"{folder.root}: {error}") from error
    before = folder.assignment.read_bytes() if folder.assignment.exists() else b""
    write_csv(folder.assignment, list(rows[0]), rows)
    folder.write_state(folder.split_state, table)
    listed = {row[columns[0]] for row in fixed}
    assigned_now = sum(row[columns[0]] not in listed for row in rows) if fixed else 0
    return Outcome(
        folder.assignment.read_bytes() != before, {**_split_counts(folder, images, recipe), "assigned_now": assigned_now}
    )


def _indexed(folder: DatasetFolder) -> list[SourceImage]:
    folder.need(folder.index, "index")
    images = read_images(folder.index)
    if not images:
        reasons = Counter(row["reason"] for row in read_csv(folder.rejects, REJECT_COLUMNS))
        words = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
        raise InputError(f"{folder.root}: no source image was kept ({words}); {folder.rejects.name} says why for each")
    return images


def _fixed_splits(path: Path | None, rows: Sequence[Mapping[str, str]], column: str) -> dict[str, str]:
    for number, row in enumerate(rows, 2):
        if row["split"] not in SPLITS:
            raise InputError(f"{path}: row {number} gives {row[column]} the split {row['split']!r}; wanted {', '.join(SPLITS)}")
    fixed = {row[column]: row["split"] for row in rows}
    for row in rows:
        if fixed[row[column]] != row["split"]:
            raise InputError(f"{path}: {row[column]} is both in {row['split']} and in {fixed[row[column]]}; wanted one row each")
    return fixed


def _fixed_folds(path: Path | None, rows: Sequence[Mapping[str, str]], folds: int) -> dict[str, int]:
    fixed = {}
    for number, row in enumerate(rows, 2):
        fold = row.get("fold") or ""
        if fold and not (fold.isdigit() and int(fold) < folds):
            raise InputError(f"{path}: row {number} has fold {fold!r}; wanted a number from 0 to {folds - 1}")
        if fold and row.get("patient"):
            fixed[row["patient"]] = int(fold)
    return fixed


def _sample_rows(images: Sequence[SourceImage], recipe: Recipe, folds: Mapping[str, int], given: Mapping[str, str]) -> list[dict]:
    patients = {sample_name(variant, image.image_id): image.patient for image in images for variant in recipe.variants.names}
    splits = split_by_sample(list(patients), recipe.split.fractions, recipe.split.seed) | {
        sample: place for sample, place in given.items() if sample in patients
    }
    return [
        {"sample": sample, "patient": patients[sample], "split": place, "fold": folds[patients[sample]]}
        for sample, place in splits.items()
    ]


def _split_counts(folder: DatasetFolder, images: Sequence[SourceImage], recipe: Recipe) -> dict:
    places, _ = _assignment(folder, recipe)
    members = [(places(image, variant), image) for image in images for variant in recipe.variants.names]
    counts = {}
    for split_name in SPLITS:
        inside = [image for place, image in members if place == split_name]
        counts[split_name] = {
            "patients": len({image.patient for image in inside}),
            "images": len({image.image_id for image in inside}),
            "samples": len(inside),
        }
    return {"splits": counts}


def _assignment(folder: DatasetFolder, recipe: Recipe) -> tuple[Callable[[SourceImage, str], str], dict[str, int]]:
    """The split of an image's variant, and the fold by patient."""
    folder.need(folder.assignment, "split")
    by = recipe.split.by
    rows = read_csv(folder.assignment, (by, "patient", "split", "fold"))
    splits = {row[by]: row["split"] for row in rows}
    folds = {row["patient"]: int(row["fold"]) for row in rows}

    def place(image: SourceImage, variant: str) -> str:
        key = image.patient if by == "patient" else sample_name(variant, image.image_id)
        if key not in splits:
            raise InputError(
                f"{folder.assignment}: does not list {key}, which the index has; run the stage 'split' again (make split)"
            )
        return splits[key]

    return place, folds


def masks(folder: DatasetFolder, executor: Executor) -> Outcome:
    """Reads every source image and writes its square pair without loss, where its samples are not there already."""
    work = _Work(folder)
    todo = [task for task in work.unfinished() if not task.made]
    for name in ("images", "masks") if todo else ():
        (folder.squares / name).mkdir(parents=True, exist_ok=True)
    work.run(make_square, todo, executor, "masks")
    return Outcome(bool(todo), work.tell())


def variants(folder: DatasetFolder, executor: Executor, *, fused: bool = False) -> Outcome:
    """Turns and encodes the square pairs into the splits' folders and writes the data set card and the manifest.

    Args:
      folder: an indexed and split data set.
      executor: does the work.
      fused: make square pairs that the masks stage did not write in memory, instead of asking for that stage.
    """
    work = _Work(folder)
    todo = work.unfinished()
    if not fused and (missing := [task.image_id for task in todo if not task.made]):
        raise InputError(
            f"{folder.root}: the square pairs of {len(missing)} images, {missing[0]} first, are missing; run the "
            "stage 'masks' first (make masks)"
        )
    work.run(make_samples, todo, executor, "variants")
    counts = work.tell()
    return Outcome(work.finish(), counts)


class _Work:
    """The images of a data set, what has been made of them, and what is still to do."""

    def __init__(self, folder: DatasetFolder):
        self.folder = folder
        self.recipe = folder.load_recipe()
        self.images = {image.image_id: image for image in _indexed(folder)}
        self.place, self.folds = _assignment(folder, self.recipe)
        indexed = folder.read_state(folder.index_state)
        self.raw, self.times = Path(indexed.get("raw", "")), indexed.get("times", {})
        self.attributes: dict[str, list[Mapping]] = defaultdict(list)
        for row in read_csv(folder.regions, REGION_COLUMNS):
            self.attributes[row["image_id"]].append(json.loads(row["attributes"]))
        self.journal = folder.read_journal()
        self.stale = {name: made for name, made in self.journal.items() if name not in self.images}

    def unfinished(self) -> list[Task]:
        """Tasks for the images whose samples are not all there; files of samples that changed splits are moved."""
        make_split_folders(self.folder.root, self.recipe)
        tasks = []
        for image in self.images.values():
            task = self._task(image)
            made = self.journal.get(image.image_id)
            if made and made.key == task.reject_key:
                continue
            if made and made.key == task.key:
                if self._settle(made, task):
                    continue
                if made.square and all(self.folder.holds(stamp.path, stamp) for stamp in made.square.values()):
                    task = replace(task, made=made)
            tasks.append(task)
        return tasks

    def _task(self, image: SourceImage) -> Task:
        attributes = tuple(self.attributes[image.image_id])
        paths = {
            variant: sample_paths(self.place(image, variant), sample_name(variant, image.image_id), self.recipe)
            for variant in self.recipe.variants.names
        }
        square = {"image": f"squares/images/{image.image_id}.png", "mask": f"squares/masks/{image.image_id}.png"}
        key = digest_of(SCHEMA, image.source_sha256, image.image_class, attributes)
        return Task(
            image.image_id,
            key,
            self.folder.root,
            self.raw / image.source,
            image.source_size,
            self.times.get(image.source, 0),
            image.width,
            image.height,
            image.image_class,
            attributes,
            self.recipe,
            paths,
            square,
        )

    def _settle(self, made: Made, task: Task) -> bool:
        """Whether all samples are there and sound, after moving those whose split is another now."""
        if made.samples.keys() != task.paths.keys():
            return False
        settled: dict[str, dict] = {}
        for variant, paths in task.paths.items():
            settled[variant] = {}
            for name, path in paths.items():
                stamp = made.samples[variant][name]
                # An interrupted move has some files at their new place already.
                at = next((place for place in (path, stamp.path) if self.folder.holds(place, stamp)), None)
                if at is None:
                    return False
                if at != path:
                    self.folder.manifest.unlink(missing_ok=True)
                    (self.folder.root / at).replace(self.folder.root / path)
                settled[variant][name] = replace(stamp, path=path)
        self.journal[made.image_id] = replace(made, samples=settled)
        return True

    def run(self, work: Callable[[Task], Made], tasks: Sequence[Task], executor: Executor, label: str) -> None:
        """Does the tasks; each result is in the journal before the next one is waited for."""
        if not tasks:
            return
        self.folder.manifest.unlink(missing_ok=True)  # from here on the folder is not complete
        self.folder.drop_parts()
        with self.folder.journal_lines() as write:
            for made in progress(in_order(executor, work, tasks), len(tasks), label):
                write(made)
                self.journal[made.image_id] = made

    def finish(self) -> bool:
        """Writes the card and the manifest where they are not up to date; returns whether they changed."""
        for made in self.stale.values():
            self.folder.drop(stamp.path for files in made.samples.values() for stamp in files.values())
        self.journal = {name: replace(self.journal[name], square={}) for name in self.images}
        self.folder.write_journal(self.journal.values())
        self.folder.clear_squares()
        rows = [
            row
            for image in self.images.values()
            if not (made := self.journal[image.image_id]).reject
            for row in sample_rows(image, made, self.recipe.image.size_px, self._splits(image), self.folds[image.patient])
        ]
        if not rows:
            raise InputError(f"{self.folder.root}: not one source image could be read; {self.folder.rejects.name} says why")
        text = manifest_text(rows)
        if self.folder.manifest.exists() and self.folder.manifest.read_text() == text:
            return False
        self.folder.manifest.unlink(missing_ok=True)
        write_card(self.folder)
        write_text(self.folder.manifest, text, durable=True)
        return True

    def _splits(self, image: SourceImage) -> dict[str, str]:
        return {variant: self.place(image, variant) for variant in self.recipe.variants.names}

    def tell(self) -> dict:
        """Adds the images whose pixels could not be read to rejects.csv; returns counts over all images."""
        made = [self.journal[name] for name in self.images if name in self.journal]
        unreadable = [
            Reject(entry.image_id, entry.reject[0], self.images[entry.image_id].source, entry.reject[1])
            for entry in made
            if entry.reject
        ]
        indexed = [Reject(**row) for row in read_csv(self.folder.rejects, REJECT_COLUMNS) if row["image"] not in self.images]
        write_rejects(self.folder.rejects, indexed + unreadable)
        counts: Counter = Counter()
        for entry in made:
            counts.update(entry.counts)
        return {
            "images": len(self.images) - len(unreadable),
            "unreadable": len(unreadable),
            "samples": sum(len(entry.samples) for entry in made),
            **counts,
        }
