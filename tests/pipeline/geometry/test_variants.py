"""The rotated and flipped copies of a square."""

import numpy as np
import pytest

from pipeline.geometry import VARIANTS, vary, vary_back


def test_variants_are_those_of_the_published_names():
    square = np.array([[1, 2], [3, 4]], np.uint8)
    expected = {
        "original": [[1, 2], [3, 4]],
        "rotated_90": [[2, 4], [1, 3]],
        "rotated_180": [[4, 3], [2, 1]],
        "rotated_270": [[3, 1], [4, 2]],
        "mirrored": [[2, 1], [4, 3]],
        "flipped": [[3, 4], [1, 2]],
    }
    assert {name: vary(square, name).tolist() for name in VARIANTS} == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(5, 5), (4, 4, 3)])
def test_variants_are_exact_on_arrays(dtype, shape):
    square = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    turned = {
        "original": square,
        "rotated_90": np.rot90(square),
        "rotated_180": np.rot90(square, 2),
        "rotated_270": np.rot90(square, 3),
        "mirrored": square[:, ::-1],
        "flipped": square[::-1],
    }
    for name, expected in turned.items():
        np.testing.assert_array_equal(vary(square, name), expected)
        assert vary(square, name).dtype == dtype


def test_four_quarter_turns_give_the_image_back():
    square = np.arange(49, dtype=np.uint8).reshape(7, 7)
    turned = square
    for _ in range(4):
        turned = vary(turned, "rotated_90")
    np.testing.assert_array_equal(turned, square)
    np.testing.assert_array_equal(vary(vary(square, "mirrored"), "mirrored"), square)
    np.testing.assert_array_equal(vary(vary(square, "mirrored"), "flipped"), vary(square, "rotated_180"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_turned_back_into_what_it_was_made_of(variant):
    square = np.arange(49, dtype=np.uint8).reshape(7, 7)
    np.testing.assert_array_equal(vary_back(vary(square, variant), variant), square)
