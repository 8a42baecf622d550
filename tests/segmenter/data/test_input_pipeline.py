import threading
from itertools import chain, islice

import keras
import numpy as np
import pytest

from segmenter.data import batches, input_pipeline, py_dataset
from segmenter.data.batches import (
    Pairs,
    Schedule,
    Variation,
    cached_bytes,
    evaluation_batches,
    fits_cache,
    order_epoch,
    read_ahead,
)
from segmenter.data.dataset import read_data_set
from segmenter.data.input_pipeline import epoch_batches, training_batches, validation_batches
from segmenter.data.pairs import PairFormat

SIDE = 32
PAIR_FORMAT = PairFormat(SIDE, SIDE, 1)
SECONDS = 20  # to wait for a thread before the test fails


@pytest.fixture
def numbered(tmp_path, write_data_set, write_pair):
    """Eleven pairs; the image's gray level is 10 i, and i columns of the mask are lesion."""
    folder = write_data_set(tmp_path / "numbered", train=0)
    for number in range(1, 12):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[:, :number] = 255
        write_pair(folder, "train", f"P{number}_L_CM_CC", np.full((SIDE, SIDE), 10 * number, np.uint8), mask)
    return read_data_set(folder).split("train")


@pytest.fixture(params=["tf.data", "PyDataset"])
def loader(request, monkeypatch):
    """Runs a test with the batches of TensorFlow, and with those of every other backend."""
    monkeypatch.setattr(input_pipeline, "_is_tensorflow", lambda: request.param == "tf.data")
    return request.param


