"""Moves the pixels of images and masks together, as drawn.

Flips and quarter turns move whole pixels. Where a configuration has other variations, all of them become one field of source
positions, so that an image is interpolated only once; the positions of flips and quarter turns are whole numbers, and the pixels
there are exact. Coordinates as in `pipeline.geometry`: x to the right, y down, whole numbers are pixel centres.
"""

import math
from typing import Any

from keras import ops

from segmenter.augmentation.drawing import Draw, by_pair
from segmenter.augmentation.fields import displace
from segmenter.augmentation.fusion import compute_once
from segmenter.configuration import Configuration

_MOVING = ("vflip", "hflip", "rotation", "shrinks", "shears", "deformation", "distortion", "barrdistortion", "pincdistortion")


def move(configuration: Configuration, drawn: Draw, images: Any, masks: Any) -> tuple[Any, Any]:
    """Flips, turns, shears, shrinks, then bulges, dents and deforms. Pixels from outside the image are black.

    Args:
      images: (batch, height, width, channels) uint8, interpolated linearly where a pixel lands between others.
      masks: (batch, height, width, 1) uint8 of class indices, taken from the nearest pixel.
    """
    names = {name for name in _MOVING if name in drawn.happens}
    if names <= {"vflip", "hflip"} | ({"rotation"} if _turns_by_quarters(configuration) else set()):
        return flip_and_turn(drawn, images), flip_and_turn(drawn, masks)
    happens = ops.any(ops.stack([drawn.happens[name] for name in sorted(names)]), axis=0)

    def move_all() -> tuple[Any, Any]:
        return sample(happens, images, masks, *source_places(configuration, drawn, *masks.shape[1:3]))

    return ops.cond(ops.any(happens), move_all, lambda: (images, masks))


def _turns_by_quarters(configuration: Configuration) -> bool:
    settings = configuration.augmentor
    return settings.angle_range is None and all(angle % 90 == 0 for angle in settings.angles)


def flip_and_turn(drawn: Draw, pixels: Any) -> Any:
    """Swaps top and bottom, then left and right, then turns by quarters counter-clockwise, as np.rot90 does.

    Args:
      pixels: (batch, height, width, channels). Only squares are turned by an odd number of quarters, as configurations ensure.
    """
    if "vflip" in drawn.happens:
        pixels = ops.where(by_pair(drawn.happens["vflip"]), ops.flip(pixels, 1), pixels)
    if "hflip" in drawn.happens:
        pixels = ops.where(by_pair(drawn.happens["hflip"]), ops.flip(pixels, 2), pixels)
    if "rotation" in drawn.happens:
        quarters = by_pair(ops.cast(ops.round(drawn.value("rotation", 0.0) / 90.0), "int32") % 4)
        pixels = ops.where(quarters >= 2, ops.flip(pixels, (1, 2)), pixels)
        if pixels.shape[1] == pixels.shape[2]:
            pixels = ops.where(quarters % 2 == 1, ops.flip(ops.transpose(pixels, (0, 2, 1, 3)), 1), pixels)
    return pixels


def source_places(configuration: Configuration, drawn: Draw, height: int, width: int) -> tuple[Any, Any]:
    """Computes the source position of each pixel of the result.

    Returns:
      y and x, (batch, height, width) float32 in pixels; negative positions, and those beyond the last pixel, are outside
      the image.
    """
    y, x = ops.arange(height, dtype="float32")[None, :, None], ops.arange(width, dtype="float32")[None, None, :]
    # From the result back to the source, so the last variation comes first.
    if drawn.lattices:
        field = displace(configuration, drawn.lattices, drawn.values, height, width)
        y, x = y + field[:, 0], x + field[:, 1]
    y, x = _through_lenses(configuration, drawn, y, x, height, width)
    middle, centre = (height - 1) / 2, (width - 1) / 2
    down, right = y - middle, x - centre
    yy, yx, xy, xx = (ops.reshape(number, (-1, 1, 1)) for number in _undo_affine(drawn))
    return middle + yy * down + yx * right, centre + xy * down + xx * right


