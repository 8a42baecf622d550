"""From one source image to its sample files: read, letterbox, draw, turn, encode, write. Runs in the worker processes."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from pipeline.contract import CLASS_COLORS, CLASSES, CRASHED, SourceError, cut_levels
from pipeline.dataset.doubtful import measure_bands
from pipeline.dataset.journal import JournalEntry, Stamp
from pipeline.drawing.raster import drawable, is_band, published_mask, square_mask
from pipeline.drawing.regions import Region, RegionError, parse_region
from pipeline.files import write_bytes
from pipeline.geometry import Letterbox, band_share, square_image, vary
from pipeline.recipe import Image, Mask, Recipe
from pipeline.sources import read_bytes, read_image

_NO_FILTER = (19, 8)  # IMWRITE_PNG_FILTER and its value for none; OpenCV 4.11 does not know them, and is slower
_CLASS_COLORS_BGR = np.array([color[::-1] for color in CLASS_COLORS], np.uint8)


@dataclass(frozen=True)
class Task:
    """All that a worker needs for one source image.

    Attributes:
      folder: the data set's folder.
      source: the source file; `source_size` and `source_mtime_ns` are from the index, the time None where it keeps none.
      shown: its name in tables, which is the keyed one under a site key.
      width, height: the source image's size in pixels.
      attributes: the regions' VIA shape attributes.
      paths: by variant, the sample's files relative to `folder`: `image`, `mask` and, with class indices, `mask_color`.
      square: paths of the square pair, relative to `folder`.
      entry: its journal entry, where the square pair is there already.
    """

    image_id: str
    key: str
    folder: Path
    source: Path
    shown: str
    source_size: int
    source_mtime_ns: int | None
    width: int
    height: int
    image_class: str
    attributes: tuple[Mapping, ...]
    recipe: Recipe
    paths: Mapping[str, Mapping[str, str]]
    square: Mapping[str, str]
    entry: JournalEntry | None = None

    @property
    def reject_key(self) -> str:
        """The key under which the journal keeps a failure."""
        return f"{self.key}@{self.source_mtime_ns}"


def make_square(task: Task) -> JournalEntry:
    """Runs the masks stage for one image: writes the square pair losslessly."""
    try:
        image, mask, counts = square_pair(task)
    except SourceError as error:
        return _rejected(task, error)
    files = {"image": _png(image, level=0), "mask": _png(mask)}  # the next stage reads the image, and deletes it
    square = {name: write_file(task.folder, task.square[name], data) for name, data in files.items()}
    return JournalEntry(task.image_id, task.key, counts=counts, square=square)


def make_samples(task: Task) -> JournalEntry:
    """Runs the variants stage for one image: turns and encodes the square pair, made in memory where it is not on disk."""
    try:
        image, mask, counts = _read_square(task) or square_pair(task)
    except SourceError as error:
        return _rejected(task, error)
    samples, bands = {}, None
    for variant, paths in task.paths.items():
        turned = vary(mask, variant)
        data = {"image": encode_image(vary(image, variant), task.recipe.image), "mask": encode_mask(turned, task.recipe.mask)}
        if "mask_color" in paths:
            data["mask_color"] = _png(_CLASS_COLORS_BGR[turned])
        if variant == "original":
            settings = task.recipe.mask
            is_exact = settings.format == "png" and settings.drawing == "sound"  # else the file has other pixels
            bands = band_share(turned) if is_exact else measure_bands(data["mask"])
        samples[variant] = {name: write_file(task.folder, paths[name], data[name]) for name in paths}
    square = task.entry.square if task.entry else {}  # to make the samples again if they are lost before the set is complete
    return JournalEntry(task.image_id, task.key, counts=counts, square=square, samples=samples, band_share=bands)


def _read_square(task: Task) -> tuple[np.ndarray, np.ndarray, Mapping[str, int]] | None:
    """The square pair that the masks stage wrote; None where there is none, or it cannot be read and must be made again."""
    if task.entry is None:
        return None
    try:
        image = read_image(task.folder / task.square["image"], bits=task.recipe.image.bits, stated_bits=16)
        return image, read_image(task.folder / task.square["mask"]), task.entry.counts
    except SourceError:
        return None


def reject_crashed(task: Task) -> JournalEntry:
    """What the journal records of an image whose process died."""
    return _rejected(task, SourceError(*CRASHED))


def _rejected(task: Task, error: SourceError) -> JournalEntry:
    return JournalEntry(task.image_id, task.reject_key, reject=(error.reason, f"{task.shown} {error}"))


def square_pair(task: Task) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Reads the source image and draws its regions, both at the target size.

    Returns:
      The image, (size, size) uint8, or uint16 where the recipe keeps 16 bits; the mask, (size, size) uint8, in the values
      that its file will hold before any lossy encoding; and the counts of `JournalEntry`.

    Raises:
      SourceError: the file cannot be decoded, or has changed since it was indexed.
    """
    recipe = task.recipe
    image = read_source(task.source, task.source_size, task.source_mtime_ns, (task.height, task.width), recipe)
    try:
        regions = [parse_region(attributes) for attributes in task.attributes]
    except RegionError as error:  # the index refuses such a region: somebody else has written regions.csv
        raise SourceError("region-malformed", f"{error}; run the index stage again") from error
    drawn = drawable(regions, polylines=recipe.mask.polylines == "close")
    box = Letterbox(task.width, task.height, recipe.image.size_px)
    kept = [region for region in drawn if recipe.mask.bands == "draw" or not is_band(region, box)]
    bands, drawn = len(drawn) - len(kept), kept
    if bands and not drawn:
        raise SourceError("bands-only", f'has only long thin regions ({bands}); [mask] bands = "draw" takes them')
    counts = {
        "drawn": len(drawn),
        "ignored": len(regions) - len(drawn) - bands,
        "left_out": bands,
        "clipped": sum(_crosses_border(region, box) for region in drawn),
        "vanished": 0,
    }
    if recipe.mask.drawing == "published":
        mask = np.asarray(published_square(published_mask(drawn, task.width, task.height), box.target))
        counts["lesion_px"] = int(cut_levels(mask).sum())
    else:
        mask, counts["vanished"] = square_mask(drawn, box)
        counts["lesion_px"] = int(mask.sum())
        mask *= CLASSES.index(task.image_class) if recipe.mask.values == "classes" else 255
    return resize(image, recipe.image), mask, counts