def numbers(batch):
    """The number that each image shows, and the one that each mask shows."""
    images, masks = map(np.asarray, batch)
    return (images[:, 0, 0, 0] // 10).tolist(), masks[:, 0, :, 0].sum(axis=1).tolist()


def orders(batches, count):
    shown = [numbers(batch) for batch in islice(batches, count)]
    assert all(images == masks for images, masks in shown), "image and mask do not belong together"
    return [images for images, _ in shown]


@pytest.mark.parametrize("cache", [False, True])
def test_image_and_mask_stay_together_through_shuffle_batch_and_repeat(numbered, loader, cache):
    batches = orders(training_batches(numbered, PAIR_FORMAT, 4, cache=cache, shuffle=True, seed=3), 6)
    assert [len(batch) for batch in batches] == [4, 4, 3, 4, 4, 3]
    first, second = list(chain(*batches[:3])), list(chain(*batches[3:]))
    assert sorted(first) == sorted(second) == list(range(1, 12))
    assert first != second
    assert first != sorted(first)


def test_the_order_depends_on_seed_and_epoch_alone(numbered, loader):
    def begin(**settings):
        return orders(training_batches(numbered, PAIR_FORMAT, 4, cache=False, shuffle=True, **settings), 3)

    through = orders(training_batches(numbered, PAIR_FORMAT, 4, cache=True, shuffle=True, seed=3), 6)
    assert begin(seed=3, first_step=3) == through[3:]
    assert begin(seed=3, first_step=2)[:2] == through[2:4]
    assert begin(seed=4) != through[:3]


@pytest.mark.parametrize("batch_size", [1, 4, 11, 16])
@pytest.mark.parametrize("cache", [False, True])
def test_every_loader_has_the_same_order_in_each_of_three_epochs(numbered, monkeypatch, cache, batch_size):
    def three_epochs(is_tensorflow):
        monkeypatch.setattr(input_pipeline, "_is_tensorflow", lambda: is_tensorflow)
        batches = training_batches(numbered, PAIR_FORMAT, batch_size, cache=cache, shuffle=True, seed=3, first_step=1)
        return orders(batches, 3 * -(-11 // batch_size))

    theirs, ours = three_epochs(True), three_epochs(False)
    assert ours == theirs
    names = [int(sample.patient[1:]) for sample in numbered]
    assert ours[-1] == [names[index] for index in order_epoch(11, 3, 3)][:batch_size]  # one step into the fourth epoch


def test_an_order_is_the_same_with_every_version_of_numpy():
    assert order_epoch(8, 1, 0).tolist() == [3, 5, 2, 7, 0, 6, 1, 4]
    assert order_epoch(8, 1, 1).tolist() != order_epoch(8, 2, 0).tolist()


@pytest.mark.parametrize("cache", [False, True])
def test_validation_takes_each_sample_once_in_the_order_of_the_names(numbered, loader, cache):
    batches = validation_batches(numbered, PAIR_FORMAT, 4, cache=cache)
    for _ in range(2):
        assert list(chain(*orders(batches, 9))) == [int(sample.patient[1:]) for sample in numbered]
    # Keras counts a batch too many in its metrics where it has to guess.
    assert (batches.cardinality() if loader == "tf.data" else batches.num_batches) == 3


def test_each_iteration_is_the_next_epoch_of_training(numbered, loader):
    batches = epoch_batches(numbered, PAIR_FORMAT, 4, cache=True, shuffle=True, seed=3)
    training = orders(training_batches(numbered, PAIR_FORMAT, 4, cache=True, shuffle=True, seed=3), 9)
    assert [orders(batches, 9) for _ in range(3)] == [training[:3], training[3:6], training[6:]]


def test_an_iteration_that_is_left_early_is_an_epoch_too(numbered, loader):
    batches = epoch_batches(numbered, PAIR_FORMAT, 4, cache=True, shuffle=True, seed=3)
    training = orders(training_batches(numbered, PAIR_FORMAT, 4, cache=True, shuffle=True, seed=3), 9)
    assert [orders(batches, count) for count in (1, 9, 0, 9)] == [training[:1], training[3:6], [], training[6:]]


def test_fit_gets_the_batches_in_their_order_though_it_shuffles_their_numbers(numbered):
    training = orders(training_batches(numbered, PAIR_FORMAT, 4, cache=True, shuffle=True, seed=3), 9)
    schedule = Schedule(len(numbered), 4, shuffle=True, seed=3)
    batches = py_dataset.Epochs(py_dataset.reader(Pairs(numbered, PAIR_FORMAT, cache=True), schedule, None), None, 3)
    shown = []
    for _ in range(3):
        batches.on_epoch_end()  # some versions of Keras call it before an epoch, too
        shown += [numbers(batches[index])[0] for index in (2, 0, 1)]
        batches.on_epoch_end()
    assert shown == training


def test_the_threads_of_a_loader_end_with_it(numbered):
    pairs, schedule = Pairs(numbered, PAIR_FORMAT, cache=False), Schedule(len(numbered), 4)
    before = set(threading.enumerate())
    batches = py_dataset.Batches(py_dataset.reader(pairs, schedule, None))
    orders(batches, 2)
    started = set(threading.enumerate()) - before
    assert started
    del batches
    for thread in started:
        thread.join(SECONDS)
        assert not thread.is_alive()


@pytest.mark.parametrize("cache", [False, True])
def test_each_pair_is_varied_by_a_number_of_its_own_in_each_round(numbered, loader, cache):
    def draw(numbers):
        return {"doubled": 2 * numbers}

    def write_number(drawn, images, masks):
        number = keras.ops.reshape(drawn["doubled"] // 2, (-1, 1, 1, 1))
        return images, 0 * masks + keras.ops.cast(number, "uint8")

    def drawn(first_step=0):
        batches = training_batches(
            numbered, PAIR_FORMAT, 4, cache=cache, first_step=first_step, variation=Variation(draw, write_number)
        )
        return [int(mask[0, 0, 0]) for _, masks in islice(batches, 6) for mask in masks]

    assert drawn() == list(range(22))
    assert drawn(first_step=3)[:11] == drawn()[11:]


@pytest.mark.parametrize(("batch_size", "sizes"), [(4, [4, 4, 3]), (8, [8, 3]), (16, [11])])
def test_pairs_are_varied_in_batches_of_one_size_for_which_that_is_compiled(numbered, loader, batch_size, sizes):
    seen = set()

    def note_size(drawn, images, masks):
        seen.add((drawn.shape[0], images.shape[0], masks.shape[0]))
        return images, masks

    variation = Variation(lambda numbers: numbers.astype(np.int32), note_size)
    batches = orders(training_batches(numbered, PAIR_FORMAT, batch_size, cache=True, variation=variation), 2 * len(sizes))
    assert [len(batch) for batch in batches] == 2 * sizes
    assert sorted(chain(*batches)) == sorted(2 * list(range(1, 12)))
    assert seen == {(sizes[0],) * 3}


def test_one_gray_file_fills_three_channels(numbered, loader):
    images, _ = next(iter(training_batches(numbered, PairFormat(16, 16, 3), 2, cache=False)))
    assert images.shape == (2, 16, 16, 3)
    assert (np.asarray(images)[..., 0] == np.asarray(images)[..., 2]).all()


def test_evaluation_keeps_the_masks_size_and_order(numbered):
    batches = list(evaluation_batches(numbered, PairFormat(16, 16, 1), 4))
    assert [images.shape[1] for images, _, _ in batches] == [16] * 3
    assert [masks.shape for _, masks, _ in batches] == [(4, 32, 32, 1), (4, 32, 32, 1), (3, 32, 32, 1)]
    read = chain(*(numbers(pairs)[1] for *pairs, _ in batches))
    assert list(read) == [int(sample.patient[1:]) for sample in numbered]


def test_an_error_is_raised_at_its_place_and_no_more_than_a_few_are_read_ahead():
    read = []

    def invert(number):
        read.append(number)
        return 6 // (number - 3)

    values = read_ahead(invert, range(100))
    assert [next(values) for _ in range(3)] == [-2, -3, -6]
    with pytest.raises(ZeroDivisionError):
        next(values)
    assert max(read) <= 6


def test_the_cache_is_weighed_before_it_is_filled(monkeypatch):
    assert cached_bytes(3906, PairFormat(128, 128, 1)) == 3906 * 2 * 128 * 128
    monkeypatch.setattr(batches, "free_memory", lambda: 2**30)
    assert fits_cache(3906, PairFormat(128, 128, 1))
    assert not fits_cache(3906, PairFormat(512, 512, 1))
    assert not fits_cache(1000, PairFormat(512, 512, 3))  # 1.05 GB
    assert fits_cache(1000, PairFormat(512, 512, 3), limit_mb=1000)
    assert not fits_cache(1001, PairFormat(512, 512, 3), limit_mb=1000)
    assert not fits_cache(1, PairFormat(8, 8, 1), limit_mb=0)
