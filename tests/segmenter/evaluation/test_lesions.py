import numpy as np
import pytest
from inputs import picture
from scipy import ndimage

from pipeline.geometry import connected_components
from segmenter.evaluation.lesions import match_regions, score_candidates


def test_components_touch_at_corners_and_have_areas_and_centres():
    components = connected_components(picture("##... ..#.. ..... ....#"))
    assert len(components) == 2
    assert sorted(components.areas) == [1, 3]
    first = components.labels[0, 0] - 1
    assert components.centres[first] == pytest.approx([1, 1 / 3])


def match(ground_truth, predicted):
    return match_regions(connected_components(picture(ground_truth)), connected_components(picture(predicted)))


def test_a_lesion_with_enough_overlap_is_detected():
    matching = match("###.... ....... .....##", "##..... ....... ...##..")
    assert matching.ious.tolist() == pytest.approx([2 / 3, 0])
    assert matching.detected.tolist() == [True, False]
    assert matching.false_positives == 1


def test_an_overlap_of_a_tenth_is_not_enough():
    # One common pixel of ten: IoU is exactly 0.1. With one pixel fewer it is 1 / 9.
    assert match("#......... ..........", "########## ..........").detected.tolist() == [False]
    assert match("#......... ..........", "#########. ..........").detected.tolist() == [True]


def test_one_prediction_over_two_lesions_detects_the_one_that_it_fits_better():
    matching = match("###.##", "######")
    assert matching.ious.tolist() == pytest.approx([1 / 2, 0])
    assert matching.false_positives == 0


def test_two_predictions_in_one_lesion_are_one_hit_and_one_false_positive_by_overlap_and_none_by_centre():
    matching = match("######", "###.##")
    assert (matching.detected.tolist(), matching.false_positives) == ([True], 1)
    assert (matching.centre_detected.tolist(), matching.centre_false_positives) == ([True], 0)


def test_a_centre_inside_is_a_hit_however_small():
    matching = match("####### ####### #######", "....... ...#... .......")
    assert matching.detected.tolist() == [False]
    assert matching.centre_detected.tolist() == [True]
    assert (matching.false_positives, matching.centre_false_positives) == (1, 0)


def test_a_centre_outside_the_lesion_is_a_false_positive_although_they_overlap():
    matching = match("##..... .......", ".#####. .......")
    assert matching.detected.tolist() == [True]
    assert (matching.centre_detected.tolist(), matching.centre_false_positives) == ([False], 1)


def test_a_centre_between_two_pixels_belongs_to_the_right_one_everywhere():
    for left in range(4):
        matching = match("." * (left + 1) + "#....", "." * left + "##....")
        assert matching.centre_detected.tolist() == [True]
        assert match("." * left + "#.....", "." * left + "##....").centre_detected.tolist() == [False]


@pytest.mark.parametrize(
    ("ground_truth", "predicted", "detected", "false_positives"),
    [("...", "...", [], 0), ("...", "#.#", [], 2), ("#.#", "...", [False, False], 0)],
)
def test_without_lesions_or_without_predictions(ground_truth, predicted, detected, false_positives):
    matching = match(ground_truth, predicted)
    assert (matching.detected.tolist(), matching.false_positives) == (detected, false_positives)
    assert (matching.centre_detected.tolist(), matching.centre_false_positives) == (detected, false_positives)


@pytest.mark.parametrize("seed", range(4))
def test_components_and_overlaps_are_those_of_scipy(seed):
    rng = np.random.default_rng(seed)
    ground_truth, predicted = (ndimage.gaussian_filter(rng.normal(size=(64, 64)), 2) > 0.12 for _ in range(2))
    (annotated, count), (others, other_count) = (ndimage.label(mask, np.ones((3, 3))) for mask in (ground_truth, predicted))
    lesions, components = connected_components(ground_truth), connected_components(predicted)
    assert (len(lesions), len(components)) == (count, other_count)
    assert sorted(lesions.areas) == sorted(ndimage.sum_labels(ground_truth, annotated, range(1, count + 1)))
    hits = 0
    for number in range(1, count + 1):
        mask = annotated == number
        centres = ndimage.center_of_mass(predicted, others, range(1, other_count + 1))
        hits += any(mask[int(y + 0.5), int(x + 0.5)] for y, x in centres)
    matching = match_regions(lesions, components)
    assert matching.centre_detected.sum() == hits
    # One to one: no more hits than predictions, and each hit has an IoU that SciPy finds among its pairs.
    pairs = [
        ((annotated == one) & (others == other)).sum() / ((annotated == one) | (others == other)).sum()
        for one in range(1, count + 1)
        for other in range(1, other_count + 1)
    ]
    assert all(any(abs(iou - pair) < 1e-12 for pair in pairs) for iou in matching.ious[matching.detected])
    assert matching.detected.sum() + matching.false_positives == other_count


def test_each_candidate_knows_the_lesion_that_it_detects():
    matching = match("###..## ....... #......", "##..... ....##. #.#....")
    ground_truth = connected_components(picture("###..## ....... #......"))
    numbers = [int(ground_truth.labels[row, column]) for row, column in ((0, 0), (0, 5), (2, 0))]
    assert sorted(matching.overlapped) == sorted([numbers[0], 0, numbers[2], 0])
    assert (matching.overlapped > 0).sum() == matching.detected.sum() == 2


def test_a_score_is_the_mean_probability_of_a_component():
    likely = np.array([[0.5, 0.7, 0.0, 0.9], [0.0, 0.0, 0.0, 0.3]], np.float32)
    components = connected_components(picture("##.# ...#"))
    assert sorted(score_candidates(components, likely)) == pytest.approx([0.6, 0.6])
    assert score_candidates(connected_components(np.zeros((2, 4))), likely).tolist() == []
