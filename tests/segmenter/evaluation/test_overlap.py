import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from inputs import picture

from segmenter.evaluation.overlap import measure_overlap

METRICS = ("dice", "iou", "sensitivity", "precision", "specificity")


@pytest.mark.parametrize(
    ("ground_truth", "predicted", "metrics"),
    [
        pytest.param("##.. ##..", ".##. .##.", (1 / 2, 1 / 3, 1 / 2, 1 / 2, 1 / 2), id="half of it"),
        pytest.param(".#.. ....", "##.. #...", (1 / 2, 1 / 3, 1, 1 / 3, 5 / 7), id="too much"),
        pytest.param("##.. ....", "##.. ....", (1, 1, 1, 1, 1), id="all of it"),
        pytest.param("#... ....", "...# ....", (0, 0, 0, 0, 6 / 7), id="elsewhere"),
        pytest.param("#... ....", ".... ....", (0, 0, 0, None, 1), id="nothing predicted"),
        pytest.param(".... ....", "#... ....", (None, None, None, 0, 7 / 8), id="no lesion, one pixel predicted"),
        pytest.param(".... ....", ".... ....", (None, None, None, None, 1), id="no lesion, nothing predicted"),
        pytest.param("#### ####", "#### ##..", (6 / 7, 3 / 4, 3 / 4, 1, None), id="lesion everywhere"),
    ],
)
def test_metrics_by_hand(ground_truth, predicted, metrics):
    overlap = measure_overlap(picture(ground_truth), picture(predicted))
    assert [getattr(overlap, name) for name in METRICS] == pytest.approx(list(metrics))


masks = arrays.arrays(bool, (7, 5))


@given(masks, masks)
def test_metrics_are_those_of_scikit_learn(ground_truth, predicted):
    overlap = measure_overlap(ground_truth, predicted)
    y, p = ground_truth.ravel(), predicted.ravel()
    references = {
        "dice": sklearn.metrics.f1_score(y, p, zero_division=np.nan),
        "iou": sklearn.metrics.jaccard_score(y, p, zero_division=0),
        "sensitivity": sklearn.metrics.recall_score(y, p, zero_division=np.nan),
        "precision": sklearn.metrics.precision_score(y, p, zero_division=np.nan),
        "specificity": sklearn.metrics.recall_score(~y, ~p, zero_division=np.nan),
    }
    for name, reference in references.items():
        value = getattr(overlap, name)
        if value is None:
            assert not y.any() if name in ("dice", "iou", "sensitivity") else np.isnan(reference)
        else:
            assert value == pytest.approx(reference)
