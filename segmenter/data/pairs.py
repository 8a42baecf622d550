"""Reads one pair of image and mask, the image at the model's size and the mask as classes, and explains what is wrong.

Pixels stay uint8 up to the model, which scales them: a pair takes a quarter of the memory of floats.
"""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.contract import MaskError
from pipeline.files import InputError, all_cores, read_regular
from pipeline.files.processes import in_order
from pipeline.sources import decode_mask, read_image
from segmenter.configuration import Configuration, MaskSettings
from segmenter.data.cropping import Crop, find_crop
from segmenter.data.dataset import Sample
from segmenter.data.ground_truth import read_classes, read_mask_file
from segmenter.data.resizing import resize_image, resize_mask
from segmenter.data.stacks import read_stack


@dataclass(frozen=True)
class PairFormat:
    """The format of pairs: the model's height, width, channels, classes and crop, and how a mask is thresholded.

    Attributes:
      partner: whether the channels are those of `segmenter.data.stacks`.
    """

    height: int
    width: int
    channels: int
    classes: int = 1
    mask: MaskSettings = field(default_factory=MaskSettings)
    crop: Literal["none", "breast"] = "none"
    partner: bool = False

    @classmethod
    def of(cls, configuration: Configuration) -> "PairFormat":
        """The format that a configuration's model takes."""
        model = configuration.model
        return cls(
            model.image_height,
            model.image_width,
            model.image_channels,
            model.num_classes,
            configuration.mask,
            configuration.dataset.crop,
            configuration.dataset.partner,
        )


def read_pair(sample: Sample, pair_format: PairFormat) -> tuple[np.ndarray, np.ndarray]:
    """Reads one pair at the model's size.

    Returns:
      The image, (height, width, channels) uint8 raw, and the mask, (height, width, 1) uint8 of classes. A pixel is
      lesion if at least half of its area is, and has the lesion class of the largest area.

    Raises:
      InputError: as `read_pair_whole` does.
    """
    image, mask = read_pair_whole(sample, pair_format)
    image, crop = fit_image(image, sample, pair_format)
    if crop:
        return image, crop.mask(mask, pair_format.classes)
    return image, resize_mask(mask, pair_format.height, pair_format.width, pair_format.classes)


def fit_image(image: np.ndarray, sample: Sample, pair_format: PairFormat) -> tuple[np.ndarray, Crop | None]:
    """Brings a sample's image to the model's size.

    Args:
      image: (size, size, channels) uint8; the breast is looked for in the last channel.

    Returns:
      (height, width, channels) uint8, and how it was cut out, if it was.
    """
    if pair_format.crop == "none":
        return resize_image(image, pair_format.height, pair_format.width), None
    crop = find_crop(image[..., -1], pair_format.height, pair_format.width, sample.variant)
    return crop.image(image), crop


def read_pair_whole(sample: Sample, pair_format: PairFormat) -> tuple[np.ndarray, np.ndarray]:
    """As `read_pair`, at the size of the files.

    Raises:
      InputError: one of the files cannot be read, is not square, or is smaller than the model's longer side; their
        sizes differ; or the mask's values are not what the number of classes asks for.
    """
    image = read_stack(sample, pair_format.channels, partner=pair_format.partner)
    mask = read_mask_file(sample.mask, pair_format.classes, pair_format.mask)[..., None]
    (height, width), size = image.shape[:2], mask.shape[:2]
    if size != (height, width):
        raise InputError(f"{sample.mask}: is {size[1]} x {size[0]} but its image is {width} x {height}; make the data set again")
    if width != height:
        raise InputError(f"{sample.image}: is {width} x {height}; expected a square, as `cesm-pipeline` writes")
    if width < (longer := max(pair_format.height, pair_format.width)):
        raise InputError(
            f"{sample.image}: is {width} px wide, but the model takes {longer}; "
            "lower image_width and image_height in [model], or make the data set at a larger size"
        )
    return image, mask


def check_pair(sample: Sample, pair_format: PairFormat) -> int:
    """Checks a pair and returns its side in pixels; errors as in `read_pair_whole`."""
    return len(read_pair_whole(sample, pair_format)[0])


def decode_pair(image_data: bytes, mask_data: bytes, pair_format: PairFormat) -> tuple[np.ndarray, np.ndarray]:
    """As `read_pair_whole`, from the bytes of files that `cesm-pipeline` wrote.

    Raises:
      SourceError, MaskError: the bytes are not those of such files.
    """
    image = read_image(Path(), image_data, color=pair_format.channels == 3, stated_bits=16)
    mask = read_classes(mask_data, pair_format.classes, pair_format.mask)[..., None]
    if image.shape[:2] != mask.shape[:2]:
        raise MaskError(f"is {mask.shape[1]} x {mask.shape[0]} but its image is {image.shape[1]} x {image.shape[0]}")
    return image if pair_format.channels == 3 else image[..., None], mask


def read_all(samples: Sequence[Sample], pair_format: PairFormat) -> tuple[np.ndarray, np.ndarray]:
    """Reads all images and all masks of the samples at the model's size, in several threads; errors as in `read_pair`."""
    shape = (len(samples), pair_format.height, pair_format.width)
    images, masks = np.empty((*shape, pair_format.channels), np.uint8), np.empty((*shape, 1), np.uint8)

    def read(index: int) -> None:
        images[index], masks[index] = read_pair(samples[index], pair_format)

    cores = all_cores()
    with ThreadPoolExecutor(cores) as executor:  # the decoders release the interpreter's lock
        for _ in in_order(executor, read, range(len(samples)), 2 * cores):  # so that an error or Ctrl-C waits for few of them
            pass
    return images, masks


def check_lesions(samples: Sequence[Sample], pair_format: PairFormat) -> None:
    """Checks that at least one mask holds a lesion; reads masks until one does, in at most half of its pixels.

    Where lesions always fill more than half, as in inverted masks, a warning is printed.

    Raises:
      InputError: none does, or a mask cannot be read.
    """
    inverted = 0
    for sample in samples:
        mask = read_mask_file(sample.mask, pair_format.classes, pair_format.mask)
        lesion = np.count_nonzero(mask)
        if 0 < lesion <= mask.size / 2:
            return
        inverted += int(lesion > 0)
    first = samples[0].mask
    if inverted:
        print(
            f"warning: {first.parent}: in all {inverted} masks that hold a lesion it fills more than half of the image; "
            "are they inverted? Lesion is white or the higher value",
            file=sys.stderr,
        )
        return
    values = ", ".join(map(str, decode_mask(read_regular(first)).values[:5]))
    raise InputError(
        f"{first.parent}: 0 of {len(samples)} {samples[0].split} masks hold a lesion ({first.name} holds the values {values}); "
        "check which values mark lesions there, and [mask] threshold, or give a data set with lesions"
    )
