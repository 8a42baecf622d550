"""What an audit reports: the findings, their codes, and those that a recipe asks for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from pipeline.audit.samples import Sample
from pipeline.recipe import Recipe

EXAMPLES = 5
_MOST_NAMED = 100  # of what was not looked at, more is named than examples are given
SCHEMA = 4  # of audit.json; since 2 a finding has pairs, since 3 a meaning, since 4 what was not compared is a finding
MEANINGS = {  # what each code counts
    "image-in-splits": "source images whose variants are in several splits",
    "patient-in-splits": "patients whose images are in several splits",
    "patient-unknown": "samples whose patient is unknown, so that it could not be compared between splits",
    "not-read": "folders and files next to the audited ones that were not looked at",
    "duplicate-pixels": "groups of samples with the same pixels, up to a flip or turn across splits",
    "inverted": "images with a white background, as if their gray levels were inverted",
    "mask-missing": "images without a mask",
    "image-missing": "masks, or rows of the manifest, without an image",
    "size": "images and masks whose size is not that of most",
    "mask-values": "masks with other values than background and lesion",
    "mask-empty": "masks without a lesion, of images that are not normal",
    "unreadable": "files that cannot be decoded",
    "changed": "files that differ from those in the manifest",
    "partner": "partners that are missing, broken, changed or of another size than their image, and files that are not listed",
    "identifier": "files that contain an identifier of the sources, in their content or their name",
}


@dataclass(frozen=True)
class AuditFinding:
    """One type of problem.

    Attributes:
      code: a key of `MEANINGS`.
      count: how many have it, counted in `unit`.
      unit: images, patients, samples, groups or files.
      examples: the first few, as text.
      pairs: for each example two images that show it, as paths relative to the data set's folder; only for problems
        between images: leaks and duplicates.
    """

    code: str
    count: int
    unit: str
    examples: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict:
        """Returns the object that --json prints."""
        return {
            "code": self.code,
            "count": self.count,
            "meaning": MEANINGS[self.code],
            "examples": list(self.examples),
            "pairs": [list(pair) for pair in self.pairs],
        }


def make_finding(code: str, unit: str, examples: Iterable[str], groups: Iterable[Sequence[Sample]] = ()) -> AuditFinding:
    """Makes a finding; `groups` holds the samples that each example is about, for problems between images."""
    listed = list(examples)
    shown = _MOST_NAMED if code == "not-read" else EXAMPLES
    return AuditFinding(code, len(listed), unit, tuple(listed[:shown]), tuple(map(_pair_of_group, islice(groups, shown))))


def _pair_of_group(group: Sequence[Sample]) -> tuple[str, str]:
    """Picks two images of a group, from two splits where it spans several."""
    first = group[0]
    second = next((sample for sample in group if sample.split != first.split), group[1])
    return first.file, second.file


def expected_codes(recipe: Recipe) -> list[str]:
    """Lists the findings that a recipe asks for, because it reproduces a published defect."""
    codes = ["image-in-splits", "patient-in-splits", "duplicate-pixels"] if recipe.split.by == "sample" else []
    codes += ["mask-values"] if recipe.mask.format == "jpeg" else []
    return codes
