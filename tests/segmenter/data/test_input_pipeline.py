from itertools import chain, islice

import numpy as np
import pytest
import tensorflow as tf

from segmenter.data.dataset import read_data_set
from segmenter.data.input_pipeline import cached_bytes, evaluation_batches, fits_cache, training_batches, validation_batches
from segmenter.data.pairs import PairFormat

SIDE = 32
PAIR_FORMAT = PairFormat(SIDE, 1)


@pytest.fixture
def numbered(tmp_path, write_data_set, write_pair):
    """Eleven pairs; the image's gray level is 10 i, and i columns of the mask are lesion."""
    folder = write_data_set(tmp_path / "numbered", train=0)
    for number in range(1, 12):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[:, :number] = 255
        write_pair(folder, "train", f"P{number}_L_CM_CC", np.full((SIDE, SIDE), 10 * number, np.uint8), mask)
    return read_data_set(folder).split("train")


def numbers(batch):
    """The number that each image shows, and the one that each mask shows."""
    images, masks = batch
    return (images.numpy()[:, 0, 0, 0] // 10).tolist(), masks.numpy()[:, 0, :, 0].sum(axis=1).tolist()


def orders(batches, count):
    shown = [numbers(batch) for batch in islice(batches, count)]
    assert all(images == masks for images, masks in shown), "image and mask do not belong together"
    return [images for images, _ in shown]


@pytest.mark.parametrize("cache", [False, True])
def test_image_and_mask_stay_together_through_shuffle_batch_and_repeat(numbered, cache):
    batches = orders(training_batches(numbered, PAIR_FORMAT, 4, cache=cache, shuffle=True, seed=3), 6)
    assert [len(batch) for batch in batches] == [4, 4, 3, 4, 4, 3]
    first, second = list(chain(*batches[:3])), list(chain(*batches[3:]))
    assert sorted(first) == sorted(second) == list(range(1, 12))
    assert first != second
    assert first != sorted(first)


def test_the_order_depends_on_seed_and_epoch_alone(numbered):
    def begin(**settings):
        return orders(training_batches(numbered, PAIR_FORMAT, 4, cache=False, shuffle=True, **settings), 3)

    through = orders(training_batches(numbered, PAIR_FORMAT, 4, cache=True, shuffle=True, seed=3), 6)
    assert begin(seed=3, first_step=3) == through[3:]
    assert begin(seed=3, first_step=2)[:2] == through[2:4]
    assert begin(seed=4) != through[:3]


@pytest.mark.parametrize("cache", [False, True])
def test_validation_takes_each_sample_once_in_the_order_of_the_names(numbered, cache):
    batches = validation_batches(numbered, PAIR_FORMAT, 4, cache=cache)
    assert list(chain(*orders(batches, 9))) == [int(sample.patient[1:]) for sample in numbered]
    assert batches.cardinality() == 3  # Keras counts a batch too many in its metrics where it has to guess


@pytest.mark.parametrize("cache", [False, True])
def test_each_pair_is_varied_by_a_seed_of_its_own_in_each_round(numbered, cache):
    def write_seed(image, mask, seed):
        return image, tf.fill(mask.shape, tf.cast(seed[1], tf.uint8)) + 100 * tf.cast(seed[0], tf.uint8)

    def seeds(seed, first_step=0):
        batches = training_batches(numbered, PAIR_FORMAT, 4, cache=cache, seed=seed, first_step=first_step, augment=write_seed)
        return [int(mask[0, 0, 0]) for _, masks in batches.take(6) for mask in masks]

    assert seeds(1) == [100 + number for number in range(22)]
    assert seeds(1, first_step=3)[:11] == seeds(1)[11:]


def test_one_gray_file_fills_three_channels(numbered):
    images, _ = next(iter(training_batches(numbered, PairFormat(16, 3), 2, cache=False)))
    assert images.shape == (2, 16, 16, 3)
    assert (images[..., 0].numpy() == images[..., 2].numpy()).all()


def test_evaluation_keeps_the_masks_size_and_order(numbered):
    batches = list(evaluation_batches(numbered, PairFormat(16, 1), 4))
    assert [images.shape[1] for images, _ in batches] == [16] * 3
    assert [masks.shape for _, masks in batches] == [(4, 32, 32, 1), (4, 32, 32, 1), (3, 32, 32, 1)]
    assert list(chain(*(numbers(batch)[1] for batch in batches))) == [int(sample.patient[1:]) for sample in numbered]


def test_the_cache_is_weighed_before_it_is_filled():
    assert cached_bytes(3906, 128, 1) == 3906 * 2 * 128 * 128
    assert fits_cache(3906, 128, 1)
    assert not fits_cache(3906, 512, 1)
    assert not fits_cache(1000, 512, 3)  # 1.05 GB
