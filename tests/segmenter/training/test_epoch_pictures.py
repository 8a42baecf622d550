"""The pictures of an epoch: images of 32 px, a lesion of 220 on 40; models of 16 px that take gray levels as they are."""

import cv2
import keras
import numpy as np
import pytest

from segmenter.data.dataset import read_data_set
from segmenter.pictures import draw_row
from segmenter.runs import open_run
from segmenter.training.epoch_pictures import epoch_pictures


def gray_model(classes):
    """The level is the probability of the last class; with several classes the rest is the background's."""
    pixels = keras.Input((16, 16, 1))
    lesion = keras.layers.Rescaling(1 / 255)(pixels)
    if classes == 1:
        return keras.Model(pixels, lesion)
    none = [keras.layers.Rescaling(0)(lesion)] * (classes - 2)
    return keras.Model(pixels, keras.layers.Concatenate()([keras.layers.Rescaling(-1, 1)(lesion), *none, lesion]))


@pytest.fixture
def picture(data_folder):
    """Draws the first validation image after epoch 3; gives the picture's panels."""

    def draw(configuration):
        samples = read_data_set(data_folder).split("valid")
        for callback in epoch_pictures(open_run(data_folder, "run"), configuration, samples):
            model = gray_model(configuration.model.num_classes)
            model.compile("adam")
            callback.set_model(model)
            callback.on_epoch_end(2)
        return {path.parent.name: cv2.imread(str(path)) for path in data_folder.glob(f"runs/run/*/Epoch_3_{samples[0].name}.png")}

    return draw


def enlarged(image, times):
    return np.kron(image, np.ones((times, times), np.uint8))


def test_tiles_show_the_image_at_its_own_size(picture, configure, draw_pair):
    pictures = picture(configure(train__epoch_change_tiledinfer=True, infer__smallest_lesion_px=2000))
    assert sorted(pictures) == ["epoch_change_infer", "epoch_change_tiledinfer"]
    image, mask = (enlarged(plane, 8) for plane in draw_pair(7))
    expected = draw_row(image, mask, mask, "P7_L_CM_CC, epoch 3")
    np.testing.assert_array_equal(pictures["epoch_change_tiledinfer"], expected)
    image, mask = (enlarged(cv2.resize(plane, (16, 16), interpolation=cv2.INTER_AREA), 16) for plane in draw_pair(7))
    np.testing.assert_array_equal(pictures["epoch_change_infer"], draw_row(image, mask, mask, "P7_L_CM_CC, epoch 3"))


def test_crops_are_shown_in_the_whole_image(picture, configure, draw_pair, write_pair, data_folder):
    image, mask = draw_pair(7)
    image[image == 40] = 0  # the lesion alone is the breast
    write_pair(data_folder, "valid", "P7_L_CM_CC", image, mask)
    pictures = picture(configure(dataset__crop="breast"))
    assert sorted(pictures) == ["epoch_change_infer"]
    assert pictures["epoch_change_infer"].shape == draw_row(*[enlarged(image, 8)] * 3, "P7_L_CM_CC, epoch 3").shape
    width = 8 * 32
    prediction = pictures["epoch_change_infer"][-8 * 32 :, 2 * width : 3 * width]
    colored = (prediction != enlarged(image, 8)[..., None]).any(-1)
    rows, columns = np.nonzero(colored)
    lesion_rows, lesion_columns = np.nonzero(enlarged(mask, 8))
    for ours, theirs in ((rows, lesion_rows), (columns, lesion_columns)):
        assert (ours.min(), ours.max()) == pytest.approx((theirs.min(), theirs.max()), abs=8)


def test_no_pictures_are_drawn_where_they_are_off(picture, configure):
    assert not picture(configure(train__epoch_change_infer=False))


def test_classes_have_their_colors(picture, configure, data_folder, write_pair, draw_pair):
    for place in (7, 8, 9):
        image, mask = draw_pair(place)
        write_pair(data_folder, "valid", f"P{place}_L_CM_CC", image, mask // 255)
    classes = {"model__num_classes": 3, "train__epoch_change_tiledinfer": True}
    colors = ((0, 255, 0), (255, 0, 0))
    pictures = picture(configure(**classes, infer__mask_colors=colors))
    image, mask = (enlarged(plane, 8) for plane in draw_pair(7))
    # The model says malignant, class 2; the file says benign, class 1.
    expected = draw_row(image, mask // 255 * 2, mask // 255, "P7_L_CM_CC, epoch 3", colors, ("benign", "malignant"))
    np.testing.assert_array_equal(pictures["epoch_change_tiledinfer"], expected)
    pixels = {tuple(pixel) for pixel in pictures["epoch_change_infer"].reshape(-1, 3).tolist()}
    assert pixels >= {(0, 255, 0), (0, 0, 255)}


def test_the_annotated_image_of_a_view_is_shown(views_folder, configure):
    pixels = keras.Input((16, 16, 3))
    model = keras.Model(pixels, keras.layers.Rescaling(1 / 255)(pixels[..., 1:2]))
    model.compile("adam")
    configuration = configure(
        model__image_channels=3, dataset__partner=True, train__epoch_change_tiledinfer=True, train__num_infer_images=4
    )
    samples = read_data_set(views_folder).split("valid")
    for callback in epoch_pictures(open_run(views_folder, "run"), configuration, samples):
        callback.set_model(model)
        callback.on_epoch_end(2)
    name = "P5_L_DM_CC"
    low_energy, mask = (
        enlarged(cv2.imread(str(views_folder / f"valid/{kind}/{name}.png"), 0), 8) for kind in ("images", "masks")
    )
    expected = draw_row(low_energy, mask, mask, f"{name}, epoch 3")
    picture = cv2.imread(str(views_folder / f"runs/run/epoch_change_tiledinfer/Epoch_3_{name}.png"))
    np.testing.assert_array_equal(picture, expected)