def resize(image: np.ndarray, settings: Image) -> np.ndarray:
    """Letterboxes a source image, (height, width), to the recipe's size."""
    if settings.resize == "published":
        return np.asarray(published_square(PIL.Image.fromarray(image), settings.size_px))
    return square_image(image, settings.size_px)


def read_source(source: Path, size: int, mtime_ns: int | None, shape: tuple[int, int], recipe: Recipe) -> np.ndarray:
    """Reads the pixels of a source file, (height, width).

    Args:
      source: the file.
      size, mtime_ns: as the index recorded them; a time of None is not compared.
      shape: height and width by its header.
      recipe: how it is read.

    Raises:
      SourceError: the file cannot be decoded, or has changed since it was indexed.
    """
    try:
        stat = source.stat()
    except OSError as error:
        raise SourceError(
            "file-unreadable", f"has disappeared since it was indexed ({error.strerror}); run index again"
        ) from error
    if stat.st_size != size or mtime_ns not in (stat.st_mtime_ns, None):
        raise SourceError("changed-since-index", "has changed since it was indexed; run index again")
    image = read_image(source, read_bytes(source), recipe.dicom, bits=recipe.image.bits, stated_bits=recipe.source.bits)
    if image.shape != shape:
        raise SourceError(
            "pixels-unreadable",
            f"decodes to {image.shape[1]} x {image.shape[0]} pixels, but its header states {shape[1]} x {shape[0]}; "
            "download it again",
        )
    return image


def _crosses_border(region: Region, box: Letterbox) -> bool:
    x0, y0, x1, y1 = region.extent
    return x0 < -0.5 or y0 < -0.5 or x1 > box.width - 0.5 or y1 > box.height - 0.5


def published_square(image: PIL.Image.Image, target: int) -> PIL.Image.Image:
    """Letterboxes and resizes as the published script does: Pillow's bicubic, whose kernel widens when it shrinks."""
    box = Letterbox(image.width, image.height, target)
    square = PIL.Image.new("L", (box.side, box.side))
    square.paste(image, (box.pad_left, box.pad_top))
    return square.resize((target, target), PIL.Image.Resampling.BICUBIC)


def encode_image(image: np.ndarray, settings: Image) -> bytes:
    """Encodes a gray square, (size, size) uint8 or uint16, as the recipe's image file."""
    if settings.color == "rgb":
        return _pillow_jpeg(image, "RGB", settings.quality) if settings.format == "jpeg" else _png(cv2.merge([image] * 3))
    if settings.format == "png":
        return _png(image)
    if settings.resize == "published":
        return _pillow_jpeg(image, "L", settings.quality)
    return _encoded(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, settings.quality])


def encode_mask(mask: np.ndarray, settings: Mask) -> bytes:
    """Encodes a mask square, (size, size) uint8, as the recipe's mask file."""
    if settings.format == "jpeg":
        return _pillow_jpeg(mask, "RGB" if settings.color == "rgb" else "L", 75)  # Pillow's default quality
    if settings.values == "classes":
        return _png(mask)
    if settings.drawing == "published":
        mask = cut_levels(mask) * 255
    # One bit per pixel reads back as exactly 0 and 255, and decodes three times as fast as eight.
    return _encoded(".png", mask, [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 1])


def _pillow_jpeg(image: np.ndarray, mode: str, quality: int) -> bytes:
    out = io.BytesIO()
    PIL.Image.fromarray(image).convert(mode).save(out, "JPEG", quality=quality)
    return out.getvalue()


def _png(image: np.ndarray, level: int = 1) -> bytes:
    """A PNG; of level 0 it is not compressed, which takes a tenth of the time to write and a fifth to read."""
    return _encoded(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, level, *(_NO_FILTER if level == 0 else ())])


def _encoded(suffix: str, image: np.ndarray, options: list[int]) -> bytes:
    encoded, data = cv2.imencode(suffix, image, options)
    if not encoded:
        raise RuntimeError(f"OpenCV cannot encode a {image.shape} {image.dtype} array as {suffix}")
    return data.tobytes()


def write_file(folder: Path, path: str, data: bytes) -> Stamp:
    """Writes a file of a data set, and returns what it is recognised by."""
    status = write_bytes(f"{folder}/{path}", data)
    return Stamp(path, status.st_size, status.st_mtime_ns, hashlib.sha256(data).hexdigest())
