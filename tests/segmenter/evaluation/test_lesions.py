import numpy as np
import pytest
from inputs import picture
from scipy import ndimage

from pipeline.geometry import connected_components
from segmenter.evaluation.lesions import match_regions, sweep_thresholds


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
    for hits, wrong in match(ground_truth, predicted).by_criterion().values():
        assert (hits.tolist(), wrong) == (detected, false_positives)


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


def test_lower_thresholds_detect_more_lesions_and_more_false_positives():
    ground_truth = picture("..... .##.. .##.. ..... .....")
    likely = np.zeros((5, 5), np.float32)
    likely[1:3, 1:3], likely[4, 4] = 0.6, 0.3
    points = sweep_thresholds(connected_components(ground_truth), likely, (0.2, 0.5, 0.9))
    assert [(point.threshold, point.criterion, point.detected.tolist(), point.false_positives) for point in points] == [
        (0.2, "iou", [True], 1),
        (0.2, "centre", [True], 1),
        (0.5, "iou", [True], 0),
        (0.5, "centre", [True], 0),
        (0.9, "iou", [False], 0),
        (0.9, "centre", [False], 0),
    ]
    without_small = sweep_thresholds(connected_components(ground_truth), likely, (0.2,), smallest_px=2)
    assert [point.false_positives for point in without_small] == [0, 0]


def test_a_sweep_over_nothing_finds_nothing():
    points = sweep_thresholds(connected_components(np.zeros((4, 4), np.uint8)), np.zeros((4, 4), np.float32), (0.1,))
    assert [(point.detected.tolist(), point.false_positives) for point in points] == [([], 0), ([], 0)]


@pytest.mark.parametrize("seed", range(3))
def test_a_sweep_gives_what_matching_at_each_threshold_gives(seed):
    rng = np.random.default_rng(seed)
    ground_truth = connected_components(ndimage.gaussian_filter(rng.normal(size=(48, 48)), 2) > 0.15)
    likely = ndimage.gaussian_filter(rng.uniform(size=(48, 48)), 2).astype(np.float32)
    for point in sweep_thresholds(ground_truth, likely, (0.45, 0.5, 0.55)):
        predicted = connected_components(likely >= point.threshold)
        detected, false_positives = match_regions(ground_truth, predicted).by_criterion()[point.criterion]
        assert point.detected.tolist() == detected.tolist()
        assert point.false_positives == false_positives
