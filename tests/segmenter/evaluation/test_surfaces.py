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
        # The middle of a block is not contour, so that has 8 pixels; the predicted middle is 1 px from four of them.
        pytest.param("### ### ###", "... .#. ...", Distances(hd95=2**0.5, asd=(4 + 4 * 2**0.5 + 1) / 9, nsd=5 / 9), id="block"),
        pytest.param(".....", "..#..", Distances(), id="no lesion"),
        pytest.param("..#..", ".....", Distances(nsd=0), id="nothing predicted"),
        pytest.param(".....", ".....", Distances(), id="neither"),
    ],
)
def test_distances_by_hand(ground_truth, predicted, distances):
    result = measure_distances(picture(ground_truth), picture(predicted), tolerance_px=1)
    assert vars(result) == pytest.approx(vars(distances), nan_ok=True)


def by_brute_force(ground_truth, predicted, tolerance):
    """Distances from all pairs of contour pixels, with SciPy's erosion."""
    contours = [mask & ~ndimage.binary_erosion(mask) for mask in (ground_truth, predicted)]
    between = cdist(*(np.argwhere(contour) for contour in contours))
    there, back = between.min(axis=1), between.min(axis=0)
    both = np.concatenate([there, back])
    return [max(np.percentile(there, 95), np.percentile(back, 95)), both.mean(), (both <= tolerance).mean()]


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
    assert result.nsd == (np.concatenate([there, back]) <= 2).mean()


def test_distances_do_not_depend_on_where_in_the_image_both_lie():
    ground_truth, predicted = np.zeros((2, 40, 40), bool)
    ground_truth[5:12, 6:9], predicted[7:15, 5:8] = True, True
    moved = [np.roll(mask, (20, 25), (0, 1)) for mask in (ground_truth, predicted)]
    assert measure_distances(ground_truth, predicted, 2) == measure_distances(*moved, 2)
    assert measure_distances(ground_truth, predicted, 2) == measure_distances(predicted, ground_truth, 2)
