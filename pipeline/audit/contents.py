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
from pipeline.sources import decode_mask, read_image


@dataclass(frozen=True)
class Contents:
    """What reading a sample's files showed; a size is (width, height), None where the file is missing or broken.

    `thumb` and `features` are None for a plain image; samples that show the same image, up to a turn, may share `features`.
    """

    thumb: np.ndarray | None = None
    features: Features | None = None
    image_size: tuple[int, int] | None = None
    mask_size: tuple[int, int] | None = None
    mask_values: tuple[int, ...] = ()
    mask_fault: str = ""
    broken: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def read_contents(samples: Sequence[Sample]) -> list[Contents]:
    """Reads both files of each of an image's samples in one split; runs in a worker.

    Variants of one image share one `Features` object, which makes up most of the time of an audit.
    """
    read: list[Contents] = []
    for sample in samples:
        read.append(_read_sample(sample, [contents for contents in read if contents.features]))
    return read


def describe_crash(sample: Sample) -> Contents:
    """What is reported of a sample when the process that read its files died."""
    names = " or ".join(name for name, path in (("image", sample.image), ("mask", sample.mask)) if path)
    return Contents(broken=(f"its {names} {CRASHED[1]}",))


def _read_sample(sample: Sample, siblings: Sequence[Contents]) -> Contents:
    contents: dict = {}
    broken, changed = [], []
    for name, path, digest in zip(("image", "mask"), (sample.image, sample.mask), sample.sha256, strict=True):
        if path is None:
            continue
        data = read_regular(path)
        if digest and hashlib.sha256(data).hexdigest() != digest:
            changed.append(name)
        try:
            contents |= _inspect_image(path, data, siblings) if name == "image" else _inspect_mask(data)
        except SourceError:
            broken.append(name)
    return Contents(**contents, broken=tuple(broken), changed=tuple(changed))


def _inspect_image(path: Path, data: bytes, siblings: Sequence[Contents]) -> dict:
    pixels = read_image(path, data, bits=16, stated_bits=16) if data else None
    if pixels is None:
        raise SourceError("file-empty", "has 0 bytes")
    size, spread = {"image_size": pixels.shape[::-1]}, spread_contrast(pixels)
    if spread is None:
        return size
    thumb = make_thumb(spread)
    shared = next((other.features for other in siblings if other.thumb is not None and same_turned(other.thumb, thumb)), None)
    return size | {"thumb": thumb, "features": shared or find_features(spread)}


def _inspect_mask(data: bytes) -> dict:
    try:
        mask = decode_mask(data)
    except MaskError as error:
        return {"mask_fault": str(error)}
    return {"mask_size": mask.levels.shape[::-1], "mask_values": tuple(mask.values)}
