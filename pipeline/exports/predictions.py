"""Masks that `cesm-segmenter infer` predicted, with the images that they belong to, for formats that annotators open."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.contract import IMAGE_SUFFIXES, SourceError
from pipeline.dataset.folder import digest_of
from pipeline.exports.format import Options
from pipeline.exports.lesions import Part, class_names, find_parts, read_mask
from pipeline.files import InputError, progress, sha256
from pipeline.recipe import Recipe
from pipeline.sources import find_files, read_header, stem_of


@dataclass(frozen=True)
class Prediction:
    """The predicted mask of one image.

    Attributes:
      image: the file.
      mask: (height, width) uint8 in pixels of the image: 0 is background, 1, 2, ... are the recipe's lesion classes.
      parts: the connected components of the mask.
    """

    image: Path
    mask: np.ndarray
    parts: Sequence[Part]


def read_predictions(predictions: Path, images: Path, recipe: Recipe) -> Iterator[Prediction]:
    """Yields each image that has a predicted mask, sorted by the masks' names.

    Args:
      predictions: a folder of `cesm-segmenter infer`.
      images: the folder that was predicted on.
      recipe: whose classes the masks hold.

    Raises:
      InputError: a mask cannot be read, or has no image, or one of another size.
    """
    names = class_names(recipe)
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in find_files(images, IMAGE_SUFFIXES, dicom=True):
        by_stem[stem_of(path)].append(path)
    masks = _find_masks(predictions)
    for path in progress(masks, len(masks), "export"):
        image, mask = _image_of(path, by_stem, images), read_mask(path, names)
        _check_size(path, mask, image, recipe)
        yield Prediction(image, mask, find_parts(mask))


def are_given(options: Options) -> bool:
    """Whether predictions are to be written, and not the ground truth.

    Raises:
      InputError: one of the two folders is given without the other.
    """
    predictions, images = options["predictions"], options["images"]
    if bool(predictions) != bool(images):
        raise InputError("--predictions and --images go together: the masks, and the images that they belong to")
    return bool(predictions)


def identify_predictions(options: Options) -> dict[str, Any]:
    """Identifies predictions by the contents, not the paths, of the masks and the list of images.

    Raises:
      InputError: the folder holds no mask.
    """
    masks = [[path.name, sha256(path)] for path in _find_masks(options["predictions"])]
    images = find_files(options["images"], IMAGE_SUFFIXES, dicom=True)
    return {"made_from": digest_of(masks, [[path.name, path.stat().st_size] for path in images])}


def _find_masks(predictions: Path) -> list[Path]:
    masks = sorted((predictions / "masks").glob("*.png"))
    if not masks:
        raise InputError(f"{predictions}: has no masks/*.png; expected a folder that `cesm-segmenter infer` wrote")
    return masks


def _image_of(mask: Path, by_stem: Mapping[str, Sequence[Path]], images: Path) -> Path:
    matches = by_stem.get(mask.stem, [])
    if not matches:
        raise InputError(f"{mask}: there is no image {mask.stem} below {images}; --images names the folder that was predicted on")
    if len(matches) > 1:
        raise InputError(f"{mask}: {matches[0]} and {matches[1]} both have its name; --images expects a folder with one of them")
    return matches[0]


def _check_size(path: Path, mask: np.ndarray, image: Path, recipe: Recipe) -> None:
    try:
        header = read_header(image, dicom=recipe.dicom)
    except SourceError as error:
        raise InputError(f"{image}: {error}") from error
    if mask.shape != (header.height, header.width):
        raise InputError(
            f"{path}: is {mask.shape[1]} x {mask.shape[0]} and {image} {header.width} x {header.height}; "
            "--images expects the images that were predicted on"
        )
