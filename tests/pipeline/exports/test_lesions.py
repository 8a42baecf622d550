"""The lesions of a mask: reading its file, connected components, and outlines that give the pixels back."""

import cv2
import numpy as np
import pytest
from inputs import picture

from pipeline.drawing.raster import rasterise
from pipeline.drawing.regions import Region
from pipeline.exports.lesions import find_parts, outline, read_mask
from pipeline.files import InputError

CLASSES = ("benign", "malignant")


@pytest.mark.parametrize(
    ("levels", "suffix", "classes"),
    [
        pytest.param([0, 255], ".png", [0, 1], id="0 and 255"),
        pytest.param([0, 2], ".png", [0, 2], id="class indices"),
        pytest.param([0, 0], ".png", [0, 0], id="empty"),
        pytest.param([100, 160], ".jpg", [0, 1], id="JPEG has a threshold of 128"),
        pytest.param([0, 0], ".jpg", [0, 0], id="empty JPEG"),
    ],
)
def test_a_mask_is_read_as_classes(tmp_path, levels, suffix, classes):
    path = tmp_path / f"mask{suffix}"
    cv2.imwrite(str(path), np.repeat(np.array(levels, np.uint8), 8)[None].repeat(8, 0))
    np.testing.assert_array_equal(read_mask(path, CLASSES)[0, ::8], classes)


def test_class_indices_that_were_saved_as_jpeg_are_an_error(tmp_path):
    path = tmp_path / "mask.jpg"
    cv2.imwrite(str(path), np.full((8, 8), 2, np.uint8))
    with pytest.raises(InputError, match=r"mask.jpg: holds only levels up to 2, which are neither class indices nor lesion"):
        read_mask(path, CLASSES)


def test_a_class_that_the_recipe_does_not_know_is_an_error(tmp_path):
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), np.full((4, 4), 3, np.uint8))
    with pytest.raises(InputError, match=r"mask.png: holds the class 3; the data set's recipe knows 1 benign, 2 malignant"):
        read_mask(path, CLASSES)


def test_edges_and_corners_connect_within_a_class():
    mask = picture("##..# ..#.. ..#..") + 2 * picture("...#. ..... #....")
    parts = find_parts(mask)
    assert [(part.class_index, part.left, part.top, int(part.pixels.sum())) for part in parts] == [
        (1, 0, 0, 4),
        (1, 4, 0, 1),
        (2, 3, 0, 1),
        (2, 0, 2, 1),
    ]


@pytest.mark.parametrize("hole", [False, True])
def test_a_hole_is_seen_and_can_be_filled(hole):
    (part,) = find_parts(picture("..... .###. .#.#. .###." if hole else "..... .###. .#.#. .#.#."))
    assert part.has_hole == hole
    assert part.filled.sum() == (9 if hole else 7)


def drawn(mask):
    """The mask as its outlines draw it."""
    corners = [outline(part.pixels) + np.array([part.left, part.top]) for part in find_parts(mask)]
    return rasterise([Region("polygon", points.astype(float)) for points in corners], *mask.shape[::-1])


@pytest.mark.parametrize("mask", ["#", ".#. ...", "###", "#.. .#. ..#", "##. ### .##", "#.#.# ##### .#.#.", ".##. #..# .##."])
def test_outlines_draw_the_pixels_again(mask):
    mask = picture(mask)
    filled = sum(np.pad(part.filled, _around(part, mask)) for part in find_parts(mask))
    np.testing.assert_array_equal(drawn(mask), np.minimum(filled, 1))


@pytest.mark.parametrize("seed", range(20))
def test_outlines_draw_blobs_again(seed):
    rng = np.random.default_rng(seed)
    mask = (cv2.GaussianBlur(rng.random((50, 70)), (0, 0), rng.uniform(0.5, 4)) > 0.5).astype(np.uint8)
    filled = sum(np.pad(part.filled, _around(part, mask)) for part in find_parts(mask))
    np.testing.assert_array_equal(drawn(mask), np.minimum(filled, 1))


def _around(part, mask):
    """The padding that brings a component's window to the mask's size."""
    height, width = part.pixels.shape
    return (part.top, mask.shape[0] - part.top - height), (part.left, mask.shape[1] - part.left - width)
