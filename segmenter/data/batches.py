"""Which pairs each training step takes, and the reading of them, with NumPy alone: every loader gets its batches here."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np

from pipeline.files import InputError, free_memory
from pipeline.files.processes import in_order
from segmenter.data.cropping import Crop
from segmenter.data.dataset import Sample
from segmenter.data.pairs import PairFormat, fit_image, read_all, read_pair, read_pair_whole
from segmenter.data.random_numbers import uniform
from segmenter.data.stacks import kind_of, partner_channel

Item = TypeVar("Item")
Value = TypeVar("Value")

_DROPOUT = 2**32  # where the numbers that withhold partners start, far from those of augmentation
_SHARE = 0.5  # of the free memory that pairs may fill


def cached_bytes(samples: int, pair_format: PairFormat) -> int:
    """The size of the images and masks of `samples` samples as uint8, in bytes."""
    return samples * pair_format.height * pair_format.width * (pair_format.channels + 1)


def fits_cache(samples: int, pair_format: PairFormat, limit_mb: int | None = None) -> bool:
    """Whether `samples` samples may be held in memory.

    Args:
      limit_mb: the most that they may take, in MiB; None for half of the memory that is free.
    """
    limit = free_memory() * _SHARE if limit_mb is None else limit_mb * 2**20
    return cached_bytes(samples, pair_format) <= limit


@functools.lru_cache(maxsize=4)  # each step of an epoch asks for it, which takes 0.1 s for a million samples
def order_epoch(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of `count` samples in an epoch, (count,) int64, not to be changed; it depends on nothing else.

    It sorts the raw numbers of a counter-based generator, because NumPy keeps their sequence from version to version, which it
    does not promise for `Generator.permutation` (NEP 19).

    Example:
      >>> order_epoch(5, seed=1, epoch=0).tolist(), order_epoch(5, seed=1, epoch=1).tolist()
      ([3, 2, 0, 1, 4], [0, 3, 4, 2, 1])
    """
    numbers = np.random.Philox(key=np.array([seed % 2**64, epoch], np.uint64)).random_raw(count)
    order = np.argsort(numbers, kind="stable")
    order.setflags(write=False)
    return order


class Variation(NamedTuple):
    """How pairs are varied, in two parts.

    Attributes:
      draw: by NumPy, from numbers of pairs, (batch,) int64, to a structure of arrays with an entry per pair each. The same number
        gives the same draw.
      apply: by operations of Keras, from this structure, images and masks to images and masks of the same shapes and types.
    """

    draw: Callable[[np.ndarray], Any]
    apply: Callable[[Any, Any, Any], tuple[Any, Any]]


