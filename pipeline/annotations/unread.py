"""Files that were found where annotations are, and not read: what each looks like, so that nobody believes that it counts."""

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePath

from pipeline.annotations.contents import UnreadFiles
from pipeline.contract import IMAGE_SUFFIXES, UNREAD_SUFFIXES, clean_name
from pipeline.files import TABLE_SUFFIXES
from pipeline.sources import find_files

_ARCHIVES = frozenset({".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar"})
# What annotation programs write, by suffix; a file of any other suffix, such as a report, is not looked at.
_KINDS = dict.fromkeys(_ARCHIVES, "an archive that is not unpacked") | {
    ".nii": "NIfTI",
    ".nrrd": "NRRD",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
    ".mat": "a MATLAB file",
    ".npy": "a NumPy array",
    ".npz": "NumPy arrays",
    ".roi": "an ROI of ImageJ",
    ".geojson": "GeoJSON",
    ".jsonl": "lines of JSON",
    ".ndjson": "lines of JSON",
    ".parquet": "Parquet",
    ".xls": "a workbook of Excel before 2007",
    ".ods": "a workbook of LibreOffice",
    ".numbers": "a workbook of Numbers",
    ".xlsm": "a workbook of Excel with macros",
    ".xlsb": "a binary workbook of Excel",
    ".h5": "HDF5",
    ".hdf5": "HDF5",
    ".pkl": "a pickle of Python",
    ".svg": "SVG",
    ".tfrecord": "TFRecord",
    ".sqlite": "a database",
}
_TEXTS = frozenset({".json", ".xml", ".txt"}) | TABLE_SUFFIXES
_NAMING_IMAGES = _TEXTS | {".jsonl", ".ndjson", ".geojson", ".svg"}
_SUFFIXES = _TEXTS | _KINDS.keys()
# By marks in the content, all of which have to be there; the first that fits.
_MARKS = (
    ("LabelMe", ('"shapes"', '"imagePath"')),
    ("VIA 3", ('"project"', '"metadata"', '"view"')),
    ("VIA 3", ("temporal_coordinates", "spatial_coordinates")),
    ("VIA 2", ("shape_attributes",)),
    ("Label Studio", ('"from_name"', '"to_name"')),
    ("Label Studio", ("brushlabels",)),
    ("Label Studio", ("polygonlabels",)),
    ("Label Studio", ("rectanglelabels",)),
    ("Supervisely", ('"geometryType"', '"classTitle"')),
    ("3D Slicer markups", ('"markups"', "markups-schema")),
    ("Darwin JSON of V7", ("darwin_json",)),
    ("MD.ai", ('"labelGroups"', '"datasets"')),
    ("GeoJSON", ('"FeatureCollection"',)),
    ("GeoJSON", ('"Feature"', '"geometry"', '"coordinates"')),
    ("a list of MONAI or nnU-Net", ('"training"', '"image"', '"label"')),
    ("COCO", ('"images"', '"annotations"')),
    ("CVAT XML", ("<annotations>", "<image ")),
    ("Pascal VOC XML", ("<annotation", "<object>")),
    ("OsiriX XML", ("<plist",)),
)
# Words in the path of a mask, and what is added to the name of its image.
_MASK_WORD = (
    r"(?:masks?|masken?|masques?|m[aá]scaras?|maschere|maschera|seg|segs|segmentations?|segmentation(?:class|object)|labels?|rois?"
    r"|annotations?|gt|ground[_ -]?truth|contours?|lesions?)"
)
_LIKE_MASK = re.compile(rf"(?:^|[\W_\d]){_MASK_WORD}(?:[\W_\d]|$)", re.IGNORECASE)
_ADDED = re.compile(rf"^{_MASK_WORD}[_ -]+|[_ -]+{_MASK_WORD}[_ -]?\d*$|(?<=[_ -]){_MASK_WORD}$", re.IGNORECASE)
_YOLO = re.compile(r"(\s*\d+([ \t]+-?(\d+\.?\d*|\.\d+)(e-?\d+)?){4,}[ \t]*(\r?\n|$))+\s*", re.IGNORECASE)
_BETWEEN_NAMES = re.compile(r"[\"'<>/\\,;|\r\n\t]+")
_MOST_BYTES = 2**20  # in which the marks of a file are
_LINK = "a link to a folder, where no annotations are looked for"


