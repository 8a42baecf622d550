"""What a data set folder is: the contract between the half that makes data sets and the half that uses them.

Splits, classes, names of samples, columns of the manifest, how a mask file is read, and why a source image is dropped are
declared here, each once. Knows neither how a data set is made nor what is done with it.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from pipeline.geometry import VARIANTS

SCHEMA = 1  # of recipe, manifest and dataset.json
MANIFEST = "manifest.csv"  # a folder that has one is complete
DATASET_JSON = "dataset.json"  # the content of the data set card, for programs
DATASET_MARK = "recipe.toml"  # a folder that has one was written by a stage; its images are not source images

# Splits

SPLITS = ("train", "valid", "test")
# The split that a folder holds, by the folder's name in lowercase.
SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class SplitFolder:
    """Where a data set folder keeps the images and masks of one split.

    Attributes:
      split: one of `SPLITS`.
      name: of the folder, as it is spelled there.
      images, masks: the folders of the files; either may be missing.
    """

    split: str
    name: str
    images: Path
    masks: Path


def find_split_folders(root: Path) -> list[SplitFolder]:
    """Lists the folders of a data set that hold a split, in the order of `SPLITS`; names are compared without case.

    Both `train/images` and `images/train` are found, also where `train` is spelled `Train` or `training`.
    """
    pairs = [(path.name, _below(path, "images"), _below(path, "masks")) for path in _subfolders(root)]
    masks = _below(root, "masks")
    pairs += [(path.name, path, _below(masks, path.name)) for path in _subfolders(_below(root, "images"))]
    folders = [
        SplitFolder(SPLIT_FOLDERS[name.lower()], name, images, masks)
        for name, images, masks in pairs
        if name.lower() in SPLIT_FOLDERS
    ]
    return sorted(folders, key=lambda folder: (SPLITS.index(folder.split), folder.images))


def _below(folder: Path, name: str) -> Path:
    """The folder of that name below another one; where there is none, one whose name differs in case only."""
    path = folder / name
    others = [] if path.is_dir() else sorted(other for other in _subfolders(folder) if other.name.lower() == name.lower())
    return others[0] if others else path


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


# Classes

CLASSES = ("normal", "benign", "malignant")  # a class's position is its index in masks; worse classes have higher ones
WORST_FIRST = CLASSES[::-1]
LESION_CLASSES = CLASSES[1:]
CLASS_COLORS = ((0, 0, 0), (0, 255, 0), (255, 255, 255))  # red, green, blue of each class in colored masks

# Names

DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".ima"})
IMAGE_SUFFIXES = DICOM_SUFFIXES | {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff"}  # of source images
# Images that are not read, so that they are named and not passed over.
UNREAD_SUFFIXES = frozenset(
    {".bmp", ".gif", ".webp", ".jp2", ".j2k", ".jpx", ".pgm", ".ppm", ".pnm", ".mha", ".mhd"}
    | {".nii", ".nii.gz", ".nrrd", ".heic", ".avif", ".jxl", ".exr", ".npy", ".svs"}
)
PAIR_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})  # of the images and masks in a data set folder
MOST_PIXELS = 89_000_000  # Pillow warns above this number; no mammogram has as many

# A second exposure carries a suffix (`P99_L_DM_MLO_2`, `P281_L_DM_MLO2`) and is an image of its own.
_IMAGE = re.compile(r"(?P<patient>P\d+)_(?P<side>[LR])_(?P<kind>DM|CM)_(?P<view>CC|MLO)(_?\d+)?", re.ASCII)
_ANYWHERE = re.compile(
    r"(?<![a-z0-9])(?P<patient>P\d+)[_\-. ](?P<side>[LR])[_\-. ](?P<kind>DM|CM)[_\-. ](?P<view>CC|MLO)(?![a-z])",
    re.IGNORECASE | re.ASCII,
)
_BEGINNING = re.compile(r"(?P<patient>P\d+)_", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class ImageName:
    """The fields of an image's name; all but `image_id` are empty where the name does not contain them."""

    image_id: str
    patient: str = ""
    side: str = ""
    kind: str = ""
    view: str = ""


def clean_name(name: str) -> str:
    """Removes folder, suffix and stray spaces from an image's name; accents are composed (NFC), which macOS separates.

    Example:
      >>> clean_name("CDD-CESM/P3_L_CM_CC .jpg")
      'P3_L_CM_CC'
    """
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", name).strip())[-1]
    if PurePath(name).suffix.lower() in IMAGE_SUFFIXES:
        name = PurePath(name).stem
    return name.strip()


