import numpy as np
import pytest

from pipeline.page import GROUND_TRUTH_COLOR, PREDICTION_COLOR, rgb
from segmenter.captions import WHITE, add_text, add_titles, draw_legend, legend, text_size

GREEN, ORANGE = rgb(GROUND_TRUTH_COLOR), rgb(PREDICTION_COLOR)


def colors_in(picture):
    return {tuple(pixel[::-1]) for pixel in picture.reshape(-1, 3).tolist()}


@pytest.mark.parametrize(("width", "size"), [(100, 12), (768, 15), (1536, 30), (4000, 80)])
def test_letters_grow_with_the_picture_and_stay_legible(width, size):
    assert text_size(width) == size


def test_a_legend_names_both_kinds_and_then_the_classes():
    assert legend() == [("ground truth", GREEN), ("prediction", ORANGE)]
    colors = [(0, 255, 0), (255, 255, 255)]
    kinds = [("ground truth: dashed", WHITE), ("prediction: solid", WHITE)]
    assert legend(colors, ["cyst", "mass"]) == [*kinds, ("cyst", colors[0]), ("mass", colors[1])]
    assert [name for name, _ in legend(colors)[2:]] == ["class 1", "class 2"]


def test_text_goes_above_and_leaves_the_picture_as_it_is():
    picture = np.full((50, 300, 3), 7, np.uint8)
    captioned = add_text(picture, [[("P1, Dice 0.71", WHITE)], [], [("benign", GREEN), ("malignant", ORANGE)]], 20)
    np.testing.assert_array_equal(captioned[-50:], picture)
    strip = captioned[:-50]
    assert len(strip) == 2 * 27 + 6, "an empty line takes no room"
    assert not {GREEN, ORANGE} & colors_in(strip[:27])
    assert {GREEN, ORANGE} <= colors_in(strip[27:])


def test_a_caption_that_is_too_wide_is_wrapped_and_not_cut():
    narrow, wide = (add_text(np.zeros((10, width, 3), np.uint8), [[("one two three four", WHITE)]], 20) for width in (90, 400))
    assert len(narrow) > len(wide) + 20
    assert not narrow[:-10, -5:].any(), "no letter at the right edge"


def test_panels_stay_level_where_one_title_is_wrapped():
    panels = [np.full((30, 80, 3), level, np.uint8) for level in (10, 20)]
    row = add_titles(panels, [("image", WHITE), ("a title of many words", GREEN)], 16)
    np.testing.assert_array_equal(row[-30:], np.hstack(panels))
    assert row.shape[1] == 160


def test_a_legend_inside_goes_to_the_darkest_corner_and_keeps_the_size():
    picture = np.full((300, 400, 3), 200, np.uint8)
    picture[150:, :200] = 30
    drawn = draw_legend(picture, legend())
    assert drawn.shape == picture.shape
    assert {GREEN, ORANGE} <= colors_in(drawn[150:, :200])
    np.testing.assert_array_equal(drawn[:150], picture[:150])
    np.testing.assert_array_equal(drawn[:, 200:], picture[:, 200:])


def test_a_small_picture_gets_no_legend_inside():
    picture = np.full((159, 400, 3), 9, np.uint8)
    np.testing.assert_array_equal(draw_legend(picture, legend()), picture)


def test_a_legend_that_is_wider_than_its_picture_begins_in_it():
    picture = np.full((300, 170, 3), 9, np.uint8)
    picture[:, 85:] = 0
    before = picture.copy()
    drawn = draw_legend(picture, [("a class whose name is too long for the picture", GREEN)])
    assert drawn.shape == picture.shape
    assert GREEN in colors_in(drawn[:, 6:14]), "its first letter"
    np.testing.assert_array_equal(picture, before)
