"""Checks any folder of train, valid and test pairs: leaks between splits, duplicates, broken pairs, unclean masks."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.contract import MANIFEST, SPLITS, MaskError, SourceError, decode_mask, find_split_folders, parse_sample
from pipeline.dataset.manifest import read_manifest
from pipeline.files import InputError, progress
from pipeline.recipe import Recipe
from pipeline.sources import read_image
from pipeline.workers import all_cores, in_order

Rows = Sequence[Mapping[str, Any]]

EXAMPLES = 5
SCHEMA = 3  # of audit.json; since 2 a finding has pairs, since 3 a meaning
MEANINGS = {  # what each code counts
    "image-in-splits": "source images whose variants are in several splits",
    "patient-in-splits": "patients whose images are in several splits",
    "duplicate-pixels": "groups of samples with the same pixels, up to a flip or turn across splits",
    "mask-missing": "images without a mask",
    "image-missing": "masks, or rows of the manifest, without an image",
    "size": "images and masks whose size is not that of most",
    "mask-values": "masks with other values than background and lesion",
    "mask-empty": "masks without a lesion, of images that are not normal",
    "unreadable": "files that cannot be decoded",
    "changed": "files that differ from those in the manifest",
    "identifier": "files that contain an identifier of the sources, in their content or their name",
}
# Two images closer than this, in gray levels RMS at 64 px, are one image; JPEG at quality 75 moves an image by under 2, and
# the closest two distinct images of 650 real ones are 9.4 apart.
SAME_RMS = 3.0
_THUMB, _COARSE = 64, 16


@dataclass(frozen=True)
class AuditFinding:
    """One type of problem.

    Attributes:
      code: a key of `MEANINGS`.
      count: how many have it, counted in `unit`.
      unit: images, patients, groups or files.
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


@dataclass(frozen=True)
class _Sample:
    """One file stem of one split, with what is known before its files are read; `folder` is the name of the split's folder."""

    name: str
    split: str
    folder: str
    image: Path | None
    mask: Path | None
    image_id: str
    patient: str
    image_class: str = ""
    sha256: tuple[str, str] = ("", "")

    @property
    def location(self) -> str:
        return f"{self.folder}/{self.name}"

    @property
    def file(self) -> str:
        """The image's path relative to the data set's folder; without a suffix where there is no such file."""
        return f"{self.folder}/images/{self.image.name if self.image else self.name}"


@dataclass(frozen=True)
class _Contents:
    """What reading a sample's files showed; a size is (width, height), None where the file is missing or broken."""

    thumb: np.ndarray | None = None
    image_size: tuple[int, int] | None = None
    mask_size: tuple[int, int] | None = None
    mask_values: tuple[int, ...] = ()
    mask_fault: str = ""
    broken: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def audit(folder: Path, manifest: Rows | None = None) -> list[AuditFinding]:
    """Audits a data set folder, with a manifest or without; nothing is written.

    Without a manifest, patient and source image come from the samples' names.

    Args:
      folder: with train, valid and test.
      manifest: its rows where the caller has read them already.

    Raises:
      InputError: the folder holds no split with images and masks.
    """
    if manifest is None and (folder / MANIFEST).exists():
        manifest = read_manifest(folder / MANIFEST)
    samples = list(list_samples(folder, manifest or []))
    if not samples:
        raise InputError(f"{folder}: holds no train/images, valid/images or test/images with files; expected a data set folder")
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(all_cores()) as executor:  # OpenCV decodes without holding the interpreter's lock
        contents = list(progress(in_order(executor, _read_contents, samples), len(samples), "audit", "pairs"))
    findings = [
        *_leaks(samples),
        *_duplicates(samples, contents),
        *_pairs(samples),
        *_sizes(samples, contents),
        *_masks(samples, contents),
        *_broken(samples, contents),
    ]
    return [finding for finding in findings if finding.count]


def expected_codes(recipe: Recipe) -> list[str]:
    """Lists the findings that a recipe asks for, because it reproduces a published defect."""
    codes = ["image-in-splits", "patient-in-splits", "duplicate-pixels"] if recipe.split.by == "sample" else []
    codes += ["mask-values"] if recipe.mask.format == "jpeg" else []
    return codes


def list_samples(folder: Path, manifest: Rows = ()) -> Iterator[_Sample]:
    """The samples of a data set folder: those that its manifest names, and those whose files are there."""
    rows = {(row["split"], row["sample"]): row for row in manifest}
    for split_folder, split in _split_folders(folder, {split for split, _ in rows}):
        images, masks = _stems(split_folder / "images"), _stems(split_folder / "masks")
        listed = {sample for other, sample in rows if other == split}
        for name in sorted(images.keys() | masks.keys() | listed):
            row = rows.get((split, name))
            if row:
                fields = (row["image_id"], row["patient"], row["class"], (row["image_sha256"], row["mask_sha256"]))
            else:
                parsed = parse_sample(name)[1]
                fields = (parsed.image_id, parsed.patient, "", ("", ""))
            yield _Sample(name, split, split_folder.name, images.get(name), masks.get(name), *fields)


