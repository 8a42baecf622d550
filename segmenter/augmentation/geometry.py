"""Moves the pixels of image and mask together, as drawn.

Flips and quarter turns move whole pixels. All other variations become one field of source positions, so that the image is
interpolated only once. Coordinates as in `pipeline.geometry`: x to the right, y down, whole numbers are pixel centres.
"""

import math

import tensorflow as tf

from segmenter.augmentation.drawing import Draw
from segmenter.configuration import Configuration

# The field is computed at this number of nodes per side and interpolated between them: at 512 px one node every 4 px.
# Straight lines stay straight, and everything else is smooth over that distance.
_NODES = 129
_REFERENCE_SIDE = 512  # lengths in pixels are given for this side
_SAMPLED = {"shrinks", "shears", "deformation", "distortion", "barrdistortion", "pincdistortion"}


def move(configuration: Configuration, drawn: Draw, image: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Flips, turns, shears, shrinks, then bulges, dents and deforms. Pixels from outside the image are black.

    Args:
      image: (side, side, channels) uint8, interpolated linearly where a pixel lands between others.
      mask: (side, side, 1) uint8 of class indices, taken from the nearest pixel.
    """
    angle = drawn.value("rotation", 0.0)
    quarters = tf.round(angle / 90.0)
    image, mask = (
        flip_and_turn(square, drawn.happens.get("vflip"), drawn.happens.get("hflip"), tf.cast(quarters, tf.int32))
        for square in (image, mask)
    )
    rest = angle - 90.0 * quarters
    reasons = [drawn.happens[name] for name in sorted(_SAMPLED & drawn.happens.keys())]
    if "rotation" in drawn.happens and not _turns_by_quarters(configuration):
        reasons.append(rest != 0.0)
    if not reasons:
        return image, mask
    return tf.cond(
        tf.reduce_any(reasons),
        lambda: sample(image, mask, *source_places(configuration, drawn, rest, mask.shape[0])),
        lambda: (image, mask),
    )


def _turns_by_quarters(configuration: Configuration) -> bool:
    settings = configuration.augmentor
    return settings.angle_range is None and all(angle % 90 == 0 for angle in settings.angles)


def flip_and_turn(square: tf.Tensor, vflip: tf.Tensor | None, hflip: tf.Tensor | None, quarters: tf.Tensor) -> tf.Tensor:
    """Swaps top and bottom, then left and right, then turns by quarters counter-clockwise, as np.rot90 does.

    Args:
      square: (side, side, channels).
      vflip, hflip: () bool; None is False.
      quarters: () int32.
    """
    never = tf.constant(False)
    vflip, hflip, quarters = never if vflip is None else vflip, never if hflip is None else hflip, quarters % 4
    odd = quarters % 2 == 1
    # A quarter turn is a transposition and then a flip, and a transposition swaps the flips before it.
    flips = [
        tf.where(odd, hflip, vflip) ^ ((quarters == 1) | (quarters == 2)),
        tf.where(odd, vflip, hflip) ^ ((quarters == 2) | (quarters == 3)),
    ]
    plane = square[..., 0] if square.shape[-1] == 1 else square  # reversing is three times as fast without a third axis
    turned = tf.cond(odd, lambda: tf.transpose(plane, (1, 0, 2)[: len(plane.shape)]), lambda: plane)
    return tf.reshape(tf.reverse(turned, tf.boolean_mask([0, 1], flips)), square.shape)


def source_places(configuration: Configuration, drawn: Draw, angle: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes the source position of each pixel of the result.

    Args:
      angle: degrees counter-clockwise that remain after the quarter turns.

    Returns:
      y and x, (side, side) float32 in pixels; positions outside 0 to side - 1 are outside the image.
    """
    nodes = min(side, _NODES)
    line = tf.linspace(0.0, side - 1.0, nodes)
    y, x = tf.meshgrid(line, line, indexing="ij")
    # From the result back to the source, so the last variation comes first.
    for field in _displacements(configuration, drawn, side, nodes):
        y, x = y + field[0], x + field[1]
    y, x = _through_lenses(configuration, drawn, y, x, side)
    y, x = _undo_affine(drawn, angle, y, x, side)
    if nodes == side:
        return y, x
    positions = tf.raw_ops.ResizeBilinear(images=tf.stack([y, x], -1)[None], size=(side, side), align_corners=True)[0]
    return positions[..., 0], positions[..., 1]


def _undo_affine(drawn: Draw, angle: tf.Tensor, y: tf.Tensor, x: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor]:
    middle, factor, shear = (side - 1) / 2, drawn.value("shrinks", 1.0), drawn.value("shears", 0.0) * tf.ones(2)
    y, x = (y - middle) / factor, (x - middle) / factor
    # At most one of the two shears is not zero.
    y, x = y - shear[1] * x, x - shear[0] * y
    radians = angle * (math.pi / 180)
    cosine, sine = tf.cos(radians), tf.sin(radians)
    return middle + y * cosine + x * sine, middle + x * cosine - y * sine


def _through_lenses(
    configuration: Configuration, drawn: Draw, y: tf.Tensor, x: tf.Tensor, side: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Moves source positions towards the centre of a barrel, so that it bulges outwards, and away from that of a pincushion.

    The relative shift is the whole `amount` at the centre and fades smoothly to the radius:
    amount * (1 - (distance / radius)^2)^2.
    """
    for name, sign in (("pincdistortion", -1.0), ("barrdistortion", 1.0)):
        if name in drawn.happens:
            lens = getattr(configuration, name)
            amount = tf.where(drawn.happens[name], sign * lens.amount, 0.0)
            centre = drawn.values[name] * side - 0.5
            from_y, from_x = y - centre[1], x - centre[0]
            inside = tf.maximum(0.0, 1.0 - (from_y**2 + from_x**2) / (lens.radius * side) ** 2)
            scale = 1.0 - amount * inside**2
            y, x = centre[1] + scale * from_y, centre[0] + scale * from_x
    return y, x


def _displacements(configuration: Configuration, drawn: Draw, side: int, nodes: int) -> list[tf.Tensor]:
    """Random fields, each (2, nodes, nodes) float32: y and x in pixels."""
    fields, step = [], (side - 1) / (nodes - 1) * _REFERENCE_SIDE / side  # from node to node, in pixels of a 512 px image
    if "deformation" in drawn.happens:
        # Simard, Steinkraus, Platt 2003: uniform noise in each pixel, smoothed, times alpha. A node stands for step^2
        # pixels, and the mean of their noise is `step` times smaller.
        noise = tf.random.stateless_uniform((2, nodes, nodes), drawn.seed_for("deformation"), -1.0, 1.0, alg="philox")
        alpha = tf.where(drawn.happens["deformation"], configuration.deformation.alpha, 0.0)
        fields.append(alpha / step * smooth(noise, drawn.values["deformation"] / step) * (side / _REFERENCE_SIDE))
    if "distortion" in drawn.happens:
        settings = configuration.distortion
        # Two Gaussians in a row are one Gaussian.
        sigma = math.hypot(settings.gaussian_filter_rsigma, settings.gaussian_filter_sigma)
        noise = tf.random.stateless_normal((2, nodes, nodes), drawn.seed_for("distortion"), alg="philox")
        field = smooth(noise, sigma / step)
        largest = tf.reduce_max(tf.abs(field), (1, 2), keepdims=True)
        fields.append(field / largest * drawn.value("distortion", 0.0) * side)
    return fields


def smooth(field: tf.Tensor, sigma: tf.Tensor | float) -> tf.Tensor:
    """Gaussian smoothing of (..., nodes, nodes) float32 with a sigma in nodes; weights are those of the nodes inside."""
    line = tf.range(field.shape[-1], dtype=tf.float32)
    weights = tf.exp(-0.5 * ((line[:, None] - line) / sigma) ** 2)
    weights /= tf.reduce_sum(weights, 1, keepdims=True)
    # For a field this small, two matrix products are faster than a convolution, and work with any sigma.
    return weights @ field @ tf.transpose(weights)


def sample(image: tf.Tensor, mask: tf.Tensor, y: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Samples a pair at positions: the image by linear interpolation, the mask at the nearest pixel; black outside.

    Args:
      image, mask: (side, side, channels) uint8.
      y, x: (side, side) float32, in pixels.

    `keras.ops.image.map_coordinates` gives the same result, but takes three times as long and has no channels.
    """
    side = mask.shape[0]
    # A black border stands for everything outside.
    image, mask = (tf.pad(square, ((1, 2), (1, 2), (0, 0))) for square in (image, mask))
    width = side + 3
    y, x = (tf.clip_by_value(positions, -1.0, side) + 1.0 for positions in (y, x))
    top, left = tf.floor(y), tf.floor(x)
    below, right = (y - top)[..., None], (x - left)[..., None]

    def look_up(square: tf.Tensor, row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
        indices = tf.cast(row, tf.int32) * width + tf.cast(column, tf.int32)
        return tf.gather(tf.reshape(square, (width * width, square.shape[-1])), indices)

    corners = [tf.cast(look_up(image, top + down, left + across), tf.float32) for down in (0, 1) for across in (0, 1)]
    upper = corners[0] + right * (corners[1] - corners[0])
    lower = corners[2] + right * (corners[3] - corners[2])
    mixed = tf.cast(tf.round(upper + below * (lower - upper)), tf.uint8)
    return mixed, look_up(mask, tf.round(y), tf.round(x))