def parse_image(image_id: str) -> ImageName:
    """Reads patient, side, kind and view from a source image's name, if it has exactly the form of CDD-CESM's names.

    Example:
      >>> parse_image("P281_L_DM_MLO2")
      ImageName(image_id='P281_L_DM_MLO2', patient='P281', side='L', kind='DM', view='MLO')
    """
    match = _IMAGE.fullmatch(image_id)
    return ImageName(image_id, **match.groupdict()) if match else ImageName(image_id)


def fold_patient(patient: str) -> str:
    """A patient's name as names are compared: people write one patient as P1, p1 and P001.

    Example:
      >>> fold_patient("P001") == fold_patient("p1"), fold_patient("P100")
      (True, 'p100')
    """
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", patient.strip().casefold())


def sample_name(variant: str, image_id: str) -> str:
    """Returns the published name of a variant of an image.

    Example:
      >>> sample_name("flipped", "P1_L_CM_MLO")
      'flipped_P1_L_CM_MLO'
    """
    return image_id if variant == "original" else f"{variant}_{image_id}"


def parse_sample(sample: str) -> tuple[str, ImageName]:
    """Splits a sample's name into its variant and the image that it was made from.

    Samples may come from any folder: a name of CDD-CESM's form is found anywhere in the sample's name, in any case and with
    any of `_-. ` between its fields, or its patient alone at the beginning. Two names of different patients are none. The
    patient is written without leading zeros.

    Example:
      >>> parse_sample("rotated_90_P1_L_CM_MLO_aug3")
      ('rotated_90', ImageName(image_id='P1_L_CM_MLO_aug3', patient='P1', side='L', kind='CM', view='MLO'))
      >>> parse_sample("deformed_alpha_1300_p01_L_DM_CC")[1].patient
      'P1'
    """
    variant = next((name for name in VARIANTS if sample.startswith(f"{name}_")), "original")
    image_id = sample.removeprefix(f"{variant}_")
    found = [[field.upper() for field in match.groups()] for match in _ANYWHERE.finditer(image_id)]
    names = [ImageName(image_id, fold_patient(patient).upper(), *fields) for patient, *fields in found]
    if len({name.patient for name in names}) == 1:
        return variant, names[0]
    beginning = None if names else _BEGINNING.match(image_id)
    return variant, ImageName(image_id, fold_patient(beginning["patient"]).upper() if beginning else "")


# The manifest


@dataclass(frozen=True)
class Column:
    """One column of manifest.csv.

    Attributes:
      name: its header.
      type: the type of its values: str, int or float.
      optional: whether a cell may be empty, which means unknown and reads as an empty text, or None for a number.
      exported: whether exports that describe images carry it.
      group: the title under which charts, cards and evaluations group images by it; empty where they do not.
      header: the beginning of its header in the annotation table, in lowercase letters only; empty where it is not from there.
    """

    name: str
    type: type = str
    optional: bool = False
    exported: bool = False
    group: str = ""
    header: str = ""

    def read(self, cell: str) -> Any:
        """Converts a cell to its value; a number that is not known is None.

        Raises:
          ValueError: it is not of the column's type, or is a number beyond all measures.
        """
        value = None if not cell and self.type is not str else self.type(cell)
        if isinstance(value, int | float) and not abs(value) < 2**63:  # neither can NaN be one
            raise ValueError("a number out of range")
        return value


COLUMNS = (
    Column("schema", int),
    Column("sample", exported=True),
    Column("image_id", exported=True),
    Column("variant", exported=True),
    Column("split", exported=True),
    Column("fold", int, exported=True),
    Column("patient", exported=True),
    Column("class", exported=True, group="class", header="pathologyclassification"),
    Column("kind", exported=True, group="kind"),
    Column("side", exported=True, group="side"),
    Column("view", exported=True, group="view"),
    Column("density", optional=True, exported=True, group="density", header="breastdensity"),
    Column("birads", optional=True, exported=True, group="BI-RADS", header="birads"),
    Column("findings", optional=True, exported=True, header="findings"),
    Column("machine", optional=True, exported=True, group="machine", header="machine"),
    Column("regions", int),
    Column("lesion_px", int),
    Column("source"),
    Column("source_width", int),
    Column("source_height", int),
    Column("scale", float),
    Column("pad_left", int),
    Column("pad_top", int),
    Column("spacing_mm", float, optional=True),
    Column("image"),
    Column("mask"),
    Column("source_sha256"),
    Column("image_sha256"),
    Column("mask_sha256"),
)
COLUMN_NAMES = tuple(column.name for column in COLUMNS)
GROUPS = {column.name: column.group for column in COLUMNS if column.group}
# The columns that describe an image in addition to its class, and those of them that the annotation table has.
DESCRIPTIONS = tuple(column.name for column in COLUMNS if (column.group or column.header) and column.name != "class")
DETAILS = tuple(column.name for column in COLUMNS if column.header and column.name != "class")


