"""The result of a comparison: what changed of each sample, and of the data sets as a whole. Reads no file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Kinds of changes of a sample, in the order in which they are listed.
KINDS = {
    "added": "only in the second data set",
    "dropped": "only in the first data set",
    "split": "in another split",
    "fold": "in another fold",
    "image-pixels": "with other pixels in the image",
    "image-bytes": "with the same pixels in another file of the image",
    "image-missing": "with an image in one of the two only",
    "image-unreadable": "with an image that cannot be read",
    "mask-pixels": "with other pixels in the mask",
    "mask-bytes": "with the same pixels in another file of the mask",
    "mask-missing": "with a mask in one of the two only",
    "mask-unreadable": "with a mask that cannot be read",
    "partner-pixels": "with other pixels in the partner",
    "partner-bytes": "with the same pixels in another file of the partner",
    "partner-missing": "with a partner in one of the two only",
    "partner-unreadable": "with a partner that cannot be read",
    "class": "of another class",
    "columns": "with another value in a further column of the manifest",
}
CHANGE_COLUMNS = (
    "sample",
    "image_id",
    "changes",
    "split_before",
    "split_after",
    "fold_before",
    "fold_after",
    "class_before",
    "class_after",
    "iou",
    "lesion_px_before",
    "lesion_px_after",
    "image_difference",
    "columns",
)
Pair = tuple[Any, Any]  # of a value before and after


@dataclass(frozen=True)
class SampleChange:
    """What changed of one sample; a value before or after is None where it is unknown.

    Attributes:
      sample, image_id: its names.
      kinds: keys of `KINDS`.
      values: before and after, of split, fold, class, and of each other column that differs.
      iou: pixels that are lesion of one class in both masks, divided by those that are lesion in either; None where the
        masks have equal pixels or cannot be compared.
      lesion_px: lesion pixels of the masks before and after, where their pixels differ.
      image_difference: mean absolute difference of the images in gray levels of 0 to 255, where their pixels differ.
      files: before and after: the paths by `image`, `mask` and `partner`.
    """

    sample: str
    image_id: str
    kinds: tuple[str, ...]
    values: Mapping[str, Pair] = field(default_factory=dict)
    iou: float | None = None
    lesion_px: Pair = (None, None)
    image_difference: float | None = None
    files: tuple[Mapping[str, Path], Mapping[str, Path]] = field(default=({}, {}), repr=False)

    def to_row(self) -> dict[str, Any]:
        """Returns its values by `CHANGE_COLUMNS`."""
        shown = {name: self.values.get(name, (None, None)) for name in ("split", "fold", "class")}
        others = [f"{name}: {old} -> {new}" for name, (old, new) in self.values.items() if name not in shown]
        ends = {f"{name}_before": pair[0] for name, pair in shown.items()}
        ends |= {f"{name}_after": pair[1] for name, pair in shown.items()}
        return {
            "sample": self.sample,
            "image_id": self.image_id,
            "changes": " ".join(self.kinds),
            **ends,
            "iou": None if self.iou is None else round(self.iou, 6),
            "lesion_px_before": self.lesion_px[0],
            "lesion_px_after": self.lesion_px[1],
            "image_difference": None if self.image_difference is None else round(self.image_difference, 4),
            "columns": "; ".join(others),
        }


@dataclass(frozen=True)
class Difference:
    """What differs between two data sets.

    Attributes:
      folders, samples: of the first and the second one: paths, and numbers of samples.
      changes: of samples, sorted by name.
      recipe: settings that differ, by key such as `mask.rule`, each before and after; None stands for a missing key.
      annotation_files: names of those that only one of the two was made from, before and after.
      annotators: by whom and when annotation files were made, one line per file that states it, before and after.
      regions: image_ids whose drawn regions differ.
      not_compared: what could not be compared, as lines to print.
    """

    folders: tuple[str, str]
    samples: tuple[int, int]
    changes: Sequence[SampleChange]
    recipe: Mapping[str, Pair]
    annotation_files: tuple[Sequence[str], Sequence[str]]
    annotators: tuple[Sequence[str], Sequence[str]]
    regions: Sequence[str]
    not_compared: Sequence[str]

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs of what could be compared."""
        annotations_differ = any(self.annotation_files) or self.annotators[0] != self.annotators[1] or self.regions
        return not (self.changes or self.recipe or annotations_differ)

    @property
    def counts(self) -> dict[str, int]:
        """How many samples have each kind of change; kinds without one are left out."""
        counted = Counter(kind for change in self.changes for kind in change.kinds)
        return {kind: counted[kind] for kind in KINDS if counted[kind]}

    def of_kind(self, kind: str) -> list[SampleChange]:
        """Lists the samples with a kind of change."""
        return [change for change in self.changes if kind in change.kinds]

    def masks_by_iou(self) -> list[SampleChange]:
        """Lists one sample per image whose mask has other pixels, the smallest IoU first.

        It is the original where that is among them; variants of an image have the same mask, turned.
        """
        images: dict[str, SampleChange] = {}
        for change in sorted(self.of_kind("mask-pixels"), key=lambda change: change.sample != change.image_id):
            images.setdefault(change.image_id, change)
        return sorted(images.values(), key=lambda change: (-1.0 if change.iou is None else change.iou, change.sample))

    def to_json(self) -> dict[str, Any]:
        """Returns it as values that JSON can hold."""
        return {
            "equal": self.is_equal,
            "folders": list(self.folders),
            "samples": list(self.samples),
            "counts": self.counts,
            "changes": [change.to_row() | {"changes": list(change.kinds)} for change in self.changes],
            "recipe": {key: list(pair) for key, pair in self.recipe.items()},
            "annotation_files": [list(names) for names in self.annotation_files],
            "annotators": [list(lines) for lines in self.annotators],
            "regions": list(self.regions),
            "not_compared": list(self.not_compared),
        }