def find_others(root: Path, raw: Path | None = None) -> list[Path]:
    """Finds what may be annotations below a folder, by suffix, masks that are not read, and links to folders; sorted.

    A root that is a file has none.

    Args:
      root: the folder.
      raw: the folder of images; masks elsewhere, in formats of images, are found too.
    """
    suffixes = (UNREAD_SUFFIXES if raw is None else UNREAD_SUFFIXES | IMAGE_SUFFIXES) - _KINDS.keys()
    masks = [path for path in find_files(root, suffixes) if is_like_mask(path.relative_to(root).as_posix())]
    masks = [path for path in masks if path.suffix.lower() in UNREAD_SUFFIXES or not _is_below(path, raw)]
    links = [
        Path(folder, name)
        for folder, folders, _ in os.walk(root)
        for name in folders
        if os.path.islink(os.path.join(folder, name))
    ]
    return sorted([*find_files(root, _SUFFIXES), *masks, *(link for link in links if not link.name.startswith("."))])


def _is_below(path: Path, folder: Path | None) -> bool:
    return folder is not None and Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))


def describe_unread(
    paths: Iterable[Path], read: Collection[Path], roots: Collection[Path], known: Mapping[Path, str]
) -> list[UnreadFiles]:
    """Describes the files that were found and not read, one entry for each kind.

    Args:
      paths: of the files.
      read: those of them that were read.
      roots: the folders where they were found.
      known: why some of them were not read.
    """
    kinds: dict[str, list[str]] = defaultdict(list)
    done = set(map(os.path.abspath, read))
    reasons = {os.path.abspath(path): reason for path, reason in known.items()}
    for path in sorted(set(map(os.path.abspath, paths)) - done):
        if kind := reasons.get(path) or _describe(Path(path)):
            kinds[kind].append(_name_below(path, list(dict.fromkeys(map(os.path.abspath, roots)))))
    return [UnreadFiles(kind, len(files), files[0]) for kind, files in sorted(kinds.items())]


def _name_below(path: str, roots: Sequence[str]) -> str:
    """A path below the folder where it was found; of several folders it begins with the name of that one."""
    root = next((root for root in roots if Path(path).is_relative_to(root)), os.path.dirname(path))
    return os.path.relpath(path, os.path.dirname(root) if len(roots) > 1 else root).replace(os.sep, "/")


def find_image_names(paths: Iterable[Path]) -> set[str]:
    """The names of images in files that were not read: their own names, and names of image files in their text."""
    names = set()
    for path in paths:
        names |= {path.stem, masked_image(path.name)}
        text = _beginning(path) if path.suffix.lower() in _NAMING_IMAGES and path.is_file() else ""
        names |= {part for part in _BETWEEN_NAMES.split(text) if PurePath(part).suffix.lower() in IMAGE_SUFFIXES}
    return names


def is_like_mask(path: str) -> bool:
    """Whether a path, relative to the folder where it was found, has a word that people use for masks.

    Example:
      >>> is_like_mask("Masks2/a.bmp"), is_like_mask("P1_L_DM_CC_mask.png"), is_like_mask("images/P1_L_DM_CC.bmp")
      (True, True, False)
    """
    return bool(_LIKE_MASK.search(path))


def masked_image(path: str) -> str:
    """The name of the image that a file would be a mask of, by its own name.

    Example:
      >>> masked_image("x/P1_L_DM_CC_mask.bmp"), masked_image("mask_P1_L_DM_CC.png"), masked_image("P1_L_DM_CC_seg_2.gif")
      ('P1_L_DM_CC', 'P1_L_DM_CC', 'P1_L_DM_CC')
    """
    name = PurePath(clean_name(path))
    return _ADDED.sub("", name.stem if name.suffix.lower() in UNREAD_SUFFIXES else name.name)


def _describe(path: Path) -> str:
    """What a file looks like; empty for a text that is none of the known ones."""
    if path.is_dir():
        return _LINK
    suffix = path.suffix.lower()
    if suffix in _KINDS:
        return "NIfTI" if path.name.lower().endswith(".nii.gz") else _KINDS[suffix]
    if suffix in UNREAD_SUFFIXES:
        return "a mask in a format that is not read"
    if suffix in IMAGE_SUFFIXES:
        return "a mask that [layout] mask does not find"
    if suffix == ".xlsx":
        return "a workbook without the expected columns"
    text = _beginning(path)
    if kind := next((kind for kind, marks in _MARKS if all(mark in text for mark in marks)), ""):
        return kind
    if suffix == ".txt":
        return "YOLO labels" if _YOLO.fullmatch(text) else ""
    return {".json": "JSON of another kind", ".xml": "XML of another kind"}.get(suffix, "a table without the expected columns")


def _beginning(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES)
    except OSError:
        return ""
    return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "ignore")