def read_row(row: Mapping[str, str]) -> dict[str, Any]:
    """Converts a manifest's row to values by column; a column that a manifest made by hand lacks reads as an empty cell.

    Raises:
      ValueError: a cell is not of its column's type.

    Example:
      >>> row = read_row({"sample": "P1_L_DM_CC", "fold": "2", "scale": "0.25"})
      >>> row["fold"], row["scale"], row["spacing_mm"], row["findings"]
      (2, 0.25, None, '')
    """
    values = {}
    for column in COLUMNS:
        cell = row.get(column.name) or ""
        try:
            values[column.name] = column.read(cell)
        except ValueError as error:
            raise ValueError(f"{column.name} is {cell[:40]!r}; expected {column.type.__name__}") from error
    return values


# Masks

LESION_LEVEL = 128  # gray levels of a mask from this one on are lesion
MOST_CLASSES = 15  # a lossless mask without higher values holds class indices, not gray levels


class MaskError(ValueError):
    """A mask file cannot be read as classes; the message states which values it holds and what to do."""


class ClassesError(MaskError):
    """A mask file is sound, but does not hold the expected number of classes."""


@dataclass(frozen=True)
class MaskLevels:
    """The values of a mask file.

    Attributes:
      levels: (height, width) uint8.
      lossy: whether the encoding changes values, as JPEG does.
    """

    levels: np.ndarray
    lossy: bool

    @property
    def values(self) -> list[int]:
        """The values that occur, in ascending order."""
        return np.flatnonzero(np.bincount(self.levels.ravel(), minlength=256)).tolist()


def cut_levels(levels: np.ndarray) -> np.ndarray:
    """Thresholds gray levels: 1 where a level is lesion, else 0; uint8 of the shape of `levels`."""
    return (levels >= LESION_LEVEL).astype(np.uint8)


def as_classes(
    mask: MaskLevels,
    classes: int | None = 1,
    cut: Callable[[np.ndarray], np.ndarray] = cut_levels,
    *,
    any_levels: bool = False,
) -> np.ndarray:
    """Converts a decoded mask to classes.

    Args:
      mask: as `pipeline.sources.decode_mask` returns it.
      classes: how many there are, including the background; 1 separates lesion from background; None takes any that the file
        holds.
      cut: thresholds gray levels, (height, width) uint8, to 0 and 1.
      any_levels: whether `cut` also takes masks without a level of 128 or more.

    Returns:
      (height, width) uint8: 0 is background, 1 is lesion, or 1, 2, ... are the lesion classes.

    Raises:
      MaskError: it holds values that a mask of these classes cannot hold.

    Example:
      >>> as_classes(MaskLevels(np.array([[0, 255]], np.uint8), lossy=False)).tolist()
      [[0, 1]]
      >>> as_classes(MaskLevels(np.array([[0, 2]], np.uint8), lossy=False), classes=3).tolist()
      [[0, 2]]
    """
    highest = int(mask.levels.max(initial=0))
    indices = not mask.lossy and highest <= MOST_CLASSES
    if classes is None and indices:
        return mask.levels
    if classes is not None and classes > 1:
        if mask.lossy or highest >= classes:
            problem = "is a JPEG" if mask.lossy else f"holds values up to {highest}"
            raise ClassesError(f"{problem}; expected a lossless mask of the class indices 0 to {classes - 1}")
        return mask.levels
    if indices and highest <= 1:
        return mask.levels
    if indices:
        raise ClassesError(f"holds class indices up to {highest}; expected 0 and 255, or 0 and 1")
    if 0 < highest < LESION_LEVEL and not any_levels:
        raise MaskError(f"holds only levels up to {highest}, which are neither class indices nor lesion; expected 0 and 255")
    return cut(mask.levels)


# dataset.json and audit.json: the keys that programs read, and their types


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


# Rejects


