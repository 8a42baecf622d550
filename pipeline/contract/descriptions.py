"""dataset.json and audit.json: the keys that programs read, and their types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """What a split holds."""

    patients: int
    images: int
    samples: int


@dataclass(frozen=True)
class SplitCounts:
    """Source images by split."""

    train: int
    valid: int
    test: int


@dataclass(frozen=True)
class AllCounts:
    """What each split and the whole data set hold."""

    train: Counts
    valid: Counts
    test: Counts
    all: Counts


@dataclass(frozen=True)
class Dropped:
    """How many source images were dropped for a reason, and its meaning."""

    reason: str
    images: int
    meaning: str


@dataclass(frozen=True)
class RegionCounts:
    """What became of the drawn regions."""

    drawn: int
    clipped: int
    vanished: int
    ignored: int
    left_out: int = 0


@dataclass(frozen=True)
class Bands:
    """Images with long thin regions, and those of them in which these are most of the lesion."""

    images: Sequence[str]
    mostly: Sequence[str]


@dataclass(frozen=True)
class Doubtful:
    """Annotations that a user should know to be doubtful."""

    bands: Bands
    contradicted: Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class PartnerCounts:
    """How many images have a registered partner, none in the download, or one that was not used, by reason."""

    registered: int
    missing: int
    faults: Mapping[str, int]
    sha256: str  # of partners.csv


@dataclass(frozen=True)
class AnnotatorEntry:
    """By whom and when the regions of an annotation file were drawn or corrected, as the file or else the user states.

    Attributes:
      file: its name; of several files that state nothing, the first name and how many more there are.
      sha256: of its bytes; of several files, of the lines `NAME SHA-256`.
      annotator: several names are separated by `; `; empty where it names nobody.
      date: the latest one that it states, as it is written there; empty where it states none.
    """

    file: str
    sha256: str
    annotator: str
    date: str


@dataclass(frozen=True)
class DescriptionFile:
    """dataset.json; `pipeline.dataset.description` writes it."""

    schema: int
    name: str
    title: str
    differs: str
    manifest_sha256: str
    phantom: bool
    size_px: int
    counts: AllCounts
    classes: Mapping[str, int]
    groups: Mapping[str, Mapping[str, SplitCounts]]
    named: int
    dropped: Sequence[Dropped]
    regions: RegionCounts
    licence: str
    citations: Sequence[str]
    doubtful: Doubtful | None = None  # an earlier version did not count them
    partners: PartnerCounts | None = None  # where the recipe uses partners
    annotators: Sequence[AnnotatorEntry] = ()  # where annotation files or the user state them


@dataclass(frozen=True)
class FindingEntry:
    """One finding in audit.json."""

    code: str
    count: int
    meaning: str
    examples: Sequence[str]
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class AuditFile:
    """audit.json; `expected` are the codes of findings that the recipe asks for."""

    schema: int
    manifest_sha256: str
    expected: Sequence[str]
    findings: Sequence[FindingEntry]
