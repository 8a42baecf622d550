"""The stage split: which patients, or samples, are in train, valid and test."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.dataset.builder import read_kept
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError, csv_text, write_text
from pipeline.indexing.tables import SourceImage
from pipeline.recipe import Recipe
from pipeline.splitting.assignment import Assignment, complete, count_splits, read_assignment, respell
from pipeline.splitting.splits import SplitError
from pipeline.stages.locking import under_lock
from pipeline.stages.outcome import Outcome


@under_lock
def split(folder: DatasetFolder, given: Path | None = None) -> Outcome:
    """Assigns every patient (every sample, where the recipe says so) and writes assignment.csv.

    With an unchanged [split] table, patients who are listed already keep their split. Samples are all assigned again, as
    the published script does, unless the assignment is the user's own.

    Args:
      folder: an indexed data set.
      given: the user's own assignment; patients or samples that it does not list are assigned as usual.
    """
    recipe, images = folder.load_recipe(), read_kept(folder)
    new = assign(folder, recipe, images, given)
    rows = new.assignment.rows(images, recipe)
    text = csv_text(list(rows[0]), rows)
    changed = not folder.assignment.exists() or folder.assignment.read_bytes() != text.encode()
    if changed:
        write_text(folder.assignment, text)
    folder.write_state(folder.split_state, {"table": recipe.split.model_dump(mode="json"), "given": new.is_own})
    return Outcome(changed, new.summary)


@dataclass(frozen=True)
class NewAssignment:
    """An assignment that may not be written yet.

    Attributes:
      assignment: of every patient or sample.
      is_own: whether it is the user's own, completed.
      summary: what is split, the counts of each split, how many were not assigned before, and which names in the user's own
        assignment the index does not have.
    """

    assignment: Assignment
    is_own: bool
    summary: dict[str, Any]


def assign(folder: DatasetFolder, recipe: Recipe, images: Sequence[SourceImage], given: Path | None) -> NewAssignment:
    """Assigns images as `split` describes, and writes nothing."""
    before = folder.read_state(folder.split_state)
    follows = before.get("table") == recipe.split.model_dump(mode="json") and folder.assignment.exists()
    own = bool(given or (follows and before.get("given")))
    kept = None
    if given or (follows and (own or recipe.split.by == "patient")):
        kept = respell(read_assignment(given or folder.assignment, recipe), images)
    try:
        assignment = complete(images, recipe, folder.assignment, kept)
    except SplitError as error:
        raise InputError(f"{folder.root}: {error}") from error
    added = len(assignment.splits.keys() - kept.splits.keys()) if kept else 0
    unknown = sorted(kept.splits.keys() - assignment.splits.keys()) if kept and own else []
    counts = count_splits(assignment, images, recipe)
    summary = {"by": recipe.split.by, "splits": counts, "assigned_now": added, "not_indexed": unknown}
    return NewAssignment(assignment, own, summary)