class Pairs:
    """The pairs of some samples at the model's size, held in memory or read each time.

    Raises:
      InputError: with `cache`, a pair cannot be read.
    """

    def __init__(self, samples: Sequence[Sample], pair_format: PairFormat, *, cache: bool):
        self.samples, self.pair_format = samples, pair_format
        self._held = read_all(samples, pair_format) if cache else None

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images, (indices, height, width, channels), and masks, (indices, height, width, 1), uint8; errors as `read_pair`."""
        if self._held:
            images, masks = self._held
            return images[indices], masks[indices]
        pairs = [read_pair(self.samples[index], self.pair_format) for index in indices]
        return np.stack([image for image, _ in pairs]), np.stack([mask for _, mask in pairs])

    def withhold_partners(self, images: np.ndarray, positions: np.ndarray, indices: np.ndarray) -> None:
        """Blackens the partner's channel of some images that `read` gave.

        Args:
          images: (batch, side, side, channels) uint8, changed in place.
          positions: of these images in the batch.
          indices: of their samples.
        """
        channels = [partner_channel(kind_of(self.samples[index])) for index in indices]
        images[positions, :, :, channels] = 0


class Schedule:
    """The pairs of each step of a training, which depend only on the seed and on the number of the step.

    Args:
      count: of the samples. Each epoch takes all of them; its last batch may be smaller.
      shuffle: another order in each epoch.
      partner_dropout: the share of samples whose partner is withheld, drawn each time that a sample is taken.
    """

    def __init__(self, count: int, batch_size: int, *, shuffle: bool = False, seed: int = 0, partner_dropout: float = 0.0):
        self.count, self.batch_size, self.shuffle, self.seed = count, batch_size, shuffle, seed
        self.partner_dropout = partner_dropout
        self.steps = -(-count // batch_size)  # per epoch
        self.full_size = min(batch_size, count)  # of all batches but the last one of an epoch

    def choose(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The samples of a step, counted from the first step of the first epoch.

        Returns:
          Their indices, and a number for each that no other step has, from which its variation is drawn; (batch,) int64.
        """
        epoch, batch = divmod(step, self.steps)
        order = order_epoch(self.count, self.seed, epoch) if self.shuffle else np.arange(self.count)
        indices = order[batch * self.batch_size :][: self.batch_size]
        return indices, epoch * self.count + indices

    def drops_partner(self, numbers: np.ndarray) -> np.ndarray:
        """Whether the partner is withheld from samples with these numbers, (batch,) bool."""
        return np.array([uniform(self.seed, number, _DROPOUT, 1)[0] < self.partner_dropout for number in numbers.tolist()])


def read_batch(pairs: Pairs, schedule: Schedule, variation: Variation | None, step: int) -> tuple[Any, ...]:
    """Reads the pairs of a step, and draws how they are varied.

    Returns:
      Images and masks as `Pairs.read` gives them. With a variation also the number of pairs that belong to the step, and what
      is drawn; the last batch of an epoch is then filled up to the size of the others by its own pairs, to be cut off after
      the variation, because XLA takes seconds to compile that for another size.
    """
    indices, numbers = schedule.choose(step)
    count = len(indices)
    if variation:
        indices, numbers = (np.resize(values, schedule.full_size) for values in (indices, numbers))
    images, masks = pairs.read(indices)
    if schedule.partner_dropout:
        dropped = np.flatnonzero(schedule.drops_partner(numbers))
        pairs.withhold_partners(images, dropped, indices[dropped])
    return (images, masks, count, variation.draw(numbers)) if variation else (images, masks)


def evaluation_batches(
    samples: Sequence[Sample], pair_format: PairFormat, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray, list[Crop | None]]]:
    """Batches in the samples' order: images at the model's size, masks at the size of their files, and how images were cut.

    Raises:
      InputError: a pair cannot be read, or the samples are of several sizes.
    """
    sizes: dict[int, str] = {}

    def read(first: int) -> tuple[np.ndarray, np.ndarray, list[Crop | None]]:
        batch = samples[first : first + batch_size]
        pairs = [read_pair_whole(sample, pair_format) for sample in batch]
        sizes.update((len(mask), sample.image.name) for sample, (_, mask) in zip(batch, pairs, strict=True))
        if len(sizes) > 1:
            examples = ", ".join(f"{name} {size} px" for size, name in sorted(sizes.items()))
            raise InputError(
                f"{samples[0].image.parent}: holds images of several sizes ({examples}); "
                "metrics need one size, so make the data set again"
            )
        fitted = [fit_image(image, sample, pair_format) for sample, (image, _) in zip(batch, pairs, strict=True)]
        return np.stack([image for image, _ in fitted]), np.stack([mask for _, mask in pairs]), [crop for _, crop in fitted]

    return read_ahead(read, range(0, len(samples), batch_size))


def read_ahead(read: Callable[[Item], Value], items: Iterable[Item], *, ahead: int = 2) -> Iterator[Value]:
    """Yields `read` of each item in order; the next `ahead` of them are read in threads meanwhile."""
    with ThreadPoolExecutor(ahead) as threads:
        yield from in_order(threads, read, items, ahead + 1)
