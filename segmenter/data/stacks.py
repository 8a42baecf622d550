"""The three channels of a view: its low-energy image, its subtracted image, and the annotated one of the two again.

The third channel shows the network which of the two was annotated. An image that is missing is black.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.contract import PARTNER_FOLDER, SourceError
from pipeline.files import InputError
from segmenter.data.dataset import Sample
from segmenter.data.ground_truth import read_sample_image

CHANNELS = {"DM": 0, "CM": 1}  # by kind: low-energy and subtracted
ANNOTATED = 2


def stack(annotated: np.ndarray, kind: str, partner: np.ndarray | None = None) -> np.ndarray:
    """Stacks the images of a view.

    Args:
      annotated: (height, width) uint8.
      kind: of the annotated image, DM or CM.
      partner: the other image of the view, on the same grid; None where there is none.

    Returns:
      (height, width, 3) uint8.

    Example:
      >>> stack(np.full((1, 1), 9, np.uint8), "CM", np.full((1, 1), 4, np.uint8)).tolist()
      [[[4, 9, 9]]]
    """
    pixels = np.zeros((*annotated.shape, 3), np.uint8)
    pixels[..., CHANNELS[kind]] = pixels[..., ANNOTATED] = annotated
    if partner is not None:
        pixels[..., partner_channel(kind)] = partner
    return pixels


def partner_channel(kind: str) -> int:
    """The channel of the image that is not annotated."""
    return 1 - CHANNELS[kind]


def kind_of(sample: Sample) -> str:
    """The kind of a sample's image, DM or CM.

    Raises:
      InputError: it is not known.
    """
    if (kind := sample.details.get("kind", "")) not in CHANNELS:
        raise InputError(
            f"{sample.image}: is not known to be low-energy (DM) or subtracted (CM), which [dataset] partner needs; set kind in "
            "the manifest, or name images like P1_L_CM_CC"
        )
    return kind


def read_stack(sample: Sample, channels: int, *, partner: bool) -> np.ndarray:
    """Reads what the network gets of a sample, (height, width, channels) uint8 raw on the data set's grid.

    Args:
      channels: 1 for gray, or 3 for red, green and blue.
      partner: whether the three channels are those of `stack` instead.

    Raises:
      InputError: a file cannot be read, the partner has another size than the image, or the image's kind is not known.
    """
    if not partner:
        return _read(sample.image, channels)
    annotated = _read(sample.image, 1)[..., 0]
    other = _read(sample.partner, 1)[..., 0] if sample.partner else None
    if other is not None and other.shape != annotated.shape:
        size, expected = (f"{pixels.shape[1]} x {pixels.shape[0]}" for pixels in (other, annotated))
        raise InputError(f"{sample.partner}: is {size} but its image is {expected}; make the data set again")
    return stack(annotated, kind_of(sample), other)


def _read(path: Path, channels: int) -> np.ndarray:
    try:
        return read_sample_image(path, channels)
    except SourceError as error:
        raise InputError(f"{path}: {error}") from error


def gray_of(pixels: np.ndarray, *, partner: bool) -> np.ndarray:
    """The image to show of what the network gets, (height, width) uint8: the annotated one, or the luma of colors."""
    if partner:
        return pixels[..., ANNOTATED]
    return pixels[..., 0] if pixels.shape[-1] == 1 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)


def count_partners(samples: Sequence[Sample]) -> int:
    """The number of samples whose view has another image."""
    return sum(sample.partner is not None for sample in samples)


def check_partners(folder: Path, samples: Sequence[Sample], *, single: bool = False) -> None:
    """Checks that samples of a data set have what [dataset] partner needs: their kinds, and at least one partner.

    Args:
      single: whether partners are withheld, so that none is needed.

    Raises:
      InputError: they do not.
    """
    for sample in samples:
        kind_of(sample)
    if not single and not count_partners(samples):
        split = samples[0].split
        raise InputError(
            f"{folder}: [dataset] partner is on, but no image of {split} has a partner in {split}/{PARTNER_FOLDER}; make the "
            "data set with recipe v2-pairs, or withhold partners with evaluate --single"
        )
