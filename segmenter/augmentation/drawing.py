"""The random part of augmentation: which variations a pair gets, and how strong each one is."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from segmenter.configuration import Configuration

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
    """The draw for one pair. It has only the variations that the configuration turns on.

    Attributes:
      happens: by variation, () bool: whether it is applied.
      values: float32, by variation, for those that have a value: `rotation` in degrees counter-clockwise, `shrinks` a factor,
        `shears` (2,) along x and along y, `deformation` a sigma, `distortion` a fraction of the side, `barrdistortion` and
        `pincdistortion` (2,) a centre as x, y, `contrast` a factor, `gamma` an exponent, `noise` and `blur` a sigma.
      seed: (2,) int64, of the random fields and of the noise.
    """

    happens: dict[str, tf.Tensor]
    values: dict[str, tf.Tensor]
    seed: tf.Tensor

    def value(self, name: str, neutral: float) -> tf.Tensor:
        """The value that was drawn, or `neutral`, which changes nothing, if the variation is not applied."""
        if name not in self.happens:
            return tf.constant(neutral)
        return tf.where(self.happens[name], self.values[name], neutral)

    def seed_for(self, name: str) -> tf.Tensor:
        """A seed, (2,) int64, that differs for each variation and pair."""
        return tf.random.experimental.stateless_fold_in(self.seed, VARIATIONS.index(name))


def draw(configuration: Configuration, seed: tf.Tensor) -> Draw:
    """Draws the variations of one pair, each independently with [augmentor] probability.

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


# Each is computed from two uniform numbers between 0 and 1.
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
