import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from inputs import picture
from scipy import ndimage
from scipy.spatial.distance import cdist

from segmenter.evaluation.surfaces import Distances, measure_distances


@pytest.mark.parametrize(
    ("ground_truth", "predicted", "distances"),
    [
        pytest.param("#....", "...#.", Distances(hd95=3, asd=3, nsd=0), id="two pixels"),
        pytest.param(".#...", "..#..", Distances(hd95=1, asd=1, nsd=1), id="neighbors are within the tolerance"),
        pytest.param("##...", "##...", Distances(hd95=0, asd=0, nsd=1), id="equal masks"),
        # The true pixels are 0 and 1 away, the predicted one 0: mean 1 / 3; 95 % of the way from 0 to 1.
        pytest.param("##...", "#....", Distances(hd95=0.95, asd=1 / 3, nsd=1), id="one more"),
        # The middle of a block is not contour, so that has 8 pixels; the predicted middle is 1 px from four of them. The block's
        # contour has 8 straight elements, 1 px from the middle pixel's corners, and 4 corners at 2 ** 0.5 px; the middle's has 4.
        pytest.param(
            "### ### ###",
            "... .#. ...",
            Distances(hd95=2**0.5, asd=(4 + 4 * 2**0.5 + 1) / 9, nsd=(8 + 4 * 0.5**0.5) / (8 + 8 * 0.5**0.5)),
            id="block",
        ),
        # Two pixels that touch at a corner have two elements there; only the far corner is more than 1 px away.
        pytest.param("#.. .#.", "#.. ...", Distances(hd95=0.95 * 2**0.5, asd=2**0.5 / 3, nsd=11 / 12), id="diagonal"),
        pytest.param(".....", "..#..", Distances(), id="no lesion"),
        pytest.param("..#..", ".....", Distances(nsd=0), id="nothing predicted"),
        pytest.param(".....", ".....", Distances(), id="neither"),
    ],
)
def test_distances_by_hand(ground_truth, predicted, distances):
    result = measure_distances(picture(ground_truth), picture(predicted), tolerance_px=1)
    assert vars(result) == pytest.approx(vars(distances), nan_ok=True)


def elements(mask):
    """The corners of pixels on a mask's contour, (elements, 2), and the length of contour around each, from its four pixels."""
    squares = np.lib.stride_tricks.sliding_window_view(np.pad(mask, 1), (2, 2))
    inside, same_diagonal = squares.sum(axis=(2, 3)), squares[..., 0, 0] == squares[..., 1, 1]
    # From the middle of one side to that of the next; two such stretches, or straight across.
    lengths = np.select([inside % 2 == 1, (inside == 2) & same_diagonal, inside == 2], [0.5 * 2**0.5, 2**0.5, 1.0], 0.0)
    return np.argwhere(lengths > 0), lengths[lengths > 0]


def surface_dice(ground_truth, predicted, tolerance):
    """Nikolov's definition, from all pairs of contour elements."""
    (first, first_lengths), (second, second_lengths) = elements(ground_truth), elements(predicted)
    between = cdist(first, second)
    near = first_lengths[between.min(axis=1) <= tolerance].sum() + second_lengths[between.min(axis=0) <= tolerance].sum()
    return near / (first_lengths.sum() + second_lengths.sum())


def by_brute_force(ground_truth, predicted, tolerance):
    """Distances from all pairs of contour pixels, with SciPy's erosion, and surface Dice from all pairs of elements."""
    contours = [mask & ~ndimage.binary_erosion(mask) for mask in (ground_truth, predicted)]
    between = cdist(*(np.argwhere(contour) for contour in contours))
    there, back = between.min(axis=1), between.min(axis=0)
    both = np.concatenate([there, back])
    surface = surface_dice(ground_truth, predicted, tolerance)
    return [max(np.percentile(there, 95), np.percentile(back, 95)), both.mean(), surface]


masks = arrays.arrays(bool, (9, 12))


@settings(max_examples=200)
@given(masks, masks)
def test_distances_are_those_of_all_pairs(ground_truth, predicted):
    result = measure_distances(ground_truth, predicted, tolerance_px=1.5)
    if ground_truth.any() and predicted.any():
        assert [result.hd95, result.asd, result.nsd] == pytest.approx(by_brute_force(ground_truth, predicted, 1.5))
    else:
        assert result == (Distances(nsd=0.0) if ground_truth.any() else Distances())


@pytest.mark.parametrize("seed", range(5))
def test_distances_over_a_whole_image_are_those_of_scipy(seed):
    """Blobs far apart at 512 px, where single precision would show."""
    rng = np.random.default_rng(seed)
    ground_truth, predicted = (ndimage.gaussian_filter(rng.normal(size=(512, 512)), 12) > 0.035 for _ in range(2))
    contours = [mask & ~ndimage.binary_erosion(mask) for mask in (ground_truth, predicted)]
    there = ndimage.distance_transform_edt(~contours[1])[contours[0]]
    back = ndimage.distance_transform_edt(~contours[0])[contours[1]]
    result = measure_distances(ground_truth, predicted, tolerance_px=2)
    assert result.hd95 == max(np.percentile(there, 95), np.percentile(back, 95))
    assert result.asd == pytest.approx(np.concatenate([there, back]).mean(), rel=1e-12)
    assert result.nsd == pytest.approx(surface_dice(ground_truth, predicted, 2), abs=1e-9)


def test_the_contour_of_a_square_is_straight_with_cut_corners():
    square = np.zeros((41, 41), bool)
    square[10:30, 10:30] = True
    assert elements(square)[1].sum() == pytest.approx(4 * 19 + 4 * 0.5**0.5)
    # Moved by 1 px, 19 straight elements and one cut corner of each horizontal side stay in place: half of the contour.
    assert measure_distances(square, np.roll(square, 1, 1), 0).nsd == pytest.approx(2 * (19 + 0.5**0.5) / (4 * 19 + 4 * 0.5**0.5))
    assert measure_distances(square, np.roll(square, 1, 1), 1).nsd == 1


def test_distances_do_not_depend_on_where_in_the_image_both_lie():
    ground_truth, predicted = np.zeros((2, 40, 40), bool)
    ground_truth[5:12, 6:9], predicted[7:15, 5:8] = True, True
    moved = [np.roll(mask, (20, 25), (0, 1)) for mask in (ground_truth, predicted)]
    assert measure_distances(ground_truth, predicted, 2) == measure_distances(*moved, 2)
    assert measure_distances(ground_truth, predicted, 2) == measure_distances(predicted, ground_truth, 2)
