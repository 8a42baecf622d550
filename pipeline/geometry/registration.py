"""Lays the other image of a view, low energy or subtracted, over an image: by translation at the same scale.

The two images of a view come from one compression of the breast, seconds apart, but CDD-CESM crops each on its own. Their gray
levels have little in common; what both show are edges: the skin, the nipple, ducts, vessels, clips. The translation is where
the directions of their gradients agree best, whatever the gradients' signs and heights (normalized gradient fields: Haber and
Modersitzki, Intensity gradient based registration and fusion of multi-modal images, 2006).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.geometry.breast import find_breast

_WORKING_SIDE = 512  # px, to which the longest side of both images is reduced; the peak is then interpolated
_SMOOTHING = 2.0  # px, the standard deviation of the Gaussian before gradients are taken
_NOISE = 4.0  # gray levels per px; lower gradients have little say
_LEAST_COMMON = 0.75  # share of the smaller image that lies in the other one; crops of one view differ by up to a tenth
_CLEARLY_BETTER = 1.01  # a translation is taken if it agrees by that much better than none
_ROUNDING = 1e-6  # of the Fourier transform


@dataclass(frozen=True)
class Registration:
    """Where a partner lies in an image.

    Attributes:
      dx_px, dy_px: what is added to the partner's coordinates, in source pixels.
      agreement: intersection over union of the two breasts after it, where both images reach; 0 to 1.
    """

    dx_px: int
    dy_px: int
    agreement: float


def register(image: np.ndarray, partner: np.ndarray) -> Registration:
    """Finds the translation that lays a partner over an image of the same scale.

    No translation (the upper left corners coincide) is kept unless another one is clearly better.

    Args:
      image, partner: (height, width) uint8 or uint16; sizes may differ.

    Returns:
      The translation, which is the opposite one if the two change places.

    Example:
      >>> image = np.zeros((90, 60), np.uint8)
      >>> image[30:70, :40] = 100
      >>> register(image, image[10:]).dy_px
      10
    """
    image, partner = _as_8_bits(image), _as_8_bits(partner)
    side = max(*image.shape, *partner.shape)
    scale = min(_WORKING_SIDE, side) / side
    scores = _agreement_by_shift(_gradients(image, side), _gradients(partner, side))
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    dx = dy = 0
    if scores[row, column] > _CLEARLY_BETTER * scores[0, 0] + _ROUNDING:
        dx = round(_peak(scores[row], int(column)) / scale)
        dy = round(_peak(scores[:, column], int(row)) / scale)
    return Registration(dx, dy, _overlap(find_breast(image).mask, find_breast(partner).mask, dx, dy))


def lay_over(partner: np.ndarray, width: int, height: int, dx_px: int, dy_px: int) -> np.ndarray:
    """Cuts and pads a partner to the frame of the image that it was registered with.

    Args:
      partner: (height, width) of any type.
      width, height: of the image.
      dx_px, dy_px: as in `Registration`.

    Returns:
      (height, width) of the partner's type; 0 where the partner does not reach.

    Example:
      >>> lay_over(np.array([[1, 2], [3, 4]]), width=3, height=2, dx_px=1, dy_px=-1).tolist()
      [[0, 3, 4], [0, 0, 0]]
    """
    framed = np.zeros((height, width), partner.dtype)
    left, top = max(0, dx_px), max(0, dy_px)
    inside = partner[max(0, -dy_px) :, max(0, -dx_px) :][: max(0, height - top), : max(0, width - left)]
    framed[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return framed


def _as_8_bits(image: np.ndarray) -> np.ndarray:
    return (image >> 8).astype(np.uint8) if image.dtype == np.uint16 else image


def _gradients(image: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The gradient at each pixel of the reduced image, x and y, of a length that comes near 1 where it is above the noise.

    The image is reduced as part of a square of `side` px, so that a partner has exactly its scale; its border is no edge.
    """
    height, width = image.shape
    reduced = min(_WORKING_SIDE, side)
    square = cv2.copyMakeBorder(image, 0, side - height, 0, side - width, cv2.BORDER_REPLICATE)
    small = cv2.resize(square, (reduced, reduced), interpolation=cv2.INTER_AREA)
    small = small[: max(1, height * reduced // side), : max(1, width * reduced // side)].astype(np.float32)
    smooth = cv2.GaussianBlur(small, (0, 0), _SMOOTHING)
    x, y = (cv2.Sobel(smooth, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    length = np.sqrt(x * x + y * y + _NOISE**2)
    return x / length, y / length


def _agreement_by_shift(image: tuple[np.ndarray, np.ndarray], partner: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """How well two fields of gradients agree, 0 to 1, by the partner's shift.

    Returns:
      (rows, columns), larger than both images together; the shift (x, y) is at [y, x], a negative one at the end. A value is the
      sum of the squared scalar products of gradients, divided by what it would be if all of them were parallel, and 0 where
      too little of the smaller image lies in the other one.
    """
    (ax, ay), (bx, by) = image, partner
    rows, columns = (cv2.getOptimalDFTSize(sum(lengths)) for lengths in zip(ax.shape, bx.shape, strict=True))

    def transform(field: np.ndarray) -> np.ndarray:
        return np.fft.rfft2(field, (rows, columns))

    def correlate(products: np.ndarray) -> np.ndarray:
        return np.fft.irfft2(products, (rows, columns))

    axx, axy, ayy = transform(ax * ax), transform(ax * ay), transform(ay * ay)
    bxx, bxy, byy = (np.conj(transform(field)) for field in (bx * bx, bx * by, by * by))
    frame, other = transform(np.ones_like(ax)), np.conj(transform(np.ones_like(bx)))
    parallel = correlate((axx + ayy) * other) * correlate(frame * (bxx + byy))
    agreement = correlate(axx * bxx + 2 * axy * bxy + ayy * byy) / np.sqrt(np.maximum(parallel, 1))
    return np.where(correlate(frame * other) >= _LEAST_COMMON * min(ax.size, bx.size), agreement, 0)


def _peak(scores: np.ndarray, index: int) -> float:
    """The shift at a maximum, between its neighbors by a parabola; indices of the second half are negative shifts."""
    before, at, after = scores[index - 1], scores[index], scores[(index + 1) % len(scores)]
    bend = before - 2 * at + after
    shift = index if index < len(scores) / 2 else index - len(scores)
    return shift + (0.5 * (before - after) / bend if bend < 0 and min(before, after) > 0 else 0.0)


def _overlap(breast: np.ndarray, partner: np.ndarray, dx: int, dy: int) -> float:
    height, width = breast.shape
    laid = lay_over(partner, width, height, dx, dy)
    inside = breast & lay_over(np.ones_like(partner), width, height, dx, dy)
    return float((inside & laid).sum() / max(1, (inside | laid).sum()))
