"""Reads both files of samples for the audit."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.audit.equality import make_thumb, same_turned
from pipeline.audit.features import Features, find_features, spread_contrast
from pipeline.audit.samples import Sample
from pipeline.contract import CRASHED, MaskError, SourceError
from pipeline.files import read_regular
from pipeline.geometry import has_white_background, vary
from pipeline.sources import decode_mask, read_image


@dataclass(frozen=True)
class Contents:
    """What reading a sample's files showed; a size is (width, height), None where the file is missing or broken.

    `thumb` and `features` are None for a plain image; samples that show the same image, up to a turn, may share `features`.
    `inverted` tells whether the image's background is white.
    """

    thumb: np.ndarray | None = None
    features: Features | None = None
    inverted: bool = False
    image_size: tuple[int, int] | None = None
    mask_size: tuple[int, int] | None = None
    mask_values: tuple[int, ...] = ()
    mask_fault: str = ""
    broken: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def is_intact(self) -> bool:
        """Whether both files could be read, and neither of them has changed."""
        return bool(self.image_size and self.mask_size and not self.changed)


def read_contents(samples: Sequence[Sample]) -> list[Contents]:
    """Reads both files of each of an image's samples in one split; runs in a worker.

    Variants of one image share one `Features` object, which makes up most of the time of an audit. Those that the caller has
    just made of an intact original are only compared with their hashes.
    """
    read: dict[int, Contents] = {}
    original = None
    for index, sample in sorted(enumerate(samples), key=lambda item: item[1].made_as != "original"):
        read[index] = _read_sample(sample, [other for other in read.values() if other.features], original)
        if sample.made_as == "original" and read[index].is_intact:
            original = read[index]
    return [read[index] for index in range(len(samples))]


def describe_crash(sample: Sample) -> Contents:
    """What is reported of a sample when the process that read its files died."""
    names = " or ".join(name for name, path in (("image", sample.image), ("mask", sample.mask)) if path)
    return Contents(broken=(f"its {names} {CRASHED[1]}",))


def _read_sample(sample: Sample, siblings: Sequence[Contents], original: Contents | None) -> Contents:
    contents: dict = {}
    broken, changed = [], []
    for name, path, digest in zip(("image", "mask"), (sample.image, sample.mask), sample.sha256, strict=True):
        if path is None:
            continue
        data = read_regular(path)
        is_unchanged = bool(digest) and hashlib.sha256(data).hexdigest() == digest
        if digest and not is_unchanged:
            changed.append(name)
        if original and is_unchanged and sample.made_as:
            contents |= _turn_image(original, sample.made_as) if name == "image" else _copy_mask(original)
            continue
        try:
            contents |= _inspect_image(path, data, siblings) if name == "image" else _inspect_mask(data)
        except SourceError:
            broken.append(name)
    return Contents(**contents, broken=tuple(broken), changed=tuple(changed))


def _turn_image(original: Contents, variant: str) -> dict:
    """What reading the image of a variant would show, up to what a lossy encoding changes."""
    thumb = None if original.thumb is None else vary(original.thumb, variant)
    return {"image_size": original.image_size, "inverted": original.inverted, "thumb": thumb, "features": original.features}


def _copy_mask(original: Contents) -> dict:
    return {"mask_size": original.mask_size, "mask_values": original.mask_values}


def _inspect_image(path: Path, data: bytes, siblings: Sequence[Contents]) -> dict:
    pixels = read_image(path, data, bits=16, stated_bits=16) if data else None
    if pixels is None:
        raise SourceError("file-empty", "has 0 bytes")
    size, spread = {"image_size": pixels.shape[::-1]}, spread_contrast(pixels)
    if spread is None:
        return size
    thumb = make_thumb(spread)
    shared = next((other.features for other in siblings if other.thumb is not None and same_turned(other.thumb, thumb)), None)
    return size | {"inverted": has_white_background(spread), "thumb": thumb, "features": shared or find_features(spread)}


def _inspect_mask(data: bytes) -> dict:
    try:
        mask = decode_mask(data)
    except MaskError as error:
        return {"mask_fault": str(error)}
    return {"mask_size": mask.levels.shape[::-1], "mask_values": tuple(mask.values)}
