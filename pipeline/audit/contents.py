"""Reads both files of a sample for the audit."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.audit.samples import Sample
from pipeline.contract import MaskError, SourceError, decode_mask
from pipeline.sources import read_image

THUMB = 64  # side of the small images that are compared


@dataclass(frozen=True)
class Contents:
    """What reading a sample's files showed; a size is (width, height), None where the file is missing or broken."""

    thumb: np.ndarray | None = None
    image_size: tuple[int, int] | None = None
    mask_size: tuple[int, int] | None = None
    mask_values: tuple[int, ...] = ()
    mask_fault: str = ""
    broken: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def read_contents(sample: Sample) -> Contents:
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
    return Contents(**contents, broken=tuple(broken), changed=tuple(changed))


def _inspect_image(path: Path, data: bytes) -> dict:
    pixels = read_image(path, data) if data else None
    if pixels is None:
        raise SourceError("file-empty", "has 0 bytes")
    thumb = cv2.resize(pixels, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    return {"image_size": pixels.shape[::-1], "thumb": thumb}


def _inspect_mask(data: bytes) -> dict:
    try:
        mask = decode_mask(data)
    except MaskError as error:
        return {"mask_fault": str(error)}
    return {"mask_size": mask.levels.shape[::-1], "mask_values": tuple(mask.values)}
