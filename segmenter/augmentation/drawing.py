"""The random part of augmentation: which variations each pair gets, and how strong each one is. NumPy draws all of it.

Each variation draws numbers of its own (`segmenter.data.random_numbers`), so a draw depends neither on the batch that holds the
pair nor on other variations.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from segmenter.augmentation.fields import FIELDS, largest_distortion, lattice_nodes
from segmenter.configuration import Configuration
from segmenter.data.random_numbers import uniform

# Named as in [augmentor]. The position in this list selects the random numbers: a new variation goes to the end, and
# turning one on or off does not change the others.
VARIATIONS = (
    "vflip",
    "hflip",
    "rotation",
    "shrinks",
    "shears",
    "deformation",
    "distortion",
    "barrdistortion",
    "pincdistortion",
    "sharpening",
    "brightening",
    "contrast",
    "gamma",
    "noise",
    "blur",
)


class Draw(NamedTuple):
    """The draws for the pairs of a batch. It has only the variations that the configuration turns on.

    Arrays are of NumPy, or of the backend once they are inside a graph.

    Attributes:
      happens: by variation, (batch,) bool: whether it is applied.
      values: float32, by variation, for those that have a value: `rotation` in degrees counter-clockwise, `shrinks` a factor,
        `shears` (batch, 2) along x and along y, `deformation` a sigma, `distortion` a fraction of the side, `barrdistortion`
        and `pincdistortion` (batch, 2) a centre as x, y, `contrast` a factor, `gamma` an exponent, `noise` and `blur` a sigma;
        (batch,) where nothing else is stated.
      lattices: for `deformation` and `distortion`, (batch, 2, nodes, nodes) float32: the noise of their fields, along y and
        along x; that of `distortion` has a largest displacement of 1. It is 0 where they do not happen.
      seeds: (batch,) int32, of the noise.
    """

    happens: dict[str, Any]
    values: dict[str, Any]
    lattices: dict[str, Any]
    seeds: Any

    def value(self, name: str, neutral: float) -> Any:
        """The values that were drawn, with `neutral`, which changes nothing, where the variation is not applied."""
        happens, values = self.happens[name], self.values[name]
        return ops.where(happens[:, None] if len(values.shape) == 2 else happens, values, neutral)


def by_pair(values: Any) -> Any:
    """Values of a batch, (batch,), in the shape that applies each of them to a whole image, (batch, 1, 1, 1)."""
    return ops.reshape(values, (-1, 1, 1, 1))


def draw(configuration: Configuration, seed: int, numbers: np.ndarray) -> Draw:
    """Draws the variations of pairs, each independently with [augmentor] probability.

    Args:
      seed: the same seed and number give the same draw.
      numbers: (batch,) int64, of the pairs, counted through all epochs.
    """
    settings = configuration.augmentor
    on = [name for name in VARIATIONS if getattr(settings, name)]
    table = np.stack([uniform(seed, number, 0, 3 * len(VARIATIONS)).reshape(-1, 3) for number in numbers.tolist()])
    rows = {name: table[:, VARIATIONS.index(name)] for name in on}
    happens = {name: row[:, 0] < settings.probability for name, row in rows.items()}
    values = {name: _VALUES[name](configuration, row[:, 1], row[:, 2]) for name, row in rows.items() if name in _VALUES}
    return Draw(
        happens=happens,
        values={name: value.astype(np.float32) for name, value in values.items()},
        lattices={name: _draw_lattices(configuration, name, seed, numbers, happens[name]) for name in on if name in FIELDS},
        seeds=(table[:, VARIATIONS.index("noise"), 2] * 2**24).astype(np.int32),
    )


def _draw_lattices(configuration: Configuration, name: str, seed: int, numbers: np.ndarray, happens: np.ndarray) -> np.ndarray:
    """Standard normal noise for the fields of a variation, zero where it does not happen; see `Draw.lattices`."""
    nodes = lattice_nodes(configuration, name)
    lattices, half = np.zeros((len(numbers), 2, nodes, nodes), np.float32), nodes * nodes
    for index in np.flatnonzero(happens):
        values = uniform(seed, int(numbers[index]), 1 + VARIATIONS.index(name), 2 * half)
        # Box, Muller 1958: two uniform numbers are the radius and the angle of two normal ones.
        radius, angle = np.sqrt(-2 * np.log1p(-values[:half])), 2 * np.pi * values[half:]
        lattices[index] = np.reshape([radius * np.sin(angle), radius * np.cos(angle)], (2, nodes, nodes))
        if name == "distortion":
            lattices[index] /= largest_distortion(configuration, lattices[index])[:, None, None]
    return lattices


def _pick(options: Sequence, number: np.ndarray) -> np.ndarray:
    return np.asarray(options, np.float32)[(number * len(options)).astype(int)]


def _between(ends: tuple[float, float], number: np.ndarray) -> np.ndarray:
    return ends[0] + number * (ends[1] - ends[0])


def _angle(configuration: Configuration, number: np.ndarray, _) -> np.ndarray:
    settings = configuration.augmentor
    return _between(settings.angle_range, number) if settings.angle_range else _pick(settings.angles, number)


def _shear(configuration: Configuration, number: np.ndarray, other: np.ndarray) -> np.ndarray:
    directions = ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))
    return _pick(configuration.augmentor.shears, number)[:, None] * _pick(directions, other)


# Each is computed from two uniform numbers per pair, at least 0 and below 1.
_VALUES: dict[str, Callable[[Configuration, np.ndarray, np.ndarray], np.ndarray]] = {
    "rotation": _angle,
    "shrinks": lambda configuration, number, _: _pick(configuration.augmentor.shrinks, number),
    "shears": _shear,
    "deformation": lambda configuration, number, _: _pick(configuration.deformation.sigmoids, number),
    "distortion": lambda configuration, number, _: _pick(configuration.distortion.distortions, number),
    "barrdistortion": lambda configuration, number, _: _pick(configuration.barrdistortion.centers, number),
    "pincdistortion": lambda configuration, number, _: _pick(configuration.pincdistortion.centers, number),
    "contrast": lambda configuration, number, _: _between(configuration.contrast.factors, number),
    "gamma": lambda configuration, number, _: _between(configuration.gamma.exponents, number),
    "noise": lambda configuration, number, _: configuration.noise.sigma * number,
    "blur": lambda configuration, number, _: _between(configuration.blur.sigmas, number),
}
