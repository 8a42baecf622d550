"""How the values of a mask file become classes."""

import numpy as np
import pytest

from pipeline.contract import ClassesError, MaskError, MaskLevels, as_classes, cut_levels


def levels_of(*values, lossy=False):
    return MaskLevels(np.array([values], np.uint8), lossy)


@pytest.mark.parametrize("values", [[], [0], [255], [0, 255], [0, 1, 2], [3, 7, 7, 9], [128]])
def test_the_values_that_occur_are_listed_once_in_order(values):
    mask = MaskLevels(np.array([values, values[::-1]], np.uint8), lossy=False)
    assert mask.values == sorted(set(values))


def test_lesion_begins_at_the_middle_level():
    assert cut_levels(np.array([[0, 127, 128, 255]], np.uint8)).tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("mask", "classes", "result"),
    [
        (levels_of(0, 1), 1, [[0, 1]]),
        (levels_of(0, 16, 128), 1, [[0, 0, 1]]),
        (levels_of(0, 0, lossy=True), 1, [[0, 0]]),  # a black JPEG is black: its coding leaves nothing
        (levels_of(0, 15), None, [[0, 15]]),
        (levels_of(0, 200), None, [[0, 1]]),
        (levels_of(0, 1), 2, [[0, 1]]),
        (levels_of(19, 3), 20, [[19, 3]]),
    ],
)
def test_levels_are_read_as_classes(mask, classes, result):
    assert as_classes(mask, classes).tolist() == result


@pytest.mark.parametrize(
    ("mask", "classes", "error", "message"),
    [
        (levels_of(0, 2), 2, ClassesError, "holds values up to 2; expected a lossless mask of the class indices 0 to 1"),
        (levels_of(0, 1, lossy=True), 2, ClassesError, "is a JPEG; expected a lossless mask of the class indices 0 to 1"),
        (levels_of(0, 2), 1, ClassesError, "holds class indices up to 2; expected 0 and 255, or 0 and 1"),
        (levels_of(0, 15), 1, ClassesError, "holds class indices up to 15; expected 0 and 255, or 0 and 1"),
        *(
            (
                mask,
                classes,
                MaskError,
                f"holds only levels up to {highest}, which are neither class indices nor lesion; expected 0 and 255",
            )
            for mask, classes, highest in (
                (levels_of(0, 16), 1, 16),
                (levels_of(0, 127), None, 127),
                (levels_of(0, 16, lossy=True), 1, 16),
                (levels_of(0, 1, lossy=True), 1, 1),  # class indices, saved as JPEG
                (levels_of(0, 2, lossy=True), None, 2),
            )
        ),
    ],
)
def test_levels_that_are_no_such_classes_are_refused(mask, classes, error, message):
    with pytest.raises(MaskError) as caught:
        as_classes(mask, classes)
    assert (type(caught.value), str(caught.value)) == (error, message)


def test_a_threshold_of_ones_own_is_used_for_levels_only_where_any_are_allowed():
    def cut(levels):
        return (levels >= 20).astype(np.uint8)

    assert as_classes(levels_of(0, 19, 20), cut=cut, any_levels=True).tolist() == [[0, 0, 1]]
    with pytest.raises(MaskError, match="holds only levels up to 20"):
        as_classes(levels_of(20), cut=cut)