@dataclass(frozen=True)
class Reason:
    """A reason for which source images are dropped.

    Attributes:
      meaning: its text in tables and cards.
      left_out: whether it is the recipe's own choice; all other reasons are faults, which --strict does not accept.
      quiet: the message under a site key, where the usual one might quote an annotation file; empty to keep that one.
      passing: whether it may pass while the file stays as it is; such files are tried again by each run.
    """

    meaning: str
    left_out: bool = False
    quiet: str = ""
    passing: bool = False


REASONS: dict[str, Reason] = {
    "class-not-wanted": Reason("the recipe takes other classes", left_out=True),
    "no-region": Reason("of a lesion class, but without a drawn region: an empty mask would be a false label", left_out=True),
    "normal-with-region": Reason("normal, but with a drawn region", left_out=True),
    "bands-only": Reason("its only regions are long thin bands, which the recipe leaves out", left_out=True),
    "strict-join": Reason("lost as in the published set: its name in the table has stray spaces", left_out=True),
    "file-missing": Reason("annotated, but its file is missing"),
    "not-in-table": Reason("no row in the annotation table, so its class is unknown"),
    "unknown-name": Reason("its name and path name no patient"),
    "unknown-class": Reason("of a class other than the three", quiet="is of a class other than Malignant, Benign and Normal"),
    "unknown-patient": Reason("DICOM that names no patient"),
    "unknown-side": Reason("DICOM of an unknown side"),
    "unknown-kind": Reason("DICOM known neither as low-energy nor as subtracted"),
    "unknown-view": Reason("DICOM of an unknown view"),
    "name-differs": Reason("DICOM whose file name and tags disagree"),
    "duplicate-name": Reason("two different files with the same name"),
    "region-malformed": Reason(
        "a region that cannot be read", quiet="one of its regions cannot be read; correct it in the annotation file"
    ),
    "annotation-ambiguous": Reason(
        "an annotation file has several entries for it, or for another image of its number",
        quiet="an annotation file has several entries for it; keep one of them",
    ),
    "box-only": Reason(
        "a lesion that is marked by a box and has no outline", quiet="one of its lesions has a box and no outline"
    ),
    "region-outside-image": Reason("a region lies more than half outside the image"),
    "annotation-size": Reason("its regions were drawn on an image of another size"),
    "seg-reference": Reason("a DICOM segmentation that cannot be read, or whose image is not here"),
    "file-empty": Reason("a file of 0 bytes"),
    "file-truncated": Reason("a file that ends too early"),
    "file-unreadable": Reason("a file that the system cannot open, or whose name cannot be written", passing=True),
    "not-an-image": Reason("not an image that can be read", quiet="is not a JPEG, PNG, TIFF or DICOM file that can be read"),
    "multi-frame": Reason("several frames in one file"),
    "too-large": Reason("more pixels than a mammogram has"),
    "not-a-mammogram": Reason("DICOM of something else"),
    "for-processing": Reason("DICOM For Processing; its pixels do not look like the images of the data set"),
    "burned-in": Reason("text is burned into the pixels"),
    "no-pixels": Reason("DICOM without pixels"),
    "missing-tags": Reason("DICOM that lacks tags without which pixels have no meaning"),
    "no-such-window": Reason("DICOM without the window that the recipe asks for"),
    "unsupported-syntax": Reason("DICOM in a transfer syntax that is not for single images"),
    "decoder-missing": Reason("DICOM in a transfer syntax whose decoder is not installed", passing=True),
    "pixels-unreadable": Reason("its pixels cannot be decoded"),
    "levels-unclear": Reason("16-bit levels that cannot fill 16 bits, of a range that neither file nor recipe states"),
    "decoder-crashed": Reason("the process that read it died: of a decoder's fault, or for want of memory", passing=True),
    "changed-since-index": Reason("changed after it was indexed", passing=True),
}


# Reason and message of a file whose reader did not live to give one.
CRASHED = (
    "decoder-crashed",
    "made the process that read it die, of its decoder's fault or for want of memory; download it again, or give fewer --workers",
)


def find_reason(code: str) -> Reason:
    """Looks up the declared reason of a code; a table of another version may hold one that is not declared here."""
    return REASONS.get(code, Reason("not a reason of this version"))


class SourceError(Exception):
    """One image cannot be used.

    Args:
      reason: a key of `REASONS`, for rejects.csv.
      message: what was found, what was expected, and what to do.
    """

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        if reason not in REASONS:
            raise KeyError(f"{reason} is not declared in pipeline.contract.REASONS")
        self.reason = reason

    def __reduce__(self):
        return type(self), (self.reason, str(self))
