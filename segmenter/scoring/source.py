"""The masks of another program, and where it gives them the probabilities, by sample."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.files import InputError, sha256
from segmenter.data.dataset import DataSet, Sample
from segmenter.evaluation.formatting import counted
from segmenter.scoring.coco import Drawn, draw, read_coco
from segmenter.scoring.files import find_masks, find_probabilities, fold_of
from segmenter.scoring.reading import read_mask_of, read_probabilities, to_grid

_JSON = ".json"


@dataclass(frozen=True)
class Masks:
    """What another program wrote.

    Attributes:
      masks: folders, searched as `segmenter.scoring.files` does, or files of COCO annotations and results.
      probabilities: folders; may be empty.
      threshold: the lowest score of COCO results that are in a mask.
      missing_as_empty: take samples without a mask as samples in which nothing was predicted.
      precisions: how exactly the files that were read hold probabilities.
      filled: by sample with a lesion, whether it fills more than half of the image, as far as samples were read.
      order: by sample, whether its probabilities are at least as high in the mask as elsewhere, as far as samples were read.
    """

    masks: Sequence[Path]
    probabilities: Sequence[Path] = ()
    threshold: float = 0.5
    missing_as_empty: bool = False
    precisions: set[str] = field(default_factory=set, compare=False)
    filled: dict[str, bool] = field(default_factory=dict, compare=False)
    order: dict[str, bool] = field(default_factory=dict, compare=False)

    @cached_property
    def files(self) -> dict[str, Path]:
        """The mask files by the name of their sample."""
        return find_masks([path for path in self.masks if path.suffix.lower() != _JSON])

    @cached_property
    def likely_files(self) -> dict[str, Path]:
        """The files with probabilities by the name of their sample."""
        return find_probabilities(self.probabilities)

    @cached_property
    def _coco(self) -> tuple[dict[str, Drawn], bool]:
        return read_coco([path for path in self.masks if path.suffix.lower() == _JSON])

    @property
    def drawn(self) -> dict[str, Drawn]:
        """COCO's regions by the name of their sample."""
        return self._coco[0]

    @property
    def has_scores(self) -> bool:
        """Whether the regions are results, which have scores."""
        return self._coco[1]

    @property
    def has_probabilities(self) -> bool:
        """Whether components can be ordered by a probability."""
        return bool(self.probabilities) or (self.has_scores and not self.files)

    def missing(self, samples: Sequence[Sample]) -> list[str]:
        """The names of the samples without a mask.

        Raises:
          InputError: there are some, and they are not to be taken as empty; a sample has two masks, or a mask but no
            probabilities.
        """
        if both := sorted(self.files.keys() & self.drawn.keys()):
            raise InputError(
                f"{self.files[both[0]]}: {self.drawn[both[0]].origin} is a mask of the same image; remove one of them"
            )
        names = [sample.name for sample in samples]
        missing = [name for name in names if name not in self.files and name not in self.drawn]
        if len(missing) == len(names):
            raise InputError(
                f"{self._where}: holds no mask of {counted(len(names), 'sample')}; expected names such as {names[0]}"
                + (f", found {min(found)}" if (found := self.files.keys() | self.drawn.keys()) else "")
            )
        if missing and not self.missing_as_empty:
            raise InputError(
                f"{self._where}: holds no mask of {len(missing)} of {counted(len(names), 'sample')}, the first is {missing[0]}; "
                "predict them, too, or score them as empty with --missing empty"
            )
        if self.probabilities and (bare := sorted(set(names) - set(missing) - self.likely_files.keys())):
            raise InputError(
                f"{', '.join(map(str, self.probabilities))}: holds no probabilities of {counted(len(bare), 'sample')} with a "
                f"mask, the first is {bare[0]}; write them, too, or leave --probabilities out"
            )
        return missing

    def describe_surplus(self, data: DataSet) -> str:
        """A message where there are masks or probabilities of no sample of the data set; else empty."""
        names = {sample.name for sample in data.samples}
        surplus = sorted((self.files.keys() | self.drawn.keys() | self.likely_files.keys()) - names)
        if not surplus:
            return ""
        images = f"{counted(len(surplus), 'name')} {'is' if len(surplus) == 1 else 'are'}"
        return f"{self._where}: {images} of no sample in {data.folder} and not scored, the first is {surplus[0]}"

    @property
    def _where(self) -> str:
        return ", ".join(map(str, self.masks))

    def read(self, sample: Sample, side: int, classes: int, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Reads one sample on the data set's grid.

        Args:
          side: of the grid, in pixels.
          classes: how many there are, including the background.
          names: that COCO's categories may have, as `segmenter.scoring.coco.draw` takes them.

        Returns:
          The class map, (side, side) uint8, and the probability of any lesion, (side, side) float32; without
          probabilities 1 where the mask is.

        Raises:
          InputError: a file cannot be read, or holds other values or has another size than expected.
        """
        name, likely = sample.name, None
        if name in self.files:
            origin, mask = str(self.files[name]), read_mask_of(self.files[name], classes, names)
        elif name in self.drawn:
            origin = self.drawn[name].origin
            mask, likely = draw(self.drawn[name], classes, self.threshold, names)
        else:
            return np.zeros((side, side), np.uint8), np.zeros((side, side), np.float32)
        if self.probabilities:
            likely, precision = read_probabilities(self.likely_files[name], classes, names)
            self.precisions.add(precision)
        if mask.any():
            self.filled[name] = bool(np.count_nonzero(mask) > mask.size / 2)
        mask = to_grid(mask, sample, side, origin, classes)
        if likely is None:
            return mask, (mask > 0).astype(np.float32)
        likely = to_grid(likely, sample, side, str(self.likely_files.get(name, origin)), None)
        if (mask > 0).any() and (mask == 0).any():
            self.order[name] = bool(likely[mask > 0].mean() >= likely[mask == 0].mean())
        return mask, likely

    def check_order(self) -> None:
        """Refuses probabilities of something else than a lesion; after all samples were read.

        Raises:
          InputError: in most images they are lower in the mask than elsewhere.
        """
        wrong = sorted(name for name, right in self.order.items() if not right)
        if 2 * len(wrong) > len(self.order):
            raise InputError(
                f"{', '.join(map(str, self.probabilities))}: values are lower in the mask than elsewhere in {len(wrong)} of "
                f"{counted(len(self.order), 'sample')}, the first is {wrong[0]}; write probabilities of lesion, not of background"
            )

    def describe_inverted(self) -> str:
        """A message where lesions fill more than half of most images, as in inverted masks; after all samples were read."""
        filled = sorted(name for name, is_filled in self.filled.items() if is_filled)
        if 2 * len(filled) <= len(self.filled):
            return ""
        return (
            f"{self._where}: in {len(filled)} of {counted(len(self.filled), 'mask')} with a lesion it fills more than half of "
            f"the image, the first is {filled[0]}; are they inverted? Lesion is white or the higher value"
        )

    def trained_on_too(self, samples: Sequence[Sample], everything: Sequence[Sample]) -> list[str] | None:
        """The patients in several of nnU-Net's folds, whose masks are of networks that were trained on them; None if unknown.

        Args:
          samples: that are scored.
          everything: the samples of all splits, among which other images of these patients may be.
        """
        fold = {name: fold_of(path) for name, path in self.files.items()}
        if not all(sample.patient and fold.get(sample.name) for sample in samples):
            return None
        owners = {sample.owner for sample in samples}
        folds = {(one.owner, fold[one.name]) for one in everything if one.owner in owners and fold.get(one.name)}
        return sorted(owner for owner, count in Counter(owner for owner, _ in folds).items() if count > 1)

    def digest(self, samples: Sequence[Sample]) -> str:
        """A hash of what is read for the samples."""
        digest = hashlib.sha256(f"{self.threshold if self.drawn else None}".encode())
        for source in self.masks:
            if source.suffix.lower() == _JSON:
                digest.update(sha256(source).encode())
        for sample in samples:
            for files in (self.files, self.likely_files):
                if path := files.get(sample.name):
                    digest.update(f"{sample.name} {fold_of(path)} {path.suffix} {sha256(path)}\n".encode())
        return digest.hexdigest()

    def facts(self, samples: Sequence[Sample], missing: Sequence[str]) -> dict[str, Any]:
        """What a reader of the metrics must know, for summary.json; after all samples were read."""
        kinds = Counter(
            self.files[sample.name].suffix.lower() if sample.name in self.files else "COCO"
            for sample in samples
            if sample.name not in missing
        )
        scores = "scores of COCO results" if self.has_probabilities else None
        return {
            "masks": dict(sorted(kinds.items())),
            "probabilities": ", ".join(sorted(self.precisions)) if self.probabilities else scores,
            "missing": list(missing),
            "score_threshold": self.threshold if self.has_scores else None,
        }
