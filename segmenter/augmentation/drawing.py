"""The chance in augmentation: which variations a pair gets, and how much of each."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from segmenter.configuration import Configuration

# Named as in [augmentor]. The position in this list picks the random numbers: a new one goes to the end, and turning one
# on or off leaves the others as they were.
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
    """What was drawn for one pair. Only variations that the configuration turns on are in it.

    Attributes:
      happens: by variation, () bool.
      values: float32, by variation where there is a choice: `rotation` in degrees counter-clockwise, `shrinks` a factor,
        `shears` (2,) along x and along y, `deformation` a sigma, `distortion` a part of the side, `barrdistortion` and
        `pincdistortion` (2,) a centre as x, y, `contrast` a factor, `gamma` an exponent, `noise` and `blur` a sigma.
      seed: (2,) int64, from which the random fields and the noise grow.
    """

    happens: dict[str, tf.Tensor]
    values: dict[str, tf.Tensor]
    seed: tf.Tensor

    def value(self, name: str, neutral: float) -> tf.Tensor:
        """What was drawn, or the value that changes nothing where the variation does not happen."""
        if name not in self.happens:
            return tf.constant(neutral)
        return tf.where(self.happens[name], self.values[name], neutral)

    def seed_for(self, name: str) -> tf.Tensor:
        """A seed, (2,) int64, that no other variation and no other pair has."""
        return tf.random.experimental.stateless_fold_in(self.seed, VARIATIONS.index(name))


def draw(configuration: Configuration, seed: tf.Tensor) -> Draw:
    """Draws for one pair: each variation apart from the others, with [augmentor] probability.

    Args:
      seed: (2,) int64; the same seed gives the same draw.
    """
    settings = configuration.augmentor
    numbers = tf.random.stateless_uniform((len(VARIATIONS), 3), seed, alg="philox")
    rows = {name: row for name, row in zip(VARIATIONS, tf.unstack(numbers), strict=True) if getattr(settings, name)}
    return Draw(
        happens={name: row[0] < settings.probability for name, row in rows.items()},
        values={name: _VALUES[name](configuration, row[1], row[2]) for name, row in rows.items() if name in _VALUES},
        seed=seed,
    )


def _pick(options: Sequence, number: tf.Tensor) -> tf.Tensor:
    return tf.gather(tf.constant(options, tf.float32), tf.cast(number * len(options), tf.int32))


def _between(ends: tuple[float, float], number: tf.Tensor) -> tf.Tensor:
    return ends[0] + number * (ends[1] - ends[0])


def _angle(configuration: Configuration, number: tf.Tensor, _) -> tf.Tensor:
    settings = configuration.augmentor
    return _between(settings.angle_range, number) if settings.angle_range else _pick(settings.angles, number)


def _shear(configuration: Configuration, number: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    directions = ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))
    return _pick(configuration.augmentor.shears, number) * _pick(directions, other)


# Each from two uniform numbers of 0 to 1.
_VALUES: dict[str, Callable[[Configuration, tf.Tensor, tf.Tensor], tf.Tensor]] = {
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
