from itertools import chain, islice

import cv2
import numpy as np
import pytest
import tensorflow as tf

from pipeline.files import InputError
from pipeline.geometry import square_image
from segmenter.folders import read_data_set
from segmenter.input_pipeline import (
    cached_bytes,
    evaluation_batches,
    explained,
    fits_cache,
    read_pair,
    shrink_image,
    training_batches,
)

SIDE = 32


@pytest.fixture
def numbered(tmp_path, write_data_set, write_pair):
    """Eleven pairs; the image's grey level is 10 i, and i columns of the mask are lesion."""
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
    seen = [numbers(batch) for batch in islice(batches, count)]
    assert all(images == masks for images, masks in seen), "image and mask have parted"
    return [images for images, _ in seen]


@pytest.mark.parametrize("cache", [False, True])
def test_image_and_mask_stay_together_through_shuffle_batch_and_repeat(numbered, cache):
    batches = orders(training_batches(numbered, SIDE, 1, 4, cache=cache, shuffle=True, seed=3), 6)
    assert [len(batch) for batch in batches] == [4, 4, 3, 4, 4, 3]
    first, second = list(chain(*batches[:3])), list(chain(*batches[3:]))
    assert sorted(first) == sorted(second) == list(range(1, 12))
    assert first != second
    assert first != sorted(first)


def test_the_order_depends_on_seed_and_epoch_alone(numbered):
    def begin(**settings):
        return orders(training_batches(numbered, SIDE, 1, 4, cache=False, shuffle=True, **settings), 3)

    through = orders(training_batches(numbered, SIDE, 1, 4, cache=True, shuffle=True, seed=3), 6)
    assert begin(seed=3, first_epoch=1) == through[3:]
    assert begin(seed=4) != through[:3]


def test_without_shuffling_the_order_is_that_of_the_names(numbered):
    batches = training_batches(numbered, SIDE, 1, 4, cache=False, repeat=False)
    assert list(chain(*orders(batches, 9))) == [int(sample.patient[1:]) for sample in numbered]
    assert batches.cardinality() == 3  # Keras counts a batch too many in its metrics where it has to guess


def test_masks_are_cut_at_128_and_then_at_half_of_the_area(tmp_path, write_pair):
    mask = np.array([[255, 0, 127, 127], [255, 0, 127, 127], [255, 128, 0, 0], [0, 0, 0, 255]], np.uint8)
    write_pair(tmp_path, "train", "a", np.zeros((4, 4), np.uint8), mask)
    files = [tf.constant(str(tmp_path / "train" / kind / "a.png")) for kind in ("images", "masks")]
    _, small = read_pair(*files, 2, 1)
    np.testing.assert_array_equal(small[..., 0], [[1, 0], [1, 0]])


def test_shrinking_is_that_of_inference():
    image = np.random.default_rng(1).integers(0, 256, (96, 96), np.uint8)
    for side in (96, 48, 36):
        ours, theirs = shrink_image(tf.constant(image[..., None]), side)[..., 0].numpy(), square_image(image, side)
        assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_one_gray_file_fills_three_channels(numbered):
    images, _ = next(iter(training_batches(numbered, 16, 3, 2, cache=False)))
    assert images.shape == (2, 16, 16, 3)
    assert (images[..., 0].numpy() == images[..., 2].numpy()).all()


def test_jpeg_pixels_are_those_of_opencv(tmp_path, write_pair):
    image = np.random.default_rng(2).integers(0, 256, (SIDE, SIDE), np.uint8)
    write_pair(tmp_path, "train", "a", image, np.zeros_like(image))
    cv2.imwrite(str(tmp_path / "a.jpg"), image)
    read, _ = read_pair(tf.constant(str(tmp_path / "a.jpg")), tf.constant(str(tmp_path / "train/masks/a.png")), SIDE, 1)
    np.testing.assert_array_equal(read[..., 0], cv2.imread(str(tmp_path / "a.jpg"), cv2.IMREAD_GRAYSCALE))


def test_evaluation_keeps_the_masks_size_and_order(numbered):
    batches = list(evaluation_batches(numbered, 16, 1, 4))
    assert [images.shape[1] for images, _ in batches] == [16] * 3
    assert [masks.shape for _, masks in batches] == [(4, 32, 32, 1), (4, 32, 32, 1), (3, 32, 32, 1)]
    assert list(chain(*(numbers(batch)[1] for batch in batches))) == [int(sample.patient[1:]) for sample in numbered]


def test_the_cache_is_weighed_before_it_is_filled():
    assert cached_bytes(3906, 128, 1) == 3906 * 2 * 128 * 128
    assert fits_cache(3906, 128, 1)
    assert not fits_cache(3906, 512, 1)
    assert not fits_cache(1000, 512, 3)  # 1.05 GB


@pytest.mark.parametrize(
    ("image", "mask", "words"),
    [
        pytest.param(np.zeros((16, 16)), np.zeros((8, 8)), "bad.png: is 8 x 8 and its image 16 x 16", id="sizes differ"),
        pytest.param(np.zeros((8, 16)), np.zeros((8, 16)), "bad.png: is 16 x 8; wanted a square", id="no square"),
        pytest.param(np.zeros((4, 4)), np.zeros((4, 4)), "bad.png: is 4 px wide and the model wants 8; lower", id="small"),
        pytest.param(
            np.zeros((16, 16)), np.eye(16) * 2, r"bad.png: holds class indices up to 2; .*num_classes = 1", id="indices"
        ),
    ],
)
@pytest.mark.parametrize("cache", [False, True])
def test_a_bad_pair_is_named(tmp_path, write_data_set, write_pair, image, mask, words, cache):
    folder = write_data_set(tmp_path / "set")
    write_pair(folder, "train", "bad", image.astype(np.uint8), mask.astype(np.uint8))
    samples = read_data_set(folder).split("train")
    with pytest.raises(InputError, match=words), explained(samples, 8):
        list(training_batches(samples, 8, 1, 2, cache=cache, repeat=False))


def test_a_cut_file_is_named(tmp_path, write_data_set):
    folder = write_data_set(tmp_path / "set")
    (folder / "train/images/P1_L_CM_CC.png").write_bytes(b"\x89PNG")
    samples = read_data_set(folder).split("train")
    with pytest.raises(InputError, match=r"P1_L_CM_CC.png: cannot be read as an image \(4 bytes\)"), explained(samples, 8):
        list(training_batches(samples, 8, 1, 2, cache=False, repeat=False))
