"""Random fields of displacements: sums of Gaussians around the nodes of a lattice, in place of noise that is smoothed.

White noise that is smoothed with a Gaussian is a normal process whose correlation over a distance d is exp(-d^2 / (4 sigma^2)).
So is a sum of the same Gaussians around nodes that are sigma apart, each times a standard normal number; its variance differs by
1 in 10,000 from point to point. With a sigma of 32 px, 23 x 23 numbers take the place of 512 x 512.
"""

import math
from types import ModuleType
from typing import Any

import numpy as np
from keras import ops

from segmenter.configuration import Configuration

FIELDS = ("deformation", "distortion")
REFERENCE_SIDE = 512  # lengths in pixels are given for this side
_MARGIN = 3  # nodes outside the image at each end; a Gaussian is 0.01 at that distance


def lattice_nodes(configuration: Configuration, name: str) -> int:
    """The nodes per side of the lattice of a field, enough for the smallest sigma that may be drawn."""
    smallest = min(configuration.deformation.sigmoids) if name == "deformation" else _distortion_sigma(configuration)
    return math.ceil(REFERENCE_SIDE / smallest) + 1 + 2 * _MARGIN


def largest_distortion(configuration: Configuration, lattices: np.ndarray) -> np.ndarray:
    """The largest displacement of `distortion` for lattices, (..., nodes, nodes) float32: (...).

    It is that of points which are an eighth of sigma apart, or a pixel; between them it may be larger by 1 in 1,000.
    """
    sigma = _distortion_sigma(configuration)
    points = math.ceil(min(REFERENCE_SIDE, 8 * REFERENCE_SIDE / sigma))
    weights = _weigh(np, np.array([sigma], np.float32), lattices.shape[-1], points, points)[0]
    return np.abs(weights @ lattices @ weights.T).max(axis=(-2, -1))


def displace(configuration: Configuration, lattices: dict[str, Any], values: dict[str, Any], height: int, width: int) -> Any:
    """Adds up the fields of `deformation` and `distortion`, those of them that are there.

    Simard, Steinkraus, Platt 2003: noise in each pixel, uniform from -1 to 1, is smoothed, and multiplied by alpha. Its standard
    deviation is 1 / sqrt(3), which smoothing divides by 2 sqrt(pi) sigma.

    Args:
      lattices, values: of the fields, as in `Draw`.

    Returns:
      Displacements along y and along x, (batch, 2, height, width) float32 in pixels; 0 where the lattices are 0.
    """
    lines, columns = [], []
    side = max(height, width)
    for name, lattice in lattices.items():
        if name == "deformation":
            sigmas = values[name]
            strength = configuration.deformation.alpha / math.sqrt(12 * math.pi) * (side / REFERENCE_SIDE) / sigmas
        else:
            sigmas, strength = ops.full_like(values[name], _distortion_sigma(configuration)), values[name] * side
        down, across = (_weigh(ops, sigmas, lattice.shape[-1], length, side)[:, None] for length in (height, width))
        columns.append(across)
        lines.append(ops.matmul(down, lattice * ops.reshape(strength, (-1, 1, 1, 1))))
    # One product for the sum of both fields.
    return ops.matmul(ops.concatenate(lines, -1), ops.swapaxes(ops.concatenate(columns, -1), 2, 3))


def _distortion_sigma(configuration: Configuration) -> float:
    settings = configuration.distortion
    # Two Gaussians in a row are one Gaussian.
    return math.hypot(settings.gaussian_filter_rsigma, settings.gaussian_filter_sigma)


def _weigh(library: ModuleType, sigmas: Any, nodes: int, points: int, side: int) -> Any:
    """The Gaussian of each node at each of the points along a side, (batch, points, nodes) float32.

    A sum of them, times normal noise with a deviation of 1 along both axes, has a deviation of 1.

    Args:
      library: `keras.ops`, or NumPy.
      sigmas: (batch,) float32, in pixels of a 512 px image.
      side: the number of points that are as far from end to end as that image.
    """
    line = (library.arange(points, dtype="float32") - (points - 1) / 2) * (REFERENCE_SIDE / side)
    node = library.arange(nodes, dtype="float32") - (nodes - 1) / 2
    distance = line[:, None] / library.reshape(sigmas, (-1, 1, 1)) - node
    return math.pi**-0.25 * library.exp(-0.5 * distance * distance)