def _split_folders(folder: Path, listed: Set[str]) -> list[tuple[Path, str]]:
    """Lists the folders of the splits, including those of `listed` splits of the manifest that are missing."""
    folders = find_split_folders(folder)
    missing = listed - {split for _, split in folders}
    return folders + [(folder / split, split) for split in SPLITS if split in missing]


def _stems(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {
        Path(entry.name).stem: Path(entry.path)
        for entry in os.scandir(folder)
        if entry.is_file() and not entry.name.startswith(".") and entry.name.lower() not in ("desktop.ini", "thumbs.db")
    }


def _read_contents(sample: _Sample) -> _Contents:
    """Reads both files of a sample; runs in a thread."""
    contents: dict = {}
    broken, changed = [], []
    for name, path, digest in zip(("image", "mask"), (sample.image, sample.mask), sample.sha256, strict=True):
        if path is None:
            continue
        data = path.read_bytes()
        if digest and hashlib.sha256(data).hexdigest() != digest:
            changed.append(name)
        try:
            contents |= _inspect_image(path, data) if name == "image" else _inspect_mask(data)
        except SourceError:
            broken.append(name)
    return _Contents(**contents, broken=tuple(broken), changed=tuple(changed))


def _inspect_image(path: Path, data: bytes) -> dict:
    pixels = read_image(path, data) if data else None
    if pixels is None:
        raise SourceError("file-empty", "has 0 bytes")
    thumb = cv2.resize(pixels, (_THUMB, _THUMB), interpolation=cv2.INTER_AREA)
    return {"image_size": pixels.shape[::-1], "thumb": thumb}


def _inspect_mask(data: bytes) -> dict:
    try:
        mask = decode_mask(data)
    except MaskError as error:
        return {"mask_fault": str(error)}
    return {"mask_size": mask.levels.shape[::-1], "mask_values": tuple(mask.values)}


def _leaks(samples: Sequence[_Sample]) -> Iterator[AuditFinding]:
    by_image: dict[str, list[_Sample]] = defaultdict(list)
    by_patient: dict[str, list[_Sample]] = defaultdict(list)
    for sample in samples:
        by_image[sample.image_id].append(sample)
        if sample.patient:
            by_patient[sample.patient].append(sample)
    for code, unit, groups in (
        ("image-in-splits", "source images", by_image),
        ("patient-in-splits", "patients", by_patient),
    ):
        leaking = {name: group for name, group in groups.items() if len({sample.split for sample in group}) > 1}
        yield make_finding(code, unit, (_name_splits(name, group) for name, group in leaking.items()), leaking.values())


def _name_splits(name: str, group: Sequence[_Sample]) -> str:
    counts = Counter(sample.split for sample in group)
    return f"{name}: " + ", ".join(f"{counts[split]} in {split}" for split in SPLITS if counts[split])


def make_finding(code: str, unit: str, examples: Iterable[str], groups: Iterable[Sequence[_Sample]] = ()) -> AuditFinding:
    """Makes a finding; `groups` holds the samples that each example is about, for problems between images."""
    listed = list(examples)
    return AuditFinding(code, len(listed), unit, tuple(listed[:EXAMPLES]), tuple(map(_pair_of_group, islice(groups, EXAMPLES))))


def _pair_of_group(group: Sequence[_Sample]) -> tuple[str, str]:
    """Picks two images of a group, from two splits where it spans several."""
    first = group[0]
    second = next((sample for sample in group if sample.split != first.split), group[1])
    return first.file, second.file


def _duplicates(samples: Sequence[_Sample], contents: Sequence[_Contents]) -> Iterator[AuditFinding]:
    """Groups samples with the same pixels: up to a flip or turn across splits, exactly as stored within one split."""
    readable = [index for index, content in enumerate(contents) if content.thumb is not None]
    splits = [samples[index].split for index in readable]
    pairs = same_pixels(np.array([contents[index].thumb for index in readable]), splits) if readable else []
    groups = [[samples[readable[index]] for index in group] for group in _connected(len(readable), pairs)]
    yield make_finding("duplicate-pixels", "groups", map(_name_group, groups), groups)


def _name_group(group: Sequence[_Sample]) -> str:
    """Describes a group: one sample of each image and split, and the number of the others."""
    shown = list({(sample.split, sample.image_id): sample for sample in reversed(group)}.values())[::-1][:4]
    more = len(group) - len(shown)
    return " = ".join(sample.location for sample in shown) + (f" and {more} more" if more else "")


def same_pixels(thumbs: np.ndarray, splits: Sequence[str]) -> list[tuple[int, int]]:
    """Finds pairs of equal images: equal up to a flip or turn where their splits differ, as stored within a split.

    Args:
      thumbs: (n, 64, 64) uint8.
      splits: the split of each image.

    Returns:
      Pairs of indices, the smaller one first.
    """
    # Averaging over the eight turns and over blocks can only bring two images closer together, so pairs that are
    # far apart afterwards need no closer comparison; only few pairs are left.
    blocks = thumbs.reshape(len(thumbs), _COARSE, _THUMB // _COARSE, _COARSE, -1).mean(axis=(2, 4))
    flat = _turn_and_flip(blocks).mean(axis=0).reshape(len(thumbs), -1)
    squares = (flat**2).sum(axis=1)
    pairs = []
    for first in range(len(flat)):
        distance = (squares[first] + squares[first + 1 :] - 2 * flat[first + 1 :] @ flat[first]) / flat.shape[1]
        near = first + 1 + np.flatnonzero(distance < SAME_RMS**2)
        if not len(near):
            continue
        turned = _turn_and_flip(thumbs[near].astype(np.float32))
        rms = ((turned - thumbs[first]) ** 2).mean(axis=(2, 3)) ** 0.5
        for second, turns in zip(near.tolist(), rms.T, strict=True):
            if (turns.min() if splits[first] != splits[second] else turns[0]) < SAME_RMS:
                pairs.append((first, second))
    return pairs


def _turn_and_flip(squares: np.ndarray) -> np.ndarray:
    """Stacks the eight flips and turns of (n, size, size) arrays, (8, n, size, size); the first is the array itself."""
    turns = [np.rot90(squares, quarter, axes=(1, 2)) for quarter in range(4)]
    return np.stack(turns + [turn[:, :, ::-1] for turn in turns])


def _connected(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Groups the indices that pairs connect; each group is sorted and has two members or more."""
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    for first, second in pairs:
        parent[root(second)] = root(first)
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(count):
        groups[root(index)].append(index)
    return [group for group in groups.values() if len(group) > 1]


def _pairs(samples: Sequence[_Sample]) -> Iterator[AuditFinding]:
    yield make_finding("mask-missing", "files", (sample.location for sample in samples if sample.mask is None and sample.image))
    yield make_finding("image-missing", "files", (sample.location for sample in samples if sample.image is None))


def _sizes(samples: Sequence[_Sample], contents: Sequence[_Contents]) -> Iterator[AuditFinding]:
    sizes = Counter(content.image_size for content in contents if content.image_size)
    common = sizes.most_common(1)[0][0] if sizes else None
    yield make_finding(
        "size",
        "files",
        (
            f"{sample.location}: image {_size(content.image_size)}, mask {_size(content.mask_size)}; "
            f"most images are {_size(common)}"
            for sample, content in zip(samples, contents, strict=True)
            if {size for size in (content.image_size, content.mask_size) if size} - {common}
        ),
    )


def _size(size: tuple[int, int] | None) -> str:
    return f"{size[0]} x {size[1]}" if size else "none"


def _masks(samples: Sequence[_Sample], contents: Sequence[_Contents]) -> Iterator[AuditFinding]:
    both = list(zip(samples, contents, strict=True))
    decoded = [(sample, content) for sample, content in both if content.mask_size]
    # Class indices are fine where all masks hold them; 0, 1 and 2 among masks of 0 and 255 are a fault.
    indices = all(set(content.mask_values) <= {0, 1, 2} for _, content in decoded)
    sound = {0, 1, 2} if indices else {0, 255}
    yield make_finding(
        "mask-values",
        "files",
        [
            f"{sample.location}: {len(content.mask_values)} values, {', '.join(map(str, content.mask_values[:6]))}"
            f"{' ...' if len(content.mask_values) > 6 else ''}; expected 0 and 255"
            for sample, content in decoded
            if set(content.mask_values) - sound
        ]
        + [f"{sample.location}: {content.mask_fault}" for sample, content in both if content.mask_fault],
    )
    yield make_finding(
        "mask-empty",
        "files",
        (sample.location for sample, content in decoded if content.mask_values == (0,) and sample.image_class != "normal"),
    )


def _broken(samples: Sequence[_Sample], contents: Sequence[_Contents]) -> Iterator[AuditFinding]:
    both = list(zip(samples, contents, strict=True))
    yield make_finding(
        "unreadable", "files", (f"{sample.location}: {name}" for sample, content in both for name in content.broken)
    )
    yield make_finding(
        "changed",
        "files",
        (
            f"{sample.location}: {name} differs from the file in the manifest"
            for sample, content in both
            for name in content.changed
        ),
    )