def _undo_affine(drawn: Draw) -> tuple[Any, Any, Any, Any]:
    """The matrix from a position in the result to the one in the source, y before x, both from the middle; each (batch,)."""
    one = ops.ones_like(drawn.seeds, dtype="float32")
    factor = drawn.value("shrinks", 1.0) if "shrinks" in drawn.happens else one
    yy, yx, xy, xx = 1.0 / factor, 0.0 * one, 0.0 * one, 1.0 / factor
    if "shears" in drawn.happens:  # at most one of the two is not zero
        shears = drawn.value("shears", 0.0)
        yx, xy = -shears[:, 1] * xx, -shears[:, 0] * yy
    if "rotation" in drawn.happens:
        cosine, sine = _turn(drawn.value("rotation", 0.0))
        yy, yx, xy, xx = yy * cosine + xy * sine, yx * cosine + xx * sine, xy * cosine - yy * sine, xx * cosine - yx * sine
    down = ops.where(drawn.happens["vflip"], -one, one) if "vflip" in drawn.happens else one
    right = ops.where(drawn.happens["hflip"], -one, one) if "hflip" in drawn.happens else one
    return yy * down, yx * down, xy * right, xx * right


def _turn(angle: Any) -> tuple[Any, Any]:
    """Cosine and sine of angles in degrees, (batch,), exact at multiples of 90."""
    quarters = ops.round(angle / 90.0)
    radians = (angle - 90.0 * quarters) * (math.pi / 180)
    quarters = ops.cast(quarters, "int32") % 4
    whole = ops.where(quarters == 0, 1.0, ops.where(quarters == 2, -1.0, 0.0))
    half = ops.where(quarters == 1, 1.0, ops.where(quarters == 3, -1.0, 0.0))
    cosine, sine = ops.cos(radians), ops.sin(radians)
    return whole * cosine - half * sine, half * cosine + whole * sine


def _through_lenses(configuration: Configuration, drawn: Draw, y: Any, x: Any, height: int, width: int) -> tuple[Any, Any]:
    """Moves source positions towards the centre of a barrel, so that it bulges outwards, and away from that of a pincushion.

    The relative shift is the whole `amount` at the centre and fades smoothly to the radius:
    amount * (1 - (distance / radius)^2)^2.
    """
    for name, sign in (("pincdistortion", -1.0), ("barrdistortion", 1.0)):
        if name in drawn.happens:
            lens = getattr(configuration, name)
            amount = ops.reshape(ops.where(drawn.happens[name], sign * lens.amount, 0.0), (-1, 1, 1))
            centres = drawn.values[name][:, :, None, None]
            from_y, from_x = y - (centres[:, 1] * height - 0.5), x - (centres[:, 0] * width - 0.5)
            inside = ops.maximum(0.0, 1.0 - (from_y**2 + from_x**2) / (lens.radius * max(height, width)) ** 2)
            scale = amount * inside**2
            y, x = y - scale * from_y, x - scale * from_x
    return y, x


def sample(happens: Any, images: Any, masks: Any, y: Any, x: Any) -> tuple[Any, Any]:
    """Samples pairs at positions: images by linear interpolation, masks at the nearest pixel; black outside.

    Args:
      happens: (batch,) bool: the pairs that need it; without any, the result is black.
      images, masks: (batch, height, width, channels) uint8.
      y, x: (batch, height, width) float32, in pixels.
    """
    height, width = masks.shape[1:3]
    stride = width + 3  # from a row of the padded image to the next
    # A black border stands for everything outside.
    images, masks = (ops.pad(squares, ((0, 0), (1, 2), (1, 2), (0, 0))) for squares in (images, masks))
    y, x = (ops.clip(positions, -1.0, float(side)) + 1.0 for positions, side in ((y, height), (x, width)))
    images, masks, y, x = (compute_once(happens, values) for values in (images, masks, y, x))
    top, left = ops.cast(y, "int32"), ops.cast(x, "int32")
    below, right = (y - ops.cast(top, "float32"))[..., None], (x - ops.cast(left, "float32"))[..., None]
    first = ops.arange(ops.shape(masks)[0], dtype="int32")[:, None, None] * ((height + 3) * stride)

    def look_up(squares: Any, row: Any, column: Any) -> Any:
        return ops.take(ops.reshape(squares, (-1, squares.shape[-1])), first + row * stride + column, axis=0)

    corners = [ops.cast(look_up(images, top + down, left + across), "float32") for down in (0, 1) for across in (0, 1)]
    upper = corners[0] + right * (corners[1] - corners[0])
    lower = corners[2] + right * (corners[3] - corners[2])
    mixed = ops.cast(ops.round(upper + below * (lower - upper)), "uint8")
    return mixed, look_up(masks, ops.cast(y + 0.5, "int32"), ops.cast(x + 0.5, "int32"))
